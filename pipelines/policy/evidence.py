"""What a night knows when it decides: the champion, its drift and its performance, the day's data and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pipelines.policy.plain import Record


@dataclass(frozen=True)
class ChampionFacts(Record):
    """The champion. Its labels end with `test_end`; its release was fitted on `trained_rows` rows."""

    version: int
    run: str
    as_of: date
    test_end: date
    trained_rows: int
    train_seconds: float


@dataclass(frozen=True)
class ColumnFact(Record):
    """One feature: how far it moved beyond what sampling explains (0 to 1), and its share of the model's importance."""

    name: str
    effect: float
    importance: float
    null_shift: float = 0.0
    unseen_share: float = 0.0


@dataclass(frozen=True)
class Separability(Record):
    """How well a classifier tells current rows from the champion's own: AUC with its 90% interval; 0.5: not at all."""

    auc: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class DriftFacts(Record):
    """The newest days against the champion's training profile.

    `score` is the sum over features of effect times importance share, 0 to 1; `columns` lead with what matters most.
    `prediction` and `label` are effects as those of columns; None where they could not be measured.
    """

    score: float
    columns: tuple[ColumnFact, ...] = ()
    prediction: float | None = None
    label: float | None = None
    separability: Separability | None = None


@dataclass(frozen=True)
class PerformanceFacts(Record):
    """One matured day of this champion, over its labelled rows.

    `loss` is the task's own (log loss; squared error for regression), a mean over rows, as the others are:
    `estimated_loss` is what was expected of these very scores before the labels came, `baseline_loss` that of always
    predicting the training data's mean label.
    """

    day: date
    rows: int
    loss: float
    estimated_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    label_mean: float | None = None
    score_mean: float | None = None
    baseline_loss: float | None = None


@dataclass(frozen=True)
class EstimateFacts(Record):
    """One metric of the newest scored day, before its labels are there; `low` to `high` None where not known."""

    day: date
    metric: str
    value: float
    low: float | None
    high: float | None
    rows: int


@dataclass(frozen=True)
class BugFact(Record):
    """A sign that the data are broken rather than the world changed."""

    kind: str
    table: str
    column: str | None
    sentence: str
    observed: Any = None
    expected: Any = None
    score: float = 1.0


@dataclass(frozen=True)
class Arrivals(Record):
    """Partitions that were not there, came late, or were corrected since the night before; `<table> <day>` each."""

    missing: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence(Record):
    """All that `policy.decide` may look at, besides history.

    `performance`: the matured days after the champion's own test days, oldest first, at most the newest 60.
    `reference`: the champion's metrics on its own test days. `estimated`: one entry a metric. `new_rows`: labelled
    rows since the champion's `test_end` (all there are, while there is no champion), of which the champion gate asks
    for `needed_rows` before it judges a challenger. `requests`: keys of open ones.
    """

    model: str
    day: date
    champion: ChampionFacts | None = None
    age_days: int | None = None
    drift: DriftFacts | None = None
    performance: tuple[PerformanceFacts, ...] = ()
    reference: Mapping[str, float] = field(default_factory=dict)
    estimated: tuple[EstimateFacts, ...] = ()
    new_rows: int = 0
    needed_rows: int = 0
    bugs: tuple[BugFact, ...] = ()
    requests: tuple[str, ...] = ()
    arrivals: Arrivals = Arrivals()
    backfill: bool = False
