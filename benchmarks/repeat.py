"""The same retraining again: how quickly nothing is done, and that a change is never answered from before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.homes import Place, demo_lake
from benchmarks.report import Result, Target
from benchmarks.timing import Timed, middle
from benchmarks.versus import START
from pipelines.config.load import load_model
from pipelines.config.names import STAGES
from pipelines.config.params import RunParams


@dataclass(frozen=True)
class Change:
    """One change, the first stage that must run anew because of it, and what `evergreen run` did."""

    what: str
    must_run: str
    run: Timed

    @property
    def stale(self) -> bool:
        """Whether the answer came from before the change."""
        return bool(self.run.json()["steps"].get(self.must_run, {}).get("how") != "ran")

    def sentence(self) -> str:
        """What happened, in one line."""
        steps = self.run.json()["steps"]
        told = [f"{name} {steps[name]['how']}" for name in STAGES if name in steps]
        how = ", ".join(told) or self.run.json()["outcome"]
        return f"After a change of {self.what}: {self.run.wall:.1f} s ({how}){': STALE' if self.stale else ''}."


def repeat(work: Path, repeats: int, as_of: str, last: str) -> Result:
    """Run once, time the same again, then change features, parameters and data one after the other."""
    source = demo_lake(work)
    ingested = Place(work / "real", source)
    ingested.copy_model()
    ingested.ingest(START, last)
    # The same folder and home as `real`, but a lake of its own, which is about to be corrected.
    place = replace(ingested, lake=work / "real" / "lake")
    shutil.rmtree(place.lake, ignore_errors=True)
    shutil.copytree(source, place.lake)
    place.fresh()
    first = place.run(as_of, log="first")
    print(f"  first: {first.wall:.1f} s", flush=True)
    again = [place.run(as_of, log="again") for _ in range(repeats)]
    print(f"  again: {middle(again):.2f} s", flush=True)
    idle = sum(bool(run.json()["steps"]) for run in again)
    changes = _changes(place, as_of)
    targets = [
        Target("the same run again, nothing changed", middle(again), 3, "s"),
        Target("of these, runs that did something", idle, 0, ""),
        Target("changes answered from before (stale)", sum(change.stale for change in changes), 0, ""),
    ]
    notes = [f"The first run took {first.wall:.1f} s.", *(change.sentence() for change in changes)]
    detail: dict[str, Any] = {"again": [run.facts() | run.json() for run in again]}
    detail["changes"] = {change.what: change.run.facts() | change.run.json() for change in changes}
    return Result("repeat", targets, {}, notes, detail)


def _changes(place: Place, as_of: str) -> list[Change]:
    model = load_model(place.folder)
    span = RunParams.of(place.folder.name, model, date.fromisoformat(as_of)).span
    features = place.folder / "features.py"
    features.write_text(features.read_text() + "\n# Changed by the benchmark.\n")
    found = [_told(Change("features.py", "features", place.run(as_of, log="features")))]
    fewer = str((span.train_end - span.train_start).days - 2)
    options = ("--train-days", fewer)
    found.append(_told(Change("train_days", "train", place.run(as_of, *options, log="params"))))
    day = (span.train_start + timedelta(days=5)).isoformat()
    place.python("-m", "benchmarks.prepare", "correct", str(place.lake / "flights" / f"{day}.parquet"), log="correct")
    place.evergreen("ingest", place.folder.name, "--from", day, log="correction")
    found.append(_told(Change("one day's data", "features", place.run(as_of, log="data"))))
    place.copy_model()
    return found


def _told(change: Change) -> Change:
    print(f"  {change.sentence()}", flush=True)
    return change
