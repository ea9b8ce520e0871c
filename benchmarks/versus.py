"""`evergreen run` against the bare script: at real size (`real`) and at ten million rows (`large`)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from benchmarks.homes import Place, demo_lake, grown_lake
from benchmarks.job import write_job
from benchmarks.report import Result, Target
from benchmarks.timing import Timed, medians, middle
from pipelines.config.names import STAGES

START = "2013-01-01"
MORE = (
    "evaluate answers all gates (one in a fresh process that serves the stored bytes) and register draws the model "
    "card; the bare script does neither. Before there were these it was 1.34 x, on a machine twice as fast."
)


def real(work: Path, repeats: int, as_of: str, last: str) -> Result:
    """The real flights: a fresh home each time, the bare script in between."""
    place = Place(work / "real", demo_lake(work))
    place.copy_model()
    place.ingest(START, last)
    ours, theirs = alternate(place, as_of, repeats)
    targets = [
        Target("evergreen run, wall", middle(ours), 30, "s"),
        Target("evergreen run / bare script", middle(ours) / middle(theirs), 1.4, "x"),
        Target("bare script, wall", middle(theirs), None, "s"),
    ]
    notes = [_run_note(as_of, repeats, ours, theirs), _same_note(ours, theirs, place), MORE]
    return Result("real", targets, _times(ours, theirs), notes, _detail(ours, theirs))


def large(work: Path, repeats: int, as_of: str, rows: int, rounds: int) -> Result:
    """The grown lake: time and memory. At most `rounds` rounds, on both sides."""
    place = Place(work / "large", grown_lake(work, rows))
    place.copy_model()
    _for_a_year(place.folder / "model.yaml", rounds)
    ingest = place.ingest(START, as_of)
    ours, theirs = alternate(place, as_of, repeats)
    targets = [
        Target("evergreen run / bare script", middle(ours) / middle(theirs), 1.25, "x"),
        Target("peak memory of the largest process", max(run.peak_bytes for run in ours) / 1e9, 2.0, "GB"),
        Target("evergreen run, wall", middle(ours), None, "s"),
        Target("bare script, wall", middle(theirs), None, "s"),
        Target("bare script, peak memory", max(run.peak_bytes for run in theirs) / 1e9, None, "GB"),
    ]
    notes = [
        f"{rows:,} flights in 365 partitions; at most {rounds} rounds a fit on both sides.",
        f"Ingest of {START} to {as_of}, not part of the ratio: {ingest['wall_s']:.0f} s, peak {ingest['peak_gb']} GB.",
        _run_note(as_of, repeats, ours, theirs),
        _same_note(ours, theirs, place),
    ]
    return Result("large", targets, _times(ours, theirs), notes, _detail(ours, theirs) | {"ingest": ingest})


def alternate(place: Place, as_of: str, repeats: int) -> tuple[list[Timed], list[Timed]]:
    """Evergreen and the bare script in turn, `repeats` times each, every time on a fresh home."""
    job = place.root / "job.json"
    write_job(job, place.folder, place.lake, date.fromisoformat(as_of))
    ours, theirs = [], []
    for number in range(repeats):
        place.fresh()
        ours.append(place.run(as_of, log="evergreen"))
        print(f"  evergreen run {number + 1} of {repeats}: {ours[-1].wall:.1f} s", flush=True)
        theirs.append(_bare(place, job))
        print(f"  bare script {number + 1} of {repeats}: {theirs[-1].wall:.1f} s", flush=True)
    return ours, theirs


def _bare(place: Place, job: Path) -> Timed:
    folder = place.root / "bare"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place.kept / "mlflow", folder / "mlflow")
    uri, artifacts = f"sqlite:///{folder}/mlflow/mlflow.db", folder / "mlflow" / "artifacts"
    words = ("-m", "benchmarks.bare", str(job), str(folder / "out"), "--mlflow", uri, "--artifacts", str(artifacts))
    return place.python(*words, log="bare")


def _for_a_year(path: Path, rounds: int) -> None:
    """The model over a year, with fewer rounds and without floors, which fewer rounds may miss."""
    model = yaml.safe_load(path.read_text())
    model["window"] = model.get("window", {}) | {"train_days": 350, "test_days": 14}
    model["training"] = model.get("training", {}) | {"rounds": rounds}
    model["gates"] = {"agreement": 1.0}
    path.write_text(yaml.safe_dump(model, sort_keys=False))


def _steps(run: Timed) -> dict[str, float]:
    done = run.json()["steps"]
    steps = {name: done[name]["seconds"] for name in (*STAGES, "register", "promote") if name in done}
    return steps | {"opening, imports, the rest": run.wall - sum(steps.values())}


def _own_steps(run: Timed) -> dict[str, float]:
    steps: dict[str, float] = run.json()["seconds"]
    return steps | {"imports, the rest": run.wall - sum(steps.values())}


def _times(ours: Sequence[Timed], theirs: Sequence[Timed]) -> dict[str, dict[str, float]]:
    return {
        "evergreen run": medians([_steps(run) for run in ours]),
        "bare script": medians([_own_steps(run) for run in theirs]),
    }


def _run_note(as_of: str, repeats: int, ours: Sequence[Timed], theirs: Sequence[Timed]) -> str:
    walls = [", ".join(f"{run.wall:.1f}" for run in runs) for runs in (ours, theirs)]
    used = [sum(run.cpu for run in runs) / len(runs) for runs in (ours, theirs)]
    return (
        f"As of {as_of}, {repeats} runs each, alternating: evergreen {walls[0]} s (processor {used[0]:.1f}), "
        f"bare {walls[1]} s (processor {used[1]:.1f}). Outcome: {ours[-1].json()['outcome']}."
    )


def _same_note(ours: Sequence[Timed], theirs: Sequence[Timed], place: Place) -> str:
    """Rounds and AUC of both sides: the same work gives the same model."""
    workspace = place.workspace(ours[-1].json()["run"])
    metrics = json.loads((workspace / "out/evaluate/metrics.json").read_text())
    training = json.loads((workspace / "out/train/training.json").read_text())
    bare = theirs[-1].json()
    return (
        f"AUC on the test days: evergreen {metrics['challenger']['auc']:.5f} in {training['rounds']} rounds, "
        f"bare {bare['challenger']['auc']:.5f} in {bare['rounds']}; linear baseline "
        f"{metrics['baseline']['auc']:.5f} and {bare['baseline']['auc']:.5f}."
    )


def _detail(ours: Sequence[Timed], theirs: Sequence[Timed]) -> dict[str, Any]:
    return {
        "evergreen": [run.facts() | run.json() for run in ours],
        "bare": [run.facts() | run.json() for run in theirs],
    }
