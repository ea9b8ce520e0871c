"""Secrets are read from files; an unusable one is named, and never shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.config.secrets import LEDGER, MLFLOW, login, secret_file
from pipelines.errors import ConfigError


@pytest.fixture
def with_secrets(settings, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    return replace(settings, secrets=folder)


def test_without_a_folder_there_is_no_secret(settings):
    assert login(settings, LEDGER) is None


def test_without_its_file_there_is_no_secret(with_secrets):
    assert secret_file(with_secrets, MLFLOW) is None
    assert login(with_secrets, MLFLOW) is None


def test_a_login_is_two_lines(with_secrets):
    (with_secrets.secrets / LEDGER).write_text("username=tasks\npassword=a=b c\n")
    assert login(with_secrets, LEDGER) == ("tasks", "a=b c")


@pytest.mark.parametrize("content", ["", "username=tasks\n", "username=\npassword=canary\n", "canary"])
def test_half_a_login_is_refused_and_not_shown(with_secrets, content):
    (with_secrets.secrets / LEDGER).write_text(content)
    with pytest.raises(ConfigError, match="lacks a user name or a password") as caught:
        login(with_secrets, LEDGER)
    assert "canary" not in caught.value.line()


def test_bytes_that_are_no_text_are_refused(with_secrets):
    (with_secrets.secrets / LEDGER).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        login(with_secrets, LEDGER)
