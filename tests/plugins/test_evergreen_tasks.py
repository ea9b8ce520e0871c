"""What a stage's exit code does to its task, what is announced, and what a stage is asked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import FIRST, write_tiny_model

from pipelines.config import names
from pipelines.config import settings as configuration
from pipelines.runs.release import Told

ROOT = Path(__file__).parents[2]
RUN = "2024-01-20-20260102T030405Z-0123ab"
EARLIER = "2024-01-19-20260101T030405Z-0123ab"
ASKED = {"as_of": "2024-01-20", "train_days": 20, "test_days": 5, "promotion": "auto", "hpo_trials": 0, "note": ""}
EVIL = "{{ 7 * 7 }} $(touch pwned); `id` \"'\\"
CHALLENGER, CHAMPION = (["evergreen/tiny/" + what, {"run": RUN}] for what in ("challenger", "champion"))

# What stands in for `evergreen`: `answer` writes the result file as the real one does.
ANSWER = """
import json, os, signal, sys
false, true = False, True
def answer(code, summary):
    assert sys.argv[-2] == "--result"
    told = {"exit_code": code, "summary": summary, "error": "" if code in (0, 4) else "a: b; do c"}
    json.dump(told, open(sys.argv[-1], "w"))
"""


def ends(code: int, result: str = "{}") -> str:
    """The code of an `evergreen` that ends so."""
    return f"answer({code}, {result}); sys.stderr.write('evergreen: a: b; do c\\n'); sys.exit({code})"


def train(code: int, **more: Any) -> dict[str, Any]:
    return {"call": "continued", "stage": "train", "pulled": RUN, "code": ends(code)} | more


def register(code: int, mode: str, result: str = "{}") -> dict[str, Any]:
    return {
        "call": "register",
        "stage": "register",
        "announces": "challenger",
        "pulled": RUN,
        "params": {"promotion": mode},
        "code": ends(code, result),
    }


def promote(run: str | None = RUN, code: int = 0, result: str = "{}", **more: Any) -> dict[str, Any]:
    case = {"call": "promote", "stage": "promote", "announces": "champion", "params": {"run": run}}
    return case | {"code": ends(code, result)} | more


def snapshot(**more: Any) -> dict[str, Any]:
    return {"call": "snapshot", "stage": "snapshot", "params": ASKED, "code": ends(0)} | more


def ingest(first: str, last: str | None) -> dict[str, Any]:
    return {"call": "ingest", "stage": "ingest", "params": {"from": first, "to": last}, "code": ends(0)}


def rollback(to: Any = None, reason: str | None = "late every evening", **more: Any) -> dict[str, Any]:
    case = {"call": "rollback", "stage": "rollback", "announces": "champion", "dag": "tiny__rollback"}
    return case | {"params": {"to": to, "reason": reason}, "code": ends(0, '{"promoted": true}')} | more


CASES = {
    "done": train(0),
    "refused": train(4),
    "wrong input": train(3),
    "passing fault": train(75),
    "nothing to do": train(99),
    "crash": train(1, attempt=1),
    "crash again": train(1, attempt=2),
    "killed": snapshot(attempt=2, code="os.kill(os.getpid(), signal.SIGKILL)"),
    "no result": train(0) | {"code": "print('no json')"},
    "register, auto": register(0, "auto"),
    "register, dry run": register(0, "dry_run"),
    "register, manual": register(0, "manual"),
    "register, refused": register(4, "auto"),
    "register, refused too": register(0, "auto", '{"refused": true}'),
    "register, wrong": register(3, "auto"),
    "register, card": register(0, "auto", '{"card": {"page": "/#/experiments/1/runs/a/artifacts/card.html"}}'),
    "promote": promote(result='{"promoted": true}'),
    "promote, dry run": promote(result='{"promoted": false}'),
    "promote, refused": promote(code=4, result='{"promoted": false, "refused": true}'),
    "promote, newest": promote(None, triggered_by=[{"run": EARLIER}, {"run": RUN}]),
    "promote, given": promote(EARLIER, triggered_by=[{"run": RUN}]),
    "promote, none": promote(None),
    "promote, wild": promote(None, triggered_by=[{"run": "../../x"}]),
    "snapshot": snapshot(params=ASKED | {"train_days": 20.0}),
    "snapshot, second try": snapshot(attempt=3),
    "snapshot, other run": snapshot(run_id="manual__2"),
    "snapshot, no note": snapshot(params=ASKED | {"note": None}),
    "snapshot, evil note": snapshot(params=ASKED | {"note": EVIL}),
    "snapshot, unknown key": snapshot(params=ASKED | {"trian_days": 1}),
    "snapshot, newest day": snapshot(params=ASKED | {"as_of": None}),
    "snapshot, no data": snapshot(params=ASKED | {"as_of": None}, model="empty"),
    "snapshot, by event": snapshot(run_type="asset_triggered"),
    "snapshot, begun": snapshot(params=ASKED | {"as_of": None}, model="begun"),
    "train, lost run": train(0, pulled=None),
    "ingest, one day": ingest("2024-01-01", None),
    "ingest, a month": ingest("2024-01-01", "2024-01-31"),
    "ingest, backwards": ingest("2024-01-02", "2024-01-01"),
    "ingest, wild": ingest("../x", None),
    "rollback": rollback(by="ann"),
    "rollback, version": rollback(7.0, by="ann"),
    "rollback, nobody": rollback(),
    "rollback, evil reason": rollback(reason=EVIL, by="ann"),
    "rollback, long names": rollback(run_id="manual__" + "x" * 400),
    "rollback, no reason": rollback(reason=None),
    "rollback, blank reason": rollback(reason=" \t "),
    "rollback, unknown key": rollback(params={"to": None, "reason": "because", "due": True}),
    "rollback, by event": rollback(reason=None, run_type="asset_triggered", by="ann"),
    "reconcile": {"call": "reconcile", "stage": "reconcile", "code": ends(0)},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of every case, all driven in one process; `argv` is what the stage was given, None if not run."""
    folder = tmp_path_factory.mktemp("drive")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW"))} | {
        "EVERGREEN_HOME": str(folder / "home"),
        "EVERGREEN_MODELS": str(folder / "models"),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
    }
    write_ledgers(env, folder)
    cases = [case | {"executable": str(executable(folder, n, case["code"]))} for n, case in enumerate(CASES.values())]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("drive.py"))],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        input=json.dumps(cases),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("DRIVEN "))
    results = json.loads(line.removeprefix("DRIVEN "))
    for n, result in enumerate(results):
        argv = folder / f"{n}.json"
        result["argv"] = json.loads(argv.read_text()) if argv.exists() else None
    return dict(zip(CASES, results, strict=True))


