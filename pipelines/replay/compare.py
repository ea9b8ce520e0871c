"""Several policies over the same past: what each cost, and what it was worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model
from pipelines.config.params import Overrides
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, DataError
from pipelines.evaluation.metrics import compute, default_metric
from pipelines.ledger.git import Ledger
from pipelines.replay import pool
from pipelines.replay.drifting import Drifts
from pipelines.replay.plans import Plan, every, plans
from pipelines.replay.pool import Bar
from pipelines.replay.run import Course, replay
from pipelines.replay.table import table
from pipelines.replay.world import World, nights

if TYPE_CHECKING:
    from pipelines.stages.context import Progress

MOST_PHASES = 30
# Named whatever is asked for: what a policy is worth is told as a share of what nightly gains over never.
ENDS = ("never", "nightly")


@dataclass(frozen=True)
class Asked:
    """What to replay: the first champion is as of `first` (and, with `starts`, of so many days after it, in turn)."""

    first: date
    last: date
    plans: tuple[str, ...] = ()
    starts: int = 1
    gated: bool = True
    jobs: int = 2


@dataclass(frozen=True)
class Row:
    """A policy, in the mean over starts. `gain` is its share of what nightly gains over never, in the mean loss.

    `same` is the gain of a schedule with as many retrainings, in the mean over its phases; None where it would be the
    same schedule. `seconds` are of fitting.
    """

    name: str
    retrainings: float
    promoted: float
    seconds: float
    metrics: dict[str, float | None]
    regret: float
    gain: float | None
    same: float | None


@dataclass(frozen=True)
class Comparison:
    """All policies' courses from the first start on, the rows of the table, and the name of the loss."""

    model: str
    asked: Asked
    metric: str
    rows: tuple[Row, ...]
    courses: tuple[Course, ...]

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        from dataclasses import asdict

        asked = asdict(self.asked)
        courses = [
            {
                "policy": course.plan,
                "retrainings": [item.to_json() for item in course.retrainings],
                "days": [
                    {
                        "day": step.day.isoformat(),
                        "champion": step.champion.isoformat(),
                        "loss": step.sums.loss,
                        "rows": step.sums.rows,
                        "verdict": step.verdict,
                        "sentence": step.sentence,
                    }
                    for step in course.steps
                ],
            }
            for course in self.courses
        ]
        rows = [asdict(row) for row in self.rows]
        return {"model": self.model, "asked": asked, "metric": self.metric, "policies": rows, "courses": courses}


def compare(settings: Settings, name: str, asked: Asked, overrides: Overrides, say: Progress, bar: Bar) -> Comparison:
    """Replay model `name` under the policies asked for; retrainings are kept, so that a second time is quick.

    Raises:
        ConfigError: the model folder, a policy, or the days are wrong.
        DataError: the ledger holds too little.
        PassingFault: ledger or remote cannot be reached.
    """
    model = overrides.apply(load_model(find_model(settings.models, name)))
    chosen = plans(model, [*ENDS, *(asked.plans or ("monthly", "weekly", "own"))])
    world = world_of(settings, name, model, say)
    world.metrics = any(plan.policy and _named_metric(plan) for plan in chosen)
    check(world, asked)
    pool.make(world, nights(asked.first, asked.last - timedelta(days=1)), asked.jobs, bar)
    return run(world, asked, chosen)


def world_of(settings: Settings, name: str, model: Model, say: Progress) -> World:
    """The past of model `name`, with its feature table built; raises as `compare` does."""
    folder = find_model(settings.models, name)
    whole = table(settings, Ledger.open(settings, name), model, folder, say)
    return World(name, model, whole, settings.home / "replay" / name / "fits", say)


def run(world: World, asked: Asked, chosen: Sequence[Plan]) -> Comparison:
    """The same, on a world whose retrainings are all made."""
    starts = [asked.first + timedelta(days=number) for number in range(asked.starts)]
    drifts = Drifts(world)
    courses = {
        (plan.name, start): replay(world, plan, start, asked.last, drifts=drifts, gated=asked.gated)
        for plan in chosen
        for start in starts
    }
    rows = tuple(_row(world, asked, plan, starts, courses) for plan in chosen)
    first = tuple(courses[plan.name, asked.first] for plan in chosen)
    return Comparison(world.name, asked, default_metric(world.model.task), rows, first)


def scheduled(world: World, asked: Asked, start: date, count: int) -> float:
    """The mean loss of a schedule with `count` retrainings between `start` and the last night, over its phases."""
    if not count:
        return replay(world, Plan("never"), start, asked.last, gated=asked.gated).loss
    step = ((asked.last - start).days - 1) / count
    phases = [number * step / min(MOST_PHASES, math.ceil(step)) for number in range(min(MOST_PHASES, math.ceil(step)))]
    return fmean(replay(world, every(step), start, asked.last, phase=phase, gated=asked.gated).loss for phase in phases)


def _row(
    world: World, asked: Asked, plan: Plan, starts: Sequence[date], courses: dict[tuple[str, date], Course]
) -> Row:
    own = [courses[plan.name, start] for start in starts]
    never, nightly = ([courses[end, start].loss for start in starts] for end in ENDS)
    span = fmean(never) - fmean(nightly)
    same = None
    if plan.policy is not None:
        same = fmean(
            scheduled(world, asked, start, len(course.retrainings)) for start, course in zip(starts, own, strict=True)
        )
    loss = fmean(course.loss for course in own)
    return Row(
        name=plan.name,
        retrainings=fmean(len(course.retrainings) for course in own),
        promoted=fmean(len(course.promoted) for course in own),
        seconds=fmean(course.seconds for course in own),
        metrics=_metrics(world, own[0]),
        regret=loss - fmean(nightly),
        gain=(fmean(never) - loss) / span if span > 0 else None,
        same=(fmean(never) - same) / span if same is not None and span > 0 else None,
    )


def _metrics(world: World, course: Course) -> dict[str, float | None]:
    """The task's metrics over all labelled rows, each scored by the champion of its day."""
    import numpy as np

    pairs = [world.scores(step.champion, step.day, step.day) for step in course.steps]
    label, score = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    there = np.isfinite(label)
    return compute(world.model.task, label[there], score[there])


def _named_metric(plan: Plan) -> bool:
    rule = plan.policy.performance if plan.policy else None
    return rule is not None and rule.metric is not None


def check(world: World, asked: Asked) -> None:
    """Raises ConfigError or DataError where there is nothing to replay, or too little to begin with."""
    last_start = asked.first + timedelta(days=asked.starts - 1)
    if asked.last <= last_start + timedelta(days=1):
        raise ConfigError(
            f"from {asked.first} to {asked.last} leaves no night to replay", where="--from", remedy="give more days"
        )
    if asked.last > world.table.last:
        raise DataError(
            f"its newest events are of {world.table.last}",
            where=f"the ledger of {world.name}",
            remedy="end there, or ingest more",
        )
    rows = world.rows(world.params(asked.first).span.train_start, world.params(asked.first).span.test_end)
    if rows < world.model.window.min_rows:
        raise DataError(
            f"the first retraining would have {rows} labelled rows, {world.model.window.min_rows} are needed",
            where="--from",
            remedy="start later",
        )
