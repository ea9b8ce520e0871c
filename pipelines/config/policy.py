"""When a model is retrained: triggers, how many of them it takes, and the guards that hold them back."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pipelines.config.strict import LARGEST, Count, Day, Days, Strict, Truth


class BugKind(StrEnum):
    """What broken data may look like."""

    NULLS = "nulls"
    CONSTANT = "constant"
    SCALE = "scale"
    SHIFT = "shift"
    CATEGORY_RENAMED = "category_renamed"
    ROWS = "rows"
    GROUP_ROWS = "group_rows"
    TABLE_STOPPED = "table_stopped"
    SCHEMA = "schema"
    SENTINEL = "sentinel"
    CATEGORIES = "categories"
    QUARANTINED = "quarantined"


class Learnt(Strict):
    """A threshold learnt from the scores of the model's own earlier nights: their quantile, after `warm_up` nights."""

    quantile: Annotated[float, Field(gt=0, lt=1)]
    warm_up: Annotated[int, Field(ge=2, le=3660)] = 28


Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Threshold = Number | Learnt
Metric = Literal["auc", "pr_auc", "log_loss", "brier", "calibration_error", "accuracy", "rmse", "mae", "r2"]


class Repeated(Strict):
    """Fires when the newest night and `days` of the newest `of` nights were over the threshold."""

    days: Annotated[int, Field(ge=1, le=60)] = 1
    of: Annotated[int, Field(ge=1, le=60)] = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.days > self.of:
            raise ValueError(f"{self.days} of {self.of} nights cannot be")
        return self


class DriftRule(Repeated):
    """Drift of what `what` names over `threshold` (0 to 1; `separability` is how far its AUC is surely over 0.5).

    `unseen` is the share of the newest rows whose value of some feature the champion's training days never had.
    """

    what: Literal["features", "prediction", "label", "separability", "unseen"] = "features"
    threshold: Threshold = 0.1
    days: Annotated[int, Field(ge=1, le=60)] = 3
    of: Annotated[int, Field(ge=1, le=60)] = 5


class PerformanceRule(Strict):
    """The champion's real quality, over its newest `over_days` matured days, worse by `worse_by` than it should be.

    `than`: its own `test` days, what was `expected` of these very scores before the labels came, or the `baseline`
    that always predicts the training data's mean. `metric` is the task's main loss unless named; only that one can be
    held against `expected` and `baseline`.

    With `relative`, `worse_by` and `allowance` are shares of what it should be: 0.04 is 4 % worse, whatever the unit.
    With `add_up` the days' excesses over `allowance` are added up since the champion's test days (never below
    zero), and it is their sum that is held against `worse_by`: a small loss that lasts counts like a large one.
    """

    metric: Metric | None = None
    than: Literal["test", "expected", "baseline"] = "test"
    worse_by: Threshold = 0.02
    relative: Truth = False
    over_days: Annotated[int, Field(ge=1, le=60)] = 7
    min_days: Annotated[int, Field(ge=1, le=60)] = 3
    min_rows: Annotated[int, Field(ge=1, le=10**12)] = 200
    add_up: Truth = False
    allowance: Annotated[float, Field(ge=0, le=LARGEST)] = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.metric and self.than != "test":
            raise ValueError(f"only the main loss can be held against {self.than}: leave metric out")
        if self.min_days > self.over_days:
            raise ValueError("min_days cannot be more than over_days")
        return self


class EstimatedRule(Repeated):
    """The estimate of `metric` (the main loss unless named) worse by `worse_by` than on the champion's test days."""

    metric: Metric | None = None
    worse_by: Threshold = 0.03
    days: Annotated[int, Field(ge=1, le=60)] = 3
    of: Annotated[int, Field(ge=1, le=60)] = 5


class AgeRule(Strict):
    """The champion is `days` old, in data time."""

    days: Days = 30


class NewRowsRule(Strict):
    """So many labelled rows have come since the champion's."""

    rows: Annotated[int, Field(ge=1, le=10**12)]


class EveryRule(Strict):
    """So many days since the last retraining, whatever came of it."""

    every_days: Days = 7


