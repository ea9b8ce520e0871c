"""Maintenance: requests that nobody claimed are woken unless the last night holds them back, alerts are sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from support import FIRST, write_tiny_model

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, champion, outbox, requests, rollbacks, verdicts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    """The ledger of `tiny`, beside a model without a ledger and a folder that is none."""
    for name in ("tiny", "young"):
        write_tiny_model(settings, name, days=1)
    (settings.models / "unfinished").mkdir()
    return Ledger.open(settings, "tiny", create=True)


@pytest.fixture
def upkeep(settings: Settings, tmp_path: Path) -> Callable[..., list[Any]]:
    """`upkeep("wake", ...)`: what became of these tasks."""

    def run(*kinds: str) -> list[Any]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        paths = os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])
        env = kept | {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": paths}
        argv = [sys.executable, str(Path(__file__).with_name("upkeep.py")), *kinds]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("DONE "))
        found: list[Any] = json.loads(line.removeprefix("DONE "))
        return found

    return run


def decided(ledger: Ledger, day: date, verdict: str) -> None:
    verdicts.record(ledger, day, {"day": str(day), "verdict": verdict, "evidence_sha256": verdict}, {})


def test_what_nobody_has_claimed_is_woken_and_what_is_claimed_is_not(ledger, upkeep) -> None:
    nothing = {"raised": "AirflowSkipException", "message": "nothing to do", "woken": []}
    assert upkeep("wake") == [nothing]
    for key in ("a", "b"):
        requests.ask(ledger, key, "drift", "tests")
    woken = {"woken": ["evergreen/tiny/retrain 2"]}
    # Again and again, until somebody claims it.
    assert upkeep("wake", "wake") == [woken, woken]
    run = f"{FIRST}-20240101T000000Z-abcdef"
    requests.claim_all(ledger, run)
    requests.done(ledger, run, "passed")
    assert upkeep("wake") == [nothing]


def test_a_night_that_holds_back_holds_back_whoever_asks(settings, ledger, upkeep) -> None:
    expected = {"wait": 2, "retrain": 2, "cooldown": 1, "data_bug": 0, "broken": 0, "over_budget": 0}
    for verdict, woken in expected.items():
        write_tiny_model(settings, verdict, days=1)
        own = Ledger.open(settings, verdict, create=True)
        decided(own, date(2024, 1, 1), "data_bug" if woken else "wait")
        decided(own, date(2024, 1, 2), verdict)
        requests.ask(own, "alert-7", "drift", "tests")
        requests.ask(own, "night-2024-01-01", "a night", "night")
    (found,) = upkeep("wake")
    assert found["woken"] == [f"evergreen/{name}/retrain {count}" for name, count in sorted(expected.items()) if count]


def test_a_task_that_failed_is_told_once_a_try_with_its_link(ledger, upkeep) -> None:
    upkeep("failed", "failed")
    ledger.fetch()
    (entry,) = outbox.waiting(ledger)
    assert (entry.alert.title, entry.alert.severity) == ("tiny: train of tiny__retrain failed", "failure")
    assert (entry.alert.body, entry.alert.link) == ("out of memory", "http://airflow/dags/tiny__retrain")


def test_alerts_wait_for_a_channel_and_one_models_fault_spoils_no_other(
    settings, ledger, upkeep, tmp_path: Path, monkeypatch
) -> None:
    upkeep("failed")
    assert upkeep("send")[0]["raised"] == "AirflowSkipException"
    path = settings.models / "tiny" / "model.yaml"
    path.write_text(path.read_text() + "alerts: {urls_secret: alerts-tiny}\n")
    (found,) = upkeep("send")
    assert (found["raised"], "alerts-tiny: is not there" in found["message"]) == ("AirflowException", True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "alerts-tiny").write_text("json://127.0.0.1:9/canary\n")
    monkeypatch.setenv("EVERGREEN_SECRETS", str(tmp_path / "secrets"))
    (found,) = upkeep("send")
    assert found["raised"] == "AirflowSkipException"
    ledger.fetch()
    assert len(outbox.waiting(ledger)) == 1


def reigning(ledger: Ledger) -> champion.Champion:
    """A champion, just promoted."""
    days = (FIRST, FIRST)
    run = f"{FIRST}-20240101T000000Z-abcdef"
    window = champion.ChampionWindow(as_of=FIRST, train=days, test=days)
    reason = champion.Reason(kind="first")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    standing = champion.Champion(version=1, run=run, model_sha256="a" * 64, since=now, reason=reason, window=window)
    champion.promote(ledger, standing, None)
    return standing


def test_the_registry_is_compared_once_an_hour_where_there_is_a_champion(ledger, upkeep) -> None:
    (none,) = upkeep("compare 3")
    assert none["raised"] == "AirflowSkipException"
    reigning(ledger)
    first, later = upkeep("compare 3", "compare 13")
    assert first == {"woken": ["evergreen/tiny/compare"]}
    assert (later["message"], later["woken"]) == ("once an hour is enough", [])


def test_a_rollback_that_is_due_is_announced_until_it_is_settled(ledger, upkeep) -> None:
    standing = reigning(ledger)
    rollbacks.ask(ledger, standing, {"rows": 600}, "worse than the one before")
    woken = {"woken": ["evergreen/tiny/rollback 1"]}
    assert upkeep("wake", "wake") == [woken, woken]
    rollbacks.settle(ledger, rollbacks.key_of(standing), {"done": False, "reason": "lost"})
    assert upkeep("wake")[0]["message"] == "nothing to do"
