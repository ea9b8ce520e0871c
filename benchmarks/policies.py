"""The shipped policy against schedules with as many retrainings, on flights and on a world whose changes are known.

Everything is replayed with the product's own code: 90 days of training data, labels a day late, and a first champion as
of ten days in turn; plainly, where every challenger is promoted, and with the product's gates, which hold schedules
and policy back in different weeks and blur what retraining itself is worth. Lower bounds are of two kinds. Over starts:
the 10 % quantile of the ten starts' points, that is whether it depends on the day one begins with. Over the year: the
5 % quantile (the notes have the 10 % one, too) over resamples of fortnights of days (moving blocks), for the days of a
fortnight share their weather and their champion: whether another year of the kind would have said the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import shifting
from benchmarks.homes import BIN, demo_lake
from benchmarks.report import Result, Target
from benchmarks.timing import timed
from pipelines.config import settings as configuration
from pipelines.config.load import load_model
from pipelines.config.params import Overrides
from pipelines.config.settings import PROJECT, child_environment
from pipelines.replay import pool
from pipelines.replay.compare import MOST_PHASES, Asked, Comparison, run, world_of
from pipelines.replay.drifting import Drifts
from pipelines.replay.picture import picture
from pipelines.replay.plans import Plan, every, plans
from pipelines.replay.run import Course, replay
from pipelines.replay.world import World, nights

STARTS, BLOCK, RESAMPLES, QUANTILES = 10, 14, 5000, (0.1, 0.05)
MOST_SHARE, LEAST_POINTS = 15.0, 3.0
TRAIN_DAYS = 76  # of flights; with 14 test days the release learns from 90, as that of claims does
SHOWN = ("never", "monthly", "weekly", "every:3", "own", "nightly")
FLIGHTS = (date(2013, 3, 1), date(2013, 12, 31))
CLAIMS = (date(2022, 4, 1), date(2022, 12, 31))


@dataclass(frozen=True)
class Against:
    """The policy against schedules with as many retrainings, in the mean over starts.

    `share`: per cent of nightly's retrainings; `gain` and `same`: per cent of what nightly gains over never, by the
    policy and by the schedule; `points` between them, by start, and their lower bounds (10 and 5 % quantiles).
    """

    retrainings: float
    promoted: float
    share: float
    gain: float
    same: float
    points: tuple[float, ...]
    low: tuple[float, ...]


def policies(work: Path) -> Result:
    """Both worlds, with gates and without; the picture of flights goes to docs/."""
    flights = _flights(work)
    worlds = {"flights": (flights, FLIGHTS), "claims": (_claims(work), CLAIMS)}
    targets: list[Target] = []
    notes: list[str] = []
    detail: dict[str, Any] = {}
    for name, (world, (first, last)) in worlds.items():
        print(f"  {name}: {pool.make(world, nights(first, last - timedelta(days=1)), _jobs(), _bar)} made", flush=True)
        shown = run(world, Asked(first, last, SHOWN, STARTS), plans(world.model, SHOWN))
        gated, plain = against(world, first, last), against(world, first, last, gated=False)
        targets += _targets(name, gated, plain)
        notes += _notes(name, shown, gated, plain)
        detail[name] = shown.to_json()["policies"]
        if name == "flights":
            notes += _halves(world)
            (PROJECT / "docs" / "replay-flights.svg").write_text(picture(shown))
    return Result("replay", targets, {}, notes, detail)


def against(world: World, first: date, last: date, *, gated: bool = True) -> Against:
    """The model's own policy against schedules that retrain as often."""
    drifts, own = Drifts(world), plans(world.model, ["own"])[0]
    courses, gains, same, points = [], [], [], []
    daily: dict[date, list[float]] = {}
    for number in range(STARTS):
        start = first + timedelta(days=number)
        never, nightly = (
            replay(world, plans(world.model, [end])[0], start, last, gated=gated) for end in ("never", "nightly")
        )
        course = replay(world, own, start, last, drifts=drifts, gated=gated)
        others = _schedules(world, start, last, len(course.retrainings), gated=gated)
        span = never.loss - nightly.loss
        gains.append(100 * (never.loss - course.loss) / span)
        same.append(100 * (never.loss - fmean(other.loss for other in others)) / span)
        points.append(gains[-1] - same[-1])
        rows = sum(step.sums.rows for step in course.steps)
        for place, step in enumerate(course.steps):
            apart = fmean(other.steps[place].sums.loss_sum for other in others) - step.sums.loss_sum
            daily.setdefault(step.day, []).append(100 * apart / rows / span)
        courses.append(course)
    made = fmean(len(course.retrainings) for course in courses)
    whole = fmean(len(course.steps) - 1 for course in courses)
    return Against(
        made,
        fmean(len(course.promoted) for course in courses),
        100 * made / whole,
        fmean(gains),
        fmean(same),
        tuple(points),
        _low(np.array([sum(values) / STARTS for _, values in sorted(daily.items())])),
    )


