"""What `model.yaml` may say: strict, immutable types; an unknown key, a wrong type or value is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.config import names
from pipelines.config.alerts import Alerts
from pipelines.config.business import Business
from pipelines.config.gates import Gates
from pipelines.config.monitoring import Monitoring
from pipelines.config.names import Promotion
from pipelines.config.policy import Policy
from pipelines.config.release import Approval, Rollback
from pipelines.config.resources import Allowance, Limits, Who
from pipelines.config.retention import Retention
from pipelines.config.schedule import Schedule
from pipelines.config.strict import Column, Days, Share, Strict, Zone
from pipelines.errors import ConfigError


def _table_name(text: str) -> str:
    try:
        return names.table_name(text)
    except ConfigError as error:
        raise ValueError(error.what) from None


class Task(StrEnum):
    """What the label is."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


METRICS: Mapping[Task, tuple[str, ...]] = {
    Task.BINARY: ("auc", "pr_auc", "log_loss", "brier", "calibration_error"),
    Task.MULTICLASS: ("log_loss", "accuracy", "auc"),
    Task.REGRESSION: ("rmse", "mae", "r2"),
}
HIGHER_IS_BETTER = frozenset({"auc", "pr_auc", "accuracy", "r2"})
# What `evergreen new` writes for an owner; a model that still says so has none.
NO_OWNER = "nobody yet"


class Role(StrEnum):
    """What a table is to the model."""

    EVENTS = "events"
    CONTEXT = "context"
    STATIC = "static"


class Table(Strict):
    """One source table. `uri` holds `{date}` for daily partitions; relative URIs are below the lake,
    others are paths or `s3://bucket/key`.

    `after_event` names the columns that are known only after the event: no feature can see them.
    `known: forecast` declares that a context row of day D stands in for a forecast and may be used for D;
    `after_day` (the default) makes it visible from D+1 on.
    """

    role: Annotated[Role, Field(strict=False)]
    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    key: Annotated[tuple[Column, ...], Field(min_length=1, strict=False)]
    time: Column | None = None
    time_zone: Zone = "UTC"
    after_event: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    known: Literal["after_day", "forecast"] = "after_day"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        static = self.role is Role.STATIC
        if static == ("{date}" in self.uri):
            raise ValueError("a static table's uri has no {date}, every other table's has one")
        if not static and self.time is None:
            raise ValueError(f"a table of role {self.role} needs `time`, its event time column")
        if ".." in self.uri.split("/"):
            raise ValueError("uri must not climb with ..")
        return self


class Label(Strict):
    """`expression` is SQL over the events table; null where no label will ever come.

    A label of day D is known once `maturity_days` have passed since the end of D.
    """

    expression: Annotated[str, Field(min_length=1, max_length=2000)]
    maturity_days: Annotated[int, Field(ge=0, le=365)] = 1
    classes: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Window(Strict):
    """Which days a retraining reads, counted back from the last matured day."""

    train_days: Days = 60
    test_days: Days = 14
    gap_days: Annotated[int, Field(ge=0, le=365)] = 0
    validation_days: Days = 7
    lookback_days: Annotated[int, Field(ge=0, le=3660)] = 30
    min_rows: Annotated[int, Field(ge=10, le=10**12)] = 1000


def history_days(window: Window, label: Label) -> int:
    """How many days before a row are read for its features: the look-back, and the days until labels are known.

    A trailing rate over the `lookback_days` newest known labels is about days that much older.
    """
    return window.lookback_days + label.maturity_days + 1


class Validation(Strict):
    """Bounds on one partition (caps, row count) and on the window (gaps, freshness, labels)."""

    max_bytes: Annotated[int, Field(ge=1, le=2**40)] = 512 * 2**20
    max_uncompressed_bytes: Annotated[int, Field(ge=1, le=2**42)] = 4 * 2**30
    max_rows: Annotated[int, Field(ge=1, le=10**10)] = 20_000_000
    row_count_low: Annotated[float, Field(ge=0, le=1)] = 0.2
    row_count_high: Annotated[float, Field(ge=1, le=1000)] = 5.0
    max_gap_days: Annotated[int, Field(ge=0, le=3660)] = 3
    freshness_days: Annotated[int, Field(ge=0, le=3660)] = 3
    max_missing_share: Share = 0.2
    min_label_coverage: Share = 0.8