def executable(folder: Path, number: int, code: str) -> Path:
    path = folder / f"evergreen{number}"
    dump = f"json.dump(sys.argv[1:-2], open({str(folder / f'{number}.json')!r}, 'w'))"
    path.write_text(f"#!{sys.executable}\n{ANSWER}\n{dump}\n{code}\n")
    path.chmod(0o700)
    return path


def write_ledgers(env: dict[str, str], folder: Path) -> None:
    """`tiny` and `begun` hold two accepted days; in `begun` a first try has opened the run as of the day before."""
    from pipelines.ledger import Ledger
    from pipelines.ledger.data import Arrival, Partition, publish

    settings = configuration.load(env)
    for name in ("tiny", "begun", "empty"):
        write_tiny_model(settings, name, days=1)
        ledger = Ledger.open(settings, name, create=True)
        for number in () if name == "empty" else (0, 1):
            day = (FIRST + timedelta(days=number)).isoformat()
            file = folder / f"{day}.parquet"
            file.write_bytes(day.encode())
            sha256 = hashlib.sha256(day.encode()).hexdigest()
            bare = Partition("orders", day, 0, "", sha256, "", 3, len(day), "s", "e", "accepted", "s1")
            publish(settings, ledger, [Arrival(bare, file, {})], f"Take in {day}")
    begun = names.run_id(FIRST, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "tiny__retrain/manual__1")
    ledger = Ledger.open(settings, "begun")
    head = ledger.head("data") or ""
    ledger.commit(f"run/{begun}", {"run.json": b"{}"}, "Open a run", parent=head)


def test_a_retraining_that_an_event_started_needs_a_request(found) -> None:
    assert json.loads(found["snapshot, by event"]["argv"][-1])["only_if_asked"] is True
    assert "only_if_asked" not in json.loads(found["snapshot"]["argv"][-1])


@pytest.mark.parametrize("case", ["done", "refused"])
def test_done_and_refused_succeed(found, case: str) -> None:
    assert found[case] == {
        "returned": RUN,
        "announced": [],
        "argv": ["stage", "train", "--model", "tiny", "--run", RUN],
    }


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("wrong input", "AirflowFailException"),
        ("passing fault", "AirflowException"),
        ("nothing to do", "AirflowSkipException"),
    ],
)
def test_other_exit_codes_become_airflows_words(found, case: str, kind: str) -> None:
    assert (found[case]["raised"], found[case]["message"]) == (kind, "tiny train: a: b; do c")


@pytest.mark.parametrize(
    ("case", "kind", "ending"),
    [
        ("crash", "AirflowException", "(ended with exit code 1)"),
        ("crash again", "AirflowFailException", "(ended with exit code 1)"),
        ("killed", "AirflowException", "(ended with signal 9)"),
        ("no result", "AirflowException", "(ended with exit code 0)"),
    ],
)
def test_a_crash_is_tried_again_but_not_for_ever(found, case: str, kind: str, ending: str) -> None:
    assert found[case]["raised"] == kind
    assert found[case]["message"].endswith(ending)