def _schedules(world: World, start: date, last: date, count: int, *, gated: bool) -> Sequence[Course]:
    """Retraining `count` times, evenly, at all its phases."""
    if not count:
        return [replay(world, Plan("never"), start, last, gated=gated)]
    step = ((last - start).days - 1) / count
    phases = min(MOST_PHASES, math.ceil(step))
    return [
        replay(world, every(step), start, last, phase=number * step / phases, gated=gated) for number in range(phases)
    ]


def _low(daily: NDArray[np.float64]) -> tuple[float, ...]:
    """The lower bounds of the sum of days, by resampling runs of days around the year."""
    rng, blocks = np.random.default_rng(0), math.ceil(len(daily) / BLOCK)
    begins = rng.integers(0, len(daily), (RESAMPLES, blocks, 1))
    places = ((begins + np.arange(BLOCK)) % len(daily)).reshape(RESAMPLES, -1)[:, : len(daily)]
    return tuple(float(bound) for bound in np.quantile(daily[places].sum(axis=1), QUANTILES))


def _flights(work: Path) -> World:
    return _world("flights", PROJECT / "include" / "models", demo_lake(work), work, FLIGHTS[1], TRAIN_DAYS)


def _claims(work: Path) -> World:
    """The generated world; its model folder stands beside this file."""
    lake = work / "claims-lake"
    if not (lake / "claims" / f"{CLAIMS[1]}.parquet").is_file():
        shifting.lay_out(lake)
    return _world("claims", Path(__file__).parent / "models", lake, work, CLAIMS[1])


def _world(name: str, models: Path, lake: Path, work: Path, last: date, train_days: int | None = None) -> World:
    """The model with a year ingested; ledger and retrainings are kept for the next time."""
    home = work / "replay" / name
    places = {"EVERGREEN_HOME": home, "EVERGREEN_MODELS": models, "EVERGREEN_LAKE": lake}
    settings = configuration.load({key: str(value) for key, value in places.items()})
    model = Overrides(train_days=train_days).apply(load_model(models / name))
    argv = [str(BIN / "evergreen"), "ingest", name, "--from", str(model.schedule.start), "--to", str(last)]
    print(f"  {name}: ingesting", flush=True)
    timed(argv, child_environment(settings), work / f"replay-{name}.log")
    return world_of(settings, name, model, _say)


def _targets(name: str, gated: Against, plain: Against) -> list[Target]:
    targets = [
        Target(f"{name}, plain: points' lower bound over the year, short of 0", max(0.0, -plain.low[1]), 0, ""),
        Target(f"{name}, gated: points' lower bound over the year", gated.low[1], None, ""),
    ]
    for how, found in (("plain", plain), ("gated", gated)):
        mean = fmean(found.points)
        short = max(0.0, LEAST_POINTS - mean)
        begun = max(0.0, -float(np.quantile(found.points, QUANTILES[0])))
        targets += [
            Target(f"{name}, {how}: retrainings, of nightly's", found.share, MOST_SHARE, "%"),
            Target(f"{name}, {how}: points over a schedule with as many, short of {LEAST_POINTS:.0f}", short, 0, ""),
            Target(f"{name}, {how}: points over a schedule with as many", mean, None, ""),
            Target(f"{name}, {how}: points' lower bound over starts, short of 0", begun, 0, ""),
        ]
    return targets


def _notes(name: str, shown: Comparison, gated: Against, plain: Against) -> list[str]:
    table = "; ".join(
        f"{row.name} {row.retrainings:.1f} retrainings, {row.promoted:.1f} promoted, gain {100 * (row.gain or 0):.1f} %"
        for row in shown.rows
    )
    never = next(course.loss for course in shown.courses if course.plan == "never")
    nightly = next(course.loss for course in shown.courses if course.plan == "nightly")
    days = f"{shown.asked.first} to {shown.asked.last}"
    return [
        f"{name}, {days}: never {never:.4f}, nightly {nightly:.4f} from the first start. {table}.",
        *(f"{name}, {how}: {_sentence(found)}" for how, found in (("gated", gated), ("plain", plain))),
    ]


def _halves(world: World) -> list[str]:
    """The defaults were chosen on the first half of the year: what each half says by itself."""
    middle = date(2013, 7, 1)
    halves = (
        ("until June", FLIGHTS[0], middle - timedelta(days=1)),
        ("from July on, not looked at when tuning", middle, FLIGHTS[1]),
    )
    return [f"flights, {words}: {_sentence(against(world, first, last))}" for words, first, last in halves]


def _sentence(found: Against) -> str:
    return (
        f"{found.retrainings:.1f} retrainings ({found.share:.1f} % of nightly's), gain {found.gain:.1f} % against "
        f"{found.same:.1f} % by the schedule: {fmean(found.points):+.1f} points, by start {min(found.points):.1f} to "
        f"{max(found.points):.1f}, lower bound over the year {found.low[1]:.1f} (10 % quantile: {found.low[0]:.1f})."
    )


def _jobs() -> int:
    return len(os.sched_getaffinity(0))


def _say(words: str) -> None:
    print(f"  {words}", flush=True)


def _bar(done: int, whole: int) -> None:
    if done % 25 == 0 or done == whole:
        print(f"  retrainings: {done} of {whole}", flush=True)
