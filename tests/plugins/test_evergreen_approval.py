"""The approval task: whom it asks what, and that every answer is in the ledger before anything goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support import write_tiny_model

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, approvals, decisions, retrainings

ROOT = Path(__file__).parents[2]
RUN, DRY = "2024-01-30-20260101T000000Z-abcdef", "2024-01-31-20260101T000000Z-abcdef"
GATES = {
    "passed": True,
    "model_sha256": "a" * 64,
    "gates": [
        {
            "name": "champion",
            "passed": True,
            "observed": -0.01,
            "threshold": 0.02,
            "interval": [-0.02, 0.001],
            "mode": "on",
            "evidence": {"metric": "log_loss"},
            "sentence": "better | by <b>much</b>",
        },
        {
            "name": "baseline",
            "passed": True,
            "observed": -0.1,
            "threshold": 0.0,
            "interval": None,
            "mode": "on",
            "evidence": {"metric": "log_loss"},
            "sentence": "better than the baseline",
        },
    ],
}
METRICS = {
    "challenger": {"log_loss": 0.5},
    "compared": {"challenger": {"log_loss": 0.5}, "champion": {"log_loss": 0.51}},
}
CARD = "http://127.0.0.1:5000/#/experiments/1/runs/2/artifacts/card.html"
ANN = {"id": "7", "name": "ann"}


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    """A ledger with a finished run that is asked for in mode manual, and a dry run."""
    write_tiny_model(settings, days=1).edit(
        "promotion: auto", "promotion: manual\napproval: {approvers: [ann, bob], deadline_hours: 2}"
    )
    ledger = Ledger.open(settings, "tiny", create=True)
    for run, mode in ((RUN, "manual"), (DRY, "dry_run")):
        request = {"promotion": mode, "note": "please {{ look }}", "caller": "manual__1"}
        files = {"run.json": {"request": request}, approvals.GATES: GATES, "out/evaluate/metrics.json": METRICS}
        content = {path: json.dumps(value).encode() for path, value in files.items()}
        ledger.tag(f"runs/{run}", ledger.commit(f"run/{run}", content, "Run", parent=None))
    return ledger


@pytest.fixture
def approve(settings: Settings, ledger: Ledger, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """`approve(case, ...)`: what became of these."""

    def run(*cases: dict[str, Any]) -> list[dict[str, Any]]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        paths = os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])
        env = kept | {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": paths}
        argv = [sys.executable, str(Path(__file__).with_name("approve.py"))]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env, input=json.dumps(cases))
        assert done.returncode == 0, done.stderr[-2000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("DONE "))
        found: list[dict[str, Any]] = json.loads(line.removeprefix("DONE "))
        return found

    return run


def given(choice: str, user: dict[str, str] | None, minute: int) -> dict[str, Any]:
    return {"run": RUN, "minute": minute, "answer": {"chosen_options": [choice], "responded_by_user": user}}


def test_what_is_asked_and_what_each_answer_comes_to(ledger, approve) -> None:
    asks, dry, rejected, late, foreign, approved = approve(
        {"run": RUN, "card": CARD},
        {"run": DRY},
        given("Reject", ANN, 1),
        given("Reject", None, 2),
        given("Approve", {"id": "9", "name": "eve"}, 3),
        given("Approve", ANN, 4),
    )
    assert asks["raised"] == "TaskAwaitingInput"
    (question,) = asks["asked"]
    assert RUN in question["subject"]
    assert question["defaults"] == ["Reject"]
    assert [user["id"] for user in question["assigned_users"]] == ["ann", "bob"]
    lines = question["body"].splitlines()
    assert "| champion | passed | -0.01 | 0.02 | -0.02 to 0.001 | better \\| by \\<b\\>much\\</b\\> |" in lines
    assert "| log\\_loss | 0.5 | 0.51 | -0.01 | -0.02 to 0.001 | less |" in lines
    assert f"- [Model card]({CARD})" in lines
    assert "please {{ look }}" in question["body"]
    # A dry run is nobody's question.
    assert (dry["returned"], dry["asked"], dry["skipped"]) == (None, [], False)
    assert (rejected["skipped"], late["skipped"], approved["skipped"]) == (True, True, False)
    assert foreign["raised"] == "AirflowFailException"
    ledger.fetch()
    kept = [(item["verdict"], item["by"], item["reason"]) for item in decisions.find(ledger, "approval")]
    assert sorted(kept) == [
        ("approve", "ann", ""),
        ("approve", "eve", ""),
        ("reject", "", "no answer within 2 hours"),
        ("reject", "ann", ""),
    ]
    # Nobody else notes what a person, or silence, has refused.
    (noted,) = retrainings.between(ledger, date(2024, 1, 1), date(2024, 1, 31))
    assert (noted["run"], noted["outcome"]) == (RUN, "refused")
    newest = approvals.newest(ledger, RUN, approvals.gates_sha256(ledger, RUN))
    assert (newest.verdict, newest.names, newest.via) == ("approve", ("ann", "7"), "tiny__promote/r")