@pytest.mark.parametrize(
    ("case", "announced"),
    [
        ("register, auto", [CHALLENGER]),
        ("register, dry run", [CHALLENGER]),
        ("register, manual", []),
        ("register, refused", []),
        ("register, refused too", []),
        ("register, wrong", []),
        ("promote", [CHAMPION]),
        ("promote, dry run", []),
        ("promote, refused", []),
    ],
)
def test_only_what_passed_is_announced(found, case: str, announced: list) -> None:
    assert found[case]["announced"] == announced


def test_the_card_of_a_version_is_linked_and_announced(found) -> None:
    address = "http://127.0.0.1:5000/#/experiments/1/runs/a/artifacts/card.html"
    assert found["register, card"]["links"] == {"Model card": address}
    assert found["register, card"]["announced"] == [["evergreen/tiny/challenger", {"run": RUN, "card": address}]]
    assert found["register, auto"]["links"] == {"Model card": ""}
    assert "links" not in found["promote"]


def test_snapshot_names_the_same_run_on_every_try(found) -> None:
    first = found["snapshot"]
    assert first["returned"] == found["snapshot, second try"]["returned"] != found["snapshot, other run"]["returned"]
    assert first["returned"].startswith("2024-01-20-20260102T030405Z-")
    assert first["argv"][:-1] == ["stage", "snapshot", "--model", "tiny", "--run", first["returned"], "--params"]
    assert json.loads(first["argv"][-1]) == ASKED | {"key": "manual__1"}
    assert ".0" not in first["argv"][-1]


def test_an_empty_as_of_date_is_the_newest_accepted_day(found) -> None:
    assert found["snapshot, newest day"]["returned"][:10] == "2024-01-02"
    assert found["snapshot, no data"]["raised"] == "AirflowSkipException"


def test_a_run_that_a_first_try_has_opened_is_found_again(found) -> None:
    assert found["snapshot, begun"]["returned"][:10] == "2024-01-01"


def test_text_of_a_parameter_stays_text(found) -> None:
    assert json.loads(found["snapshot, evil note"]["argv"][-1])["note"] == EVIL
    assert json.loads(found["snapshot, no note"]["argv"][-1])["note"] == ""


@pytest.mark.parametrize(
    "case",
    [
        "snapshot, unknown key",
        "train, lost run",
        "promote, none",
        "promote, wild",
        "ingest, backwards",
        "ingest, wild",
        "rollback, no reason",
        "rollback, blank reason",
        "rollback, unknown key",
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(found, case: str) -> None:
    assert found[case]["raised"] == "AirflowFailException"
    assert found[case]["argv"] is None


def test_ingest_reads_its_days(found) -> None:
    assert found["ingest, one day"]["argv"][:-1] == ["stage", "ingest", "--model", "tiny", "--params"]
    assert json.loads(found["ingest, one day"]["argv"][-1]) == {"from": "2024-01-01", "to": "2024-01-01"}
    assert json.loads(found["ingest, a month"]["argv"][-1]) == {"from": "2024-01-01", "to": "2024-01-31"}


def test_promote_takes_the_newest_challenger_or_the_run_given(found) -> None:
    assert found["promote, newest"]["returned"] == RUN
    assert found["promote, given"]["returned"] == EARLIER


def told(found: dict[str, Any], case: str) -> dict[str, Any]:
    *command, params = found[case]["argv"]
    assert command == ["stage", "rollback", "--model", "tiny", "--params"]
    asked: dict[str, Any] = json.loads(params)
    return asked


def test_a_rollback_is_told_version_reason_and_who_asked(found) -> None:
    form = {"reason": "late every evening", "by": "ann", "key": "tiny__rollback/manual__1"}
    assert told(found, "rollback") == form
    assert told(found, "rollback, version") == form | {"to": 7}
    assert '"to": 7}' in found["rollback, version"]["argv"][-1], "JSON Schema takes 7.0 for an integer"
    assert told(found, "rollback, nobody")["by"] == "operator"
    assert told(found, "rollback, evil reason")["reason"] == EVIL
    assert len(told(found, "rollback, long names")["key"]) == 300


def test_a_rollback_that_an_event_started_does_what_a_night_asked_for(found) -> None:
    assert told(found, "rollback, by event") == {"due": True}


def test_what_a_rollback_is_told_fits_the_contract(found) -> None:
    for case in (
        "rollback",
        "rollback, version",
        "rollback, evil reason",
        "rollback, long names",
        "rollback, by event",
    ):
        asked = told(found, case)
        assert Told.from_json(json.dumps(asked)).model_dump(exclude_unset=True) == asked


def test_a_rollback_announces_a_champion_and_reconcile_asks_nothing(found) -> None:
    assert [name for name, _ in found["rollback"]["announced"]] == ["evergreen/tiny/champion"]
    assert found["reconcile"]["argv"][:4] == ["stage", "reconcile", "--model", "tiny"]
