"""The command line as its user meets it: help, one-line errors, exit codes."""

from __future__ import annotations

import pytest
import stories

from pipelines.config.settings import Settings

COMMANDS = (
    "status",
    "doctor",
    "history",
    "explain",
    "trace",
    "ingest",
    "run",
    "stage",
    "predict",
    "score",
    "monitor",
    "reproduce",
    "republish",
    "discard",
    "request",
    "decide",
    "decisions",
    "backup",
    "restore",
    "new",
    "check",
    "up",
    "down",
    "services",
    "demo",
    "serve-ledgers",
    "serve-docker-proxy",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(settings: Settings, command: str) -> None:
    done = stories.evergreen(settings, command, "--help")
    assert done.returncode == 0
    assert "Usage: evergreen" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "../etc"), "is not a legal model name"),
        (("run", "flights\n"), "is not a legal model name"),
        (("run", "flіghts"), "is not a legal model name"),  # a Cyrillic letter that looks like an i
        (("run", "nosuch"), "there is no model 'nosuch'"),
        (("run", "tiny", "--as-of", "yesterday"), "'yesterday' is not a day"),
        (("run", "tiny", "--as-of", "1800-01-01"), "out of range"),
        (("run", "tiny", "--train-days", "99999999999999999999"), "train_days"),
        (("run", "tiny", "--train-days", "-1"), "train_days"),
        (("stage", "train", "--model", "tiny", "--run", "../../x"), "is not a run id"),
        (("stage", "train"), "--model and --run are needed"),
        (("ingest", "tiny", "--from", "2024-02-30"), "'2024-02-30' is not a day"),
        (("predict", "tiny", "--date", "2024-01-05"), "no ledger yet"),
        (("score", "tiny", "--date", "2024-01-05"), "no ledger yet"),
        (("monitor", "tiny", "--date", "2024-02-30"), "'2024-02-30' is not a day"),
    ],
)
@pytest.mark.usefixtures("tiny_model")
def test_wrong_arguments_end_with_one_line_and_exit_code_3(
    settings: Settings, arguments: tuple[str, ...], words: str
) -> None:
    done = stories.evergreen(settings, *arguments)
    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("evergreen: ")
    assert len(last) <= 320
    assert "Traceback" not in done.stderr
    assert not (settings.home / "ledger").exists(), "nothing is made of a wrong request"


def test_status_without_models_says_so(settings: Settings) -> None:
    settings.models.mkdir(parents=True)
    assert "evergreen new" in stories.evergreen(settings, "status").stdout