class Booster(Strict):
    """The XGBoost parameters a model may set; the rest stays at XGBoost's defaults."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    max_depth: Annotated[int, Field(ge=1, le=16)] = 6
    max_leaves: Annotated[int, Field(ge=0, le=4096)] = 0
    min_child_weight: Annotated[float, Field(ge=0, le=1e6)] = 10.0
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.8
    colsample_bytree: Annotated[float, Field(gt=0, le=1)] = 0.6
    reg_lambda: Annotated[float, Field(ge=0, le=1e6)] = 5.0
    reg_alpha: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    gamma: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    max_bin: Annotated[int, Field(ge=2, le=1024)] = 256
    max_cat_to_onehot: Annotated[int, Field(ge=1, le=1024)] = 4
    max_cat_threshold: Annotated[int, Field(ge=1, le=1024)] = 64


class Hpo(Strict):
    """The search for parameters: Optuna over `folds` walk-forward folds; no trials, no search."""

    trials: Annotated[int, Field(ge=0, le=1000)] = 0
    folds: Annotated[int, Field(ge=2, le=10)] = 3
    timeout_seconds: Annotated[int, Field(ge=1, le=86400)] = 1800


class Training(Strict):
    """How the booster is fitted. `class_weight: balanced` makes all classes of the label weigh the same.

    With `max_categories` over 255 or `max_bin` over 256 the binned matrix takes twice the memory.
    """

    rounds: Annotated[int, Field(ge=1, le=100_000)] = 400
    early_stopping_rounds: Annotated[int, Field(ge=1, le=10_000)] = 25
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 2013
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    device: Literal["cpu", "cuda"] = "cpu"
    booster: Booster = Booster()
    monotone: dict[Column, Literal[-1, 0, 1]] = Field(default_factory=dict)
    class_weight: Literal["none", "balanced"] = "none"
    max_categories: Annotated[int, Field(ge=1, le=10_000)] = 255
    min_category_rows: Annotated[int, Field(ge=1, le=10**9)] = 20
    hpo: Hpo = Hpo()


class Evaluation(Strict):
    """What the evaluation reports. `slices` are columns of the feature table; `business` is told beside the gates."""

    slices: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    min_slice_rows: Annotated[int, Field(ge=1, le=10**9)] = 200
    shap_rows: Annotated[int, Field(ge=1, le=10_000)] = 2_000
    baseline_rows: Annotated[int, Field(ge=100, le=200_000)] = 50_000
    business: dict[Annotated[str, AfterValidator(_table_name)], Business] = Field(default_factory=dict)


class Model(Strict):
    """A whole `model.yaml`. `purpose` and `limits` stand on the card: what it is for, where it must not be used."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    purpose: Annotated[str, Field(max_length=2000)] = ""
    limits: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=500)], ...], Field(strict=False)] = ()
    task: Annotated[Task, Field(strict=False)]
    schedule: Schedule
    tables: Annotated[dict[Annotated[str, AfterValidator(_table_name)], Table], Field(min_length=1, max_length=50)]
    label: Label
    window: Window = Window()
    validation: Validation = Validation()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    gates: Gates = Gates()
    promotion: Annotated[Promotion, Field(strict=False)] = Promotion.AUTO
    approval: Approval = Approval()
    rollback: Rollback = Rollback()
    monitoring: Monitoring = Monitoring()
    policy: Policy = Policy()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()
    resources: dict[Who, Limits] = Field(default_factory=dict)

    @property
    def events(self) -> str:
        """The name of the one events table."""
        return next(name for name, table in self.tables.items() if table.role is Role.EVENTS)

    def allowance(self, step: str) -> Allowance:
        """What the container of `step` may use: what is said of it, of `default`, or nothing; a GPU for `cuda`."""
        said = {str(who): limits for who, limits in self.resources.items()}
        cuda = step == "train" and self.training.device == "cuda"
        below = said.get("default", Limits()).over(Allowance(gpus=int(cuda)))
        return said.get(step, Limits()).over(below)

    @model_validator(mode="after")
    def _one_events_table(self) -> Self:
        events = [name for name, table in self.tables.items() if table.role is Role.EVENTS]
        if len(events) != 1:
            raise ValueError(f"exactly one table must have role events, found {len(events)}: {', '.join(events)}")
        return self

    @model_validator(mode="after")
    def _business_counts_two_classes(self) -> Self:
        if self.evaluation.business and self.task is not Task.BINARY:
            raise ValueError(f"evaluation.business counts true and false positives, a {self.task} model has none")
        return self

    @model_validator(mode="after")
    def _validation_inside_training(self) -> Self:
        if self.window.validation_days >= self.window.train_days:
            raise ValueError("window.validation_days must be smaller than window.train_days: it is cut from it")
        return self

    @model_validator(mode="after")
    def _rollback_knows_the_champion_before(self) -> Self:
        if self.rollback.automatic == "on" and self.monitoring.shadow != "previous":
            raise ValueError("rollback.automatic needs the previous champion's scores: set monitoring.shadow: previous")
        return self

    @model_validator(mode="after")
    def _metrics_of_the_task(self) -> Self:
        for name in ("performance", "estimated_performance"):
            metric = getattr(getattr(self.policy, name), "metric", None)
            if metric is not None and metric not in METRICS[self.task]:
                known = ", ".join(METRICS[self.task])
                raise ValueError(f"policy.{name}.metric: {metric} is no metric of a {self.task} model; use {known}")
        return self
