"""The product's gates, asked of a retraining of the past: may it take the champion's place?"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from pipelines.config.gates import Family, Mode
from pipelines.evaluation.metrics import compute, default_metric
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.record import Agreement, Compared, Measured, ScoreFacts
from pipelines.gates.families import FAMILIES
from pipelines.replay.world import EPOCH, World

# What a retraining's scores alone answer; the linear baseline, say, would cost more to fit than the booster.
ASKED = (Family.SANITY, Family.FLOORS, Family.CHAMPION, Family.AGREEMENT)


def refusal(world: World, challenger: date, champion: date) -> str | None:
    """Why the retraining as of `challenger` may not follow the one as of `champion`; None: it may."""
    measured = _measured(world, challenger, champion)
    gates = world.model.gates
    asked = [family for family in ASKED if gates.mode(family) is Mode.ON]
    results = [result for family in asked for result in FAMILIES[family](measured, gates)]
    return next((result.sentence for result in results if result.refuses), None)


def _measured(world: World, challenger: date, champion: date) -> Measured:
    made = world.fit(challenger)
    span = made.params.span
    label, score, _ = world.test(challenger)
    own, _, _ = world.judged(challenger)
    _, release = world.scores(challenger, span.test_start, span.test_end)
    mean, largest, rows = made.facts["agreement"]
    return Measured(
        task=world.model.task,
        rows=len(label),
        days=(span.test_start, span.test_end),
        challenger=own,
        baseline=own,
        compared=_compared(world, challenger, champion),
        agreement=Agreement(mean, largest, rows),
        trial_scores=ScoreFacts.of(score),
        release_scores=ScoreFacts.of(release),
        release={"rounds": made.facts["rounds"]},
    )


def _compared(world: World, challenger: date, champion: date) -> Compared:
    """Both on the test days whose labels the champion has not seen."""
    import numpy as np

    task, span = world.model.task, world.fit(challenger).params.span
    seen_until = world.fit(champion).params.span.test_end
    first = max(seen_until + timedelta(days=1), span.test_start)
    label, score, day = world.test(challenger)
    unseen = day >= (first - EPOCH).days
    rows = int(unseen.sum())
    theirs: Any = np.empty(0)
    if rows:
        labels, scores = world.scores(champion, first, span.test_end)
        theirs = scores[np.isfinite(labels)]
    ours, known = compute(task, label[unseen], score[unseen]), compute(task, label[unseen], theirs)
    days = (first, span.test_end) if rows else None
    metric = world.model.gates.champion.metric or default_metric(task)
    paired = Paired.of(task, metric, label[unseen], (score[unseen], theirs), day[unseen], (ours, known))
    return Compared(None, seen_until, rows, days, ours, known, ours, paired)
