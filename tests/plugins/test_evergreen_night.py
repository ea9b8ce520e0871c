"""Which day a night is for, also where clocks are set, and how long it waits for what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import write_tiny_model

from pipelines.config import settings as configuration

ROOT = Path(__file__).parents[2]
NEW_YORK = {"start": "2024-01-01", "end": "2024-12-31", "time_zone": "America/New_York"}
SCHEDULED = {"kind": "night", "run_type": "scheduled"}
# What stands in for `evergreen`: an ingest that finds these tables missing.
STAGE = """
import json, sys
json.dump({{"exit_code": 0, "summary": {{"missing": {missing}}}, "error": ""}}, open(sys.argv[-1], "w"))
open({seen!r}, "w").write(sys.argv[sys.argv.index("--params") + 1])
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    """`ask(*cases)`: what the plugin says to each."""
    folder = tmp_path_factory.mktemp("nights")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW"))} | {
        "EVERGREEN_HOME": str(folder / "home"),
        "EVERGREEN_MODELS": str(folder / "models"),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
    }
    write_tiny_model(configuration.load(env), days=1)

    def run(*cases: dict[str, Any]) -> list[Any]:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("nights.py"))],
            check=False,
            capture_output=True,
            text=True,
            env=env,
            input=json.dumps(cases),
        )
        assert done.returncode == 0, done.stderr[-2000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("TOLD "))
        found: list[Any] = json.loads(line.removeprefix("TOLD "))
        return found

    return run


def test_a_night_is_for_the_day_on_which_its_interval_begins(ask) -> None:
    run = {"start": "2024-03-05T11:00:00+00:00", "end": "2024-03-06T11:00:00+00:00", "schedule": NEW_YORK}
    late = {"start": "2024-03-06T04:30:00+00:00", "end": "2024-03-07T04:30:00+00:00", "schedule": NEW_YORK}
    scheduled, backfill, evening = ask(
        SCHEDULED | run, run | {"kind": "night", "run_type": "backfill"}, SCHEDULED | late
    )
    assert scheduled == {
        "day": "2024-03-05",
        "backfill": False,
        "until": "2024-03-06T17:00:00+00:00",
        "link": "http://airflow/log",
    }
    assert backfill == scheduled | {"backfill": True}
    assert evening["day"] == "2024-03-05"


def test_by_hand_it_is_the_day_asked_for_or_the_newest_that_has_ended(ask) -> None:
    given, newest, ended, interval = ask(
        {"kind": "night", "params": {"day": "2024-02-03"}, "schedule": NEW_YORK},
        {"kind": "night", "run_after": "2024-03-02T03:00:00+00:00", "schedule": NEW_YORK},
        {"kind": "night", "schedule": NEW_YORK},
        # The page fills in a logical date of its own.
        {
            "kind": "night",
            "start": "2025-06-01T06:00:00+00:00",
            "end": "2025-06-02T06:00:00+00:00",
            "schedule": NEW_YORK,
        },
    )
    assert (given["day"], given["backfill"]) == ("2024-02-03", False)
    assert given["until"] == "2024-02-04T11:00:00+00:00"
    assert newest["day"] == "2024-02-29"
    assert ended["day"] == interval["day"] == "2024-12-31"


def test_where_clocks_are_set_each_day_is_taken_once(ask) -> None:
    # The hour that is missing in March is there twice in November.
    times = [("America/New_York", "30 2 * * *"), ("America/New_York", "30 1 * * *"), ("America/New_York", "0 6 * * *")]
    times += [("America/Havana", "0 0 * * *"), ("Australia/Lord_Howe", "45 1 * * *")]
    found = ask(*({"kind": "year", "schedule": NEW_YORK | {"cron": cron, "time_zone": zone}} for zone, cron in times))
    for days in found:
        assert days == [str(date(2024, 1, 1) + timedelta(days=number)) for number in range(366)]


def test_it_waits_for_what_is_missing_and_no_longer_than_it_may(ask, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)

    def case(name: str, missing: list[str], due: datetime, **more: Any) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{STAGE.format(missing=missing, seen=str(path) + '.json')}")
        path.chmod(0o700)
        times = {"start": (due - timedelta(days=1)).isoformat(), "end": due.isoformat()}
        return {"kind": "ingest", "run_type": "scheduled", "executable": str(path), **times, **more}

    fresh, soon, long_ago = now - timedelta(minutes=1), now - timedelta(hours=5, minutes=57), now - timedelta(days=3)
    waits, patient, last_look, resumed, gone_on, complete = ask(
        case("waits", ["skies"], fresh),
        case("patient", ["skies"], fresh, began=(now - timedelta(hours=2)).isoformat()),
        case("last", ["skies"], soon, began=(now - timedelta(hours=6)).isoformat()),
        case("resumed", ["skies"], fresh, again=True),
        case("old", ["skies"], long_ago),
        case("complete", [], fresh),
    )
    assert waits["method"] == resumed["method"] == "resume"
    assert timedelta(seconds=14) < datetime.fromisoformat(waits["moment"]) - now < timedelta(minutes=3)
    assert timedelta(minutes=9) < datetime.fromisoformat(patient["moment"]) - now < timedelta(minutes=13)
    assert datetime.fromisoformat(last_look["moment"]) == soon + timedelta(hours=6)
    assert gone_on == complete == {"returned": None}
    told = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("waits", "old", "complete")}
    assert [told[name]["last"] for name in told] == [False, True, False]
    assert told["old"]["day"] == str((long_ago - timedelta(days=1)).date())
    assert (told["old"]["night"], told["old"]["backfill"], told["old"]["link"]) == (True, False, "http://airflow/log")
