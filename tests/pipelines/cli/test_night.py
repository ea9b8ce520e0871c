"""`evergreen night`, `evergreen alerts` and the night's steps as stages, as people and Airflow call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import stories
from support import TinyModel

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, outbox, verdicts


@pytest.fixture
def tiny(tiny_model: TinyModel, tmp_path: Path) -> TinyModel:
    """The tiny model with a channel for alerts that nobody listens to."""
    (tmp_path / "alerts").write_text("json://127.0.0.1:9/x\n")
    tiny_model.edit("promotion: auto", "promotion: auto\nalerts: {urls_secret: alerts}")
    return tiny_model


def test_a_night_in_one_process(settings: Settings, tiny: TinyModel, tmp_path: Path) -> None:
    tiny.path("skies", tiny.day(9)).unlink()
    options = ("night", "tiny", "--date", str(tiny.day(9)))
    done = stories.evergreen(settings, *options, EVERGREEN_SECRETS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert list(lines) == ["ingest", "score", "monitor", "decide"]
    assert "missing skies" in lines["ingest"]
    assert lines["score"] == "skipped, there is no champion yet"
    assert lines["decide"].startswith("data_bug. The data look broken: skies: no rows came")
    ledger = Ledger.open(settings, "tiny")
    decided = verdicts.newest(ledger, tiny.day(9), tiny.day(9))[tiny.day(9)]
    assert decided["verdict"] == "data_bug"
    # The channel is down: the alerts wait, and can be read.
    assert [entry.alert.kind for entry in outbox.waiting(ledger)] == ["missing", "data_bug"]
    shown = stories.evergreen(settings, "alerts", "tiny", "--send", EVERGREEN_SECRETS=str(tmp_path))
    assert "did not take" in shown.stderr
    assert f"warning  tiny {tiny.day(9)}: skies did not come" in shown.stdout
    assert f"failure  tiny {tiny.day(9)}: the data looks broken" in shown.stdout


@pytest.mark.parametrize(
    ("step", "params", "said"),
    [
        ("score", {}, "day"),
        ("score", {"day": "soon"}, "'soon' is not a day"),
        ("decide", {"day": "2024-01-01", "backfill": "yes"}, "backfill"),
        ("monitor", {"day": "2024-01-01", "shout": True}, "unknown shout"),
        ("ingest", {"day": "2023-01-01", "night": True}, "outside the model's schedule"),
    ],
)
def test_a_step_that_is_asked_for_wrongly(settings: Settings, tiny: TinyModel, step, params, said) -> None:
    done = stories.evergreen(settings, "stage", step, "--model", "tiny", "--params", json.dumps(params))
    assert done.returncode == 3
    assert said in done.stderr


def test_without_a_champion_there_is_nothing_to_score(settings: Settings, tiny: TinyModel) -> None:
    Ledger.open(settings, "tiny", create=True)
    params = json.dumps({"day": str(tiny.day(1))})
    done = stories.evergreen(settings, "stage", "score", "--model", "tiny", "--params", params)
    assert done.returncode == 99
    assert "there is no champion yet" in done.stderr
