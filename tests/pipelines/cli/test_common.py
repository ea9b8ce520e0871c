"""What the commands share."""

from __future__ import annotations

import getpass
import os

import pytest
from support import TinyModel
from typer.testing import CliRunner

from pipelines.cli import common
from pipelines.cli.main import app


def nameless(error: type[Exception]):
    def getuser() -> str:
        raise error("getpwuid(): uid not found: 1234")

    return getuser


@pytest.mark.parametrize("error", [KeyError, OSError], ids=["before Python 3.13", "since"])
def test_who_without_a_name_on_this_machine_is_the_number(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(getpass, "getuser", nameless(error))
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    assert common.who() == "uid 1234"


@pytest.mark.parametrize("command", ["approve", "reject", "rollback", "discard", "pin", "unpin"])
def test_a_user_without_a_name_is_told_what_is_wrong_with_the_model_not_with_them(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", nameless(KeyError))
    run = [] if command == "rollback" else ["2024-02-05-20260101T000000Z-abcdef"]
    done = CliRunner().invoke(app, [command, tiny_model.name, *run, "--reason", "seen"])
    assert "has no ledger yet" in str(done.exception)


def test_a_user_without_a_name_is_one_of_the_approvers_by_number(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", nameless(KeyError))
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    with (tiny_model.folder / "model.yaml").open("a") as model:
        model.write("approval: {approvers: [ann]}\n")
    done = CliRunner().invoke(app, ["approve", tiny_model.name, "2024-02-05-20260101T000000Z-abcdef"])
    assert "'uid 1234' is none of the approvers" in str(done.exception)
