"""What only the card tells: intervals of the metrics, the metric day by day, and drift from training to test days."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.card.facts import Facts
from pipelines.drift.compare import compare
from pipelines.drift.grid import make_grid
from pipelines.drift.profile import profile
from pipelines.drift.rank import Ranked, rank
from pipelines.engines.rows import Rows
from pipelines.evaluation.daily import Sample, under_draws
from pipelines.evaluation.metrics import NAMES, compute, rounded
from pipelines.evaluation.sampling import sample
from pipelines.storage.model_file import verify_and_load

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS = 100_000
DRIFT_ROWS = 20_000
DRAWS, SEED = 400, 2013
LEVEL = 0.95
MOST_DAYS = 12
_LEAST_KNOWN = 0.9
Interval = tuple[float, float]


@dataclass(frozen=True)
class Spread:
    """The trial on its test days: each metric's 95% interval (None: the days give none), and `metric` by day."""

    rows: int
    days: int
    intervals: dict[str, Interval | None]
    daily: tuple[tuple[date, float], ...]


def spread(root: Path, facts: Facts) -> Spread:
    """Score the test rows (at most 100,000, by row id) with the trial, and draw whole days again and again.

    Raises:
        IntegrityError: the trial or the feature table is not what its hash says.
    """
    import numpy as np

    from pipelines.engines.matrix import predict

    signature, task = facts.signature, facts.params.task
    trial = verify_and_load(root / "out/train/trial.json", signature.trial_sha256, signature)
    table = sample(_days(root, facts, test=True), [*facts.names, "label", "event_date"], ROWS)
    score = predict(trial, signature, table.to_batches())
    label = table["label"].to_numpy().astype(np.float64)
    days, place = np.unique(_numbers(table), return_inverse=True)
    rows = Sample(label, score, place, len(days))
    exact = facts.found["metrics"]["challenger"]
    daily = _daily(facts, rows, [date(1970, 1, 1) + timedelta(days=int(day)) for day in days])
    return Spread(
        len(label), len(days), {name: _interval(task, name, rows, exact[name]) for name in NAMES[task]}, daily
    )


def drift(root: Path, facts: Facts) -> tuple[Ranked, ...]:
    """How the test days' features differ from the training days', what matters most to the model first.

    At most 20,000 rows of either; what training days differ by among themselves counts as sampling.
    """
    import numpy as np
    import pyarrow as pa

    columns = [*facts.names, "event_date"]
    before = sample(_days(root, facts, test=False), columns, DRIFT_ROWS)
    now = sample(_days(root, facts, test=True), columns, DRIFT_ROWS)
    grid = make_grid(before.select(facts.names))
    numbers = _numbers(before)
    known = np.unique(numbers)
    some = known[:: -(-len(known) // MOST_DAYS)]
    days = [profile(before.filter(pa.array(numbers == day)).select(facts.names), grid) for day in some]
    found = compare(profile(before.select(facts.names), grid), profile(now.select(facts.names), grid), grid, days)
    share = {item["feature"]: item["share"] or 0.0 for item in facts.found["importance"]["features"]}
    return rank(found, share)


def _days(root: Path, facts: Facts, *, test: bool) -> Rows:
    span = facts.params.span
    train = Rows(root / "out/features/data", span.train_start, span.train_end)
    return replace(train, first=span.test_start, last=span.test_end) if test else train


def _numbers(table: pa.Table) -> NDArray[Any]:
    import pyarrow as pa

    found: NDArray[Any] = table["event_date"].cast(pa.date32()).cast(pa.int32()).to_numpy()
    return found


def _daily(facts: Facts, rows: Sample, days: list[date]) -> tuple[tuple[date, float], ...]:
    found = []
    for place, day in enumerate(days):
        own = rows.place == place
        value = compute(facts.params.task, rows.label[own], rows.score[own])[facts.metric]
        found += [(day, value)] if value is not None else []
    return tuple(found)


def _interval(task: Any, metric: str, rows: Sample, exact: float | None) -> Interval | None:
    """The expanded percentile interval (Hesterberg 2015) over draws of days, around the metric of all rows."""
    import numpy as np
    from scipy.special import ndtr, stdtrit

    if exact is None or rows.days < 2:
        return None
    share = np.full(rows.days, 1 / rows.days)
    drawn = np.random.default_rng(SEED).multinomial(rows.days, share, DRAWS)
    # Every day once comes last: ranks are binned, so the draws are moved to where the exact metric lies.
    found = under_draws(task, metric, rows)(np.vstack([drawn, np.ones(rows.days)]).astype(np.float64))
    moved = found[:-1] - found[-1] + exact
    known = moved[np.isfinite(moved)]
    if len(known) < _LEAST_KNOWN * DRAWS:
        return None
    wide = math.sqrt(rows.days / (rows.days - 1)) * float(stdtrit(rows.days - 1, (1 + LEVEL) / 2))
    tail = float(ndtr(-wide))
    low, high = (rounded(float(end)) for end in np.quantile(known, [tail, 1 - tail]))
    # A bin's error grows by chance alone: its draws may all lie above it.
    return (min(low, exact), max(high, exact)) if low is not None and high is not None else None
