"""Signed champions: by the promoter's key where there is one, told apart from unsigned, foreign and altered ones."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.errors import ConfigError
from pipelines.ledger import Ledger, champion, signatures
from pipelines.ledger.champion import Champion, ChampionWindow, Reason
from pipelines.ledger.command import git

DAY = date(2024, 2, 4)


def version(number: int) -> Champion:
    return Champion(
        version=number,
        run=f"2024-02-05-20260101T000000Z-{number:06x}",
        model_sha256=f"{number:064x}",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        reason=Reason(kind="first"),
        window=ChampionWindow(as_of=DAY, train=(DAY, DAY), test=(DAY, DAY)),
    )


def key(folder: Path, name: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(folder / name)], check=True)
    kind, public, _ = (folder / f"{name}.pub").read_text().split()
    return f"{kind} {public}"


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("EVERGREEN_SECRETS", str(folder))
    return folder


def opened(world, secrets: Path) -> Ledger:
    from dataclasses import replace

    return Ledger.open(replace(world.settings, secrets=secrets), "tiny")


def test_without_a_key_nothing_is_signed(world, secrets) -> None:
    ledger = opened(world, secrets)
    head = champion.promote(ledger, version(1), None)
    assert signatures.verify(ledger, head) == signatures.UNSIGNED


def test_a_key_signs_and_the_list_of_signers_tells_whose_it_is(world, secrets) -> None:
    public = key(secrets, "champion-key")
    ledger = opened(world, secrets)
    head = champion.promote(ledger, version(1), None)
    assert "there is no champion-signers" in signatures.verify(ledger, head)
    (secrets / "champion-signers").write_text(f"promoter@evergreen {public}\n")
    told = signatures.verify(ledger, head)
    assert told.startswith("signed by promoter@evergreen, key SHA256:")
    assert signatures.sound(told)
    # The same through another mirror, and of no other branch.
    assert signatures.verify(opened(world, secrets), head) == told
    assert signatures.verify(ledger, ledger.commit("decisions", {"a.json": b"1"}, "A", parent=None)) == "unsigned"


def test_a_foreign_key_and_an_altered_commit_are_named(world, secrets, tmp_path: Path) -> None:
    key(secrets, "champion-key")
    (tmp_path / "other").mkdir()
    (secrets / "champion-signers").write_text(f"promoter@evergreen {key(tmp_path / 'other', 'key')}\n")
    ledger = opened(world, secrets)
    head = champion.promote(ledger, version(1), None)
    foreign = signatures.verify(ledger, head)
    assert not signatures.sound(foreign)
    assert "not among the signers" in foreign
    altered = git(ledger.mirror, "cat-file", "commit", head).replace(b"Champion 1: first", b"Champion 1: ours!")
    forged = git(ledger.mirror, "hash-object", "-t", "commit", "-w", "--stdin", stdin=altered).decode().strip()
    assert signatures.verify(ledger, forged).startswith("bad signature")


def test_a_key_without_ssh_keygen_is_a_clear_error(world, secrets, monkeypatch) -> None:
    key(secrets, "champion-key")
    ledger = opened(world, secrets)
    monkeypatch.setattr("pipelines.ledger.signatures.shutil.which", lambda _: None)
    with pytest.raises(ConfigError, match="install openssh-client"):
        champion.promote(ledger, version(1), None)
    assert champion.current(opened(world, secrets)) is None