class RequestRule(Strict):
    """Somebody asked, and nobody has claimed it."""


class AtLeast(Strict):
    """So many triggers at once."""

    at_least: Annotated[int, Field(ge=1, le=7)]


class Budget(Strict):
    """Seconds of training in one month of data time; the next retraining counts as long as the last one took."""

    seconds_a_month: Count


class Breaker(Strict):
    """After `failures` retrainings in a row that failed or were refused, none for `days` days; then one may try."""

    failures: Annotated[int, Field(ge=1, le=100)] = 3
    days: Days = 7


class Quiet(Strict):
    """Days on which nothing is retrained, both inclusive."""

    model_config = ConfigDict(populate_by_name=True)

    first: Day = Field(alias="from")
    last: Day = Field(alias="to")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"to {self.last} is before from {self.first}")
        return self

    def holds(self, day: date) -> bool:
        """Whether `day` is one of them."""
        return self.first <= day <= self.last


class Unsettled(Strict):
    """A retraining waits while the newest days are out of the ordinary: what a storm teaches does not last.

    They are while the newest `days` matured days lost a share `worse_by` more than expected of their scores, over and
    above what the newest `of` days did. After `at_most` nights of that it is no storm but the new world, and no
    longer waited for. A request never waits, nor does anybody once a share `unseen` of the newest rows holds a value
    that the champion's training days never had: that is no storm either.
    """

    worse_by: Annotated[float, Field(gt=0, le=LARGEST)] = 0.1
    days: Annotated[int, Field(ge=1, le=60)] = 3
    of: Annotated[int, Field(ge=1, le=60)] = 14
    at_most: Annotated[int, Field(ge=1, le=60)] = 7
    unseen: Annotated[float, Field(gt=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _longer(self) -> Self:
        if self.of <= self.days:
            raise ValueError(f"the newest {self.days} days are compared with more days than that, not {self.of}")
        return self


class DataBug(Strict):
    """Whether a look of broken data stops a retraining, and which looks do not count."""

    on: Truth = True
    ignore: Annotated[tuple[Annotated[BugKind, Field(strict=False)], ...], Field(strict=False)] = ()


# Found by replay on the first half of 2013 and kept for good on the second: see docs/decisions.
USUAL: dict[str, Any] = {
    "drift": {"what": "unseen", "threshold": 0.1, "days": 1, "of": 1},
    "performance": {"than": "expected", "worse_by": 0.04, "relative": True, "over_days": 14, "min_days": 7},
    "age": {"days": 14},
    "request": {},
    "unsettled": {},
}
TRIGGERS = ("drift", "performance", "estimated_performance", "age", "new_rows", "schedule", "request")


class Policy(Strict):
    """A whole `policy`. Triggers that are named are the ones there are; with none named, the usual ones, which wait
    for settled days."""

    combine: Literal["any", "all"] | AtLeast = "any"
    drift: DriftRule | None = None
    performance: PerformanceRule | None = None
    estimated_performance: EstimatedRule | None = None
    age: AgeRule | None = None
    new_rows: NewRowsRule | None = None
    schedule: EveryRule | None = None
    request: RequestRule | None = None
    cooldown_days: Annotated[int, Field(ge=0, le=3660)] = 3
    budget: Budget | None = None
    breaker: Breaker = Breaker()
    quiet: Annotated[tuple[Quiet, ...], Field(strict=False)] = ()
    unsettled: Unsettled | None = None
    data_bug: DataBug = DataBug()

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, value: Any) -> Any:
        if isinstance(value, dict) and not any(value.get(name) is not None for name in TRIGGERS):
            return {**USUAL, **value}
        return value

    @property
    def rules(self) -> dict[str, Strict]:
        """The triggers in use, by name."""
        return {name: rule for name in TRIGGERS if (rule := getattr(self, name)) is not None}

    @property
    def needed(self) -> int:
        """How many triggers it takes."""
        if isinstance(self.combine, AtLeast):
            return self.combine.at_least
        return 1 if self.combine == "any" else len(self.rules)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.needed > len(self.rules):
            raise ValueError(f"it takes {self.needed} triggers, and there are {len(self.rules)}")
        return self
