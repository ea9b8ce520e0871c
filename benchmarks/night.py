"""A night of flights, every step a process of its own as under Airflow: one year in the ledger, and ten."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.homes import Place, demo_lake
from benchmarks.report import Result, Target
from benchmarks.timing import Timed

STEPS = ("ingest", "score", "monitor", "decide")
FIRST, LAST = "2013-01-01", "2013-11-30"
AS_OF = "2013-11-30"
WARM_UP = 1  # the first night of a champion makes its reference, once


def night(work: Path, nights: int, years: int = 10) -> Result:
    """Time nights after `AS_OF` in a ledger of one year, then in the same with `years` years behind it."""
    place = Place(work / "night", demo_lake(work))
    place.copy_model()
    text = (place.folder / "model.yaml").read_text()
    start = f"schedule: {{start: {2014 - years}-01-01"
    (place.folder / "model.yaml").write_text(text.replace("schedule: {start: 2013-01-01", start))
    place.ingest(FIRST, LAST)
    place.fresh()
    place.run(AS_OF, log="champion")
    first = date.fromisoformat(AS_OF) + timedelta(days=1)
    young = _nights(place, first, nights)
    place.python("-m", "benchmarks.aged", place.folder.name, str(years), log="age")
    old = _nights(place, first + timedelta(days=nights + WARM_UP), nights)
    one, ten = (median(map(_whole, part)) for part in (young, old))
    busy = [median(sum(step.cpu for step in steps.values()) for steps in part) for part in (young, old)]
    targets = [
        Target("a night of flights: ingest, score, monitor, decide", one, 25, "s"),
        Target(f"the same with {years} years of partitions, over one year", ten / one, 1.2, "x"),
        Target("processor time of a night", busy[0], None, "s"),
        Target(f"the same with {years} years, over one year", busy[1] / busy[0], None, "x"),
    ]
    times = {"one year": _steps(young), f"{years} years": _steps(old)}
    notes = [f"Medians of {nights} nights each, four processes a night; the first night of a champion is left out."]
    detail = {name: [_facts(part) for part in parts] for name, parts in (("one", young), ("many", old))}
    return Result("night", targets, times, notes, detail)


def _nights(place: Place, first: date, count: int) -> list[dict[str, Timed]]:
    days = [first + timedelta(days=number) for number in range(count + WARM_UP)]
    found = [_one(place, day) for day in days]
    for day, steps in zip(days, found, strict=True):
        told = ", ".join(f"{name} {step.wall:.1f}" for name, step in steps.items())
        print(f"  {day}: {_whole(steps):.1f} s ({told})", flush=True)
    return found[WARM_UP:]


def _one(place: Place, day: date) -> dict[str, Timed]:
    asked = json.dumps({"day": day.isoformat(), "night": True})
    words = ("--model", place.folder.name, "--params", asked)
    return {name: place.evergreen("stage", name, *words, log=f"{day}-{name}") for name in STEPS}


def _whole(steps: dict[str, Timed]) -> float:
    return sum(step.wall for step in steps.values())


def _steps(nights: list[dict[str, Timed]]) -> dict[str, float]:
    return {name: round(median(steps[name].wall for steps in nights), 3) for name in STEPS}


def _facts(steps: dict[str, Timed]) -> dict[str, Any]:
    return {name: step.facts() for name, step in steps.items()}
