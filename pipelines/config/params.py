"""`params.yaml` of a run: everything its results depend on besides data and code, resolved from `model.yaml`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import Field, ValidationError

from pipelines.config.gates import Gates
from pipelines.config.model import (
    Evaluation,
    Hpo,
    Label,
    Model,
    Role,
    Table,
    Task,
    Training,
    Validation,
    history_days,
)
from pipelines.config.strict import Day, Days, Strict
from pipelines.errors import ConfigError


class Span(Strict):
    """The days of a run, all inclusive. `first` opens the look-back that trailing features need."""

    as_of: Day
    first: Day
    train_start: Day
    train_end: Day
    validation_start: Day
    test_start: Day
    test_end: Day
    min_rows: int

    @classmethod
    def of(cls, model: Model, as_of: date) -> Self:
        """The span of a retraining as of the end of `as_of`: test days end on the last matured day.

        Raises:
            ConfigError: the as-of day is outside the model's schedule, or leaves no day to train on.
        """
        _inside(model, as_of)
        window = model.window
        matured = as_of - timedelta(days=model.label.maturity_days)
        test_start = matured - timedelta(days=window.test_days - 1)
        train_end = test_start - timedelta(days=1 + window.gap_days)
        train_start = max(train_end - timedelta(days=window.train_days - 1), model.schedule.start)
        validation_start = train_end - timedelta(days=window.validation_days - 1)
        if validation_start <= train_start:
            raise ConfigError(
                f"{as_of} leaves training days {train_start} to {train_end} only, {window.validation_days} of them "
                "for early stopping",
                where="as-of date",
                remedy="choose a later day or a smaller window",
            )
        return cls(
            as_of=as_of,
            first=max(train_start - timedelta(days=history_days(window, model.label)), model.schedule.start),
            train_start=train_start,
            train_end=train_end,
            validation_start=validation_start,
            test_start=test_start,
            test_end=matured,
            min_rows=window.min_rows,
        )


class Overrides(Strict):
    """What a caller may change for one run: the retrain form of Airflow and the options of `evergreen run`."""

    train_days: Days | None = None
    test_days: Days | None = None
    hpo_trials: Annotated[int, Field(ge=0, le=1000)] | None = None

    def apply(self, model: Model) -> Model:
        """`model` with these values in place, validated as a whole; raises ConfigError where they do not fit."""
        window = {k: v for k, v in (("train_days", self.train_days), ("test_days", self.test_days)) if v is not None}
        hpo = {} if self.hpo_trials is None else {"trials": self.hpo_trials}
        changed = model.model_copy(
            update={
                "window": model.window.model_copy(update=window),
                "training": model.training.model_copy(update={"hpo": Hpo(**(model.training.hpo.model_dump() | hpo))}),
            }
        )
        try:
            return Model.model_validate(changed.model_dump())
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise ConfigError(
                reason, where="the run's parameters", remedy="choose values that fit model.yaml"
            ) from None


class RunParams(Strict):
    """The typed contents of `params.yaml`. The same params on the same bytes with the same code give the same model."""

    model: str
    task: Annotated[Task, Field(strict=False)]
    span: Span
    tables: dict[str, Table]
    label: Label
    validation: Validation
    training: Training
    evaluation: Evaluation
    gates: Gates

    @classmethod
    def of(cls, name: str, model: Model, as_of: date) -> Self:
        """The parameters of retraining model `name` as of `as_of`."""
        return cls(
            model=name,
            task=model.task,
            span=Span.of(model, as_of),
            tables=model.tables,
            label=model.label,
            validation=model.validation,
            training=model.training,
            evaluation=model.evaluation,
            gates=model.gates,
        )

    @property
    def events(self) -> str:
        """The name of the events table."""
        return next(name for name, table in self.tables.items() if table.role is Role.EVENTS)


def _inside(model: Model, as_of: date) -> None:
    start, end = model.schedule.start, model.schedule.end
    if as_of < start or (end and as_of > end):
        raise ConfigError(
            f"{as_of} is outside the model's schedule {start} to {end or 'today'}",
            where="as-of date",
            remedy="choose a day inside it",
        )
