"""The steps of a night under the stage contract: ingest, score, monitor, decide; and all of them in one process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from pydantic import Field, ValidationError

from pipelines.config import names
from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model
from pipelines.config.settings import Settings
from pipelines.config.strict import Strict
from pipelines.errors import ConfigError, ExitCode, NothingToDo, shorten
from pipelines.ledger import champion as champions
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import load_manifest
from pipelines.runs.request import json_object
from pipelines.stages.context import Progress, StageResult
from pipelines.storage.files import full_disk

STEPS = ("ingest", "score", "monitor", "decide")
_Perform = Callable[["Night"], StageResult]


class Asked(Strict):
    """What a step of a night is told. `link` leads to the DAG run; `last`: an ingest that waits no longer."""

    day: str
    backfill: bool = False
    link: str = Field("", max_length=1000)
    night: bool = True
    last: bool = True

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The request in `text`; raises ConfigError if it is anything else."""
        try:
            return cls(**json_object(text, set(cls.model_fields)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(
                f"{shorten(repr(first['input']))}: {first['msg'].lower()}", where=where, remedy='write {"day": "..."}'
            ) from None


@dataclass(frozen=True)
class Night:
    """One night of one model."""

    settings: Settings
    name: str
    model: Model
    day: date
    asked: Asked
    say: Progress

    @classmethod
    def of(cls, settings: Settings, model: str, asked: Asked, say: Progress) -> Self:
        """The night that is asked for; raises ConfigError."""
        day = names.day(asked.day, where="day")
        return cls(settings, model, load_model(find_model(settings.models, model)), day, asked, say)


def is_night(params: str) -> bool:
    """Whether an ingest is asked for as part of a night; without, it takes in days `from` and `to`."""
    return "night" in json_object(params, {"from", "to", *Asked.model_fields})


def step(settings: Settings, model: str, name: str, params: str, say: Progress) -> StageResult:
    """One step of the night of the day in `params`.

    Raises:
        NothingToDo: there is no champion, or the day's events are not in the ledger, so that nothing is scored.
        EvergreenError: as the step does.
    """
    with full_disk(str(settings.home)):
        return _STEPS[name](Night.of(settings, model, Asked.from_json(params), say))


def night(settings: Settings, model: str, day: date, backfill: bool, say: Progress) -> dict[str, dict[str, Any]]:
    """The whole night of `day` in this process; what each step tells, in order. Raises as they do."""
    asked = Asked(day=day.isoformat(), backfill=backfill)
    told = {}
    for name in STEPS:
        try:
            told[name] = step(settings, model, name, asked.model_dump_json(), say).summary
        except NothingToDo as error:
            say(f"{name}: {error.line()}")
            told[name] = {"skipped": error.what}
    return told


def _ingest(night: Night) -> StageResult:
    from pipelines.night import alarms
    from pipelines.night.take import take

    taken = take(night.settings, night.name, night.day, night.say)
    if night.asked.last and not night.asked.backfill:
        alarms.of_ingest(Ledger.open(night.settings, night.name), night.model, taken, night.asked.link)
    return StageResult(summary=taken.to_json())


def _score(night: Night) -> StageResult:
    ledger = Ledger.open(night.settings, night.name)
    if champions.current(ledger) is None:
        raise NothingToDo("there is no champion yet", where=night.name, remedy="the first retraining makes one")
    day = night.day.isoformat()
    if load_manifest(ledger, months=[day[:7]]).accepted(night.model.events, day) is None:
        raise NothingToDo(f"the events of {day} are not in the ledger", where=night.name, remedy="they may come late")
    shadow = night.model.monitoring.shadow
    return StageResult(summary=_call("score", night, shadow=shadow).to_json())


def _monitor(night: Night) -> StageResult:
    return StageResult(summary=_brief(_call("monitor", night).to_json()))


def _decide(night: Night) -> StageResult:
    from pipelines.night import alarms, regress

    result: StageResult = _call("decide", night, backfill=night.asked.backfill)
    if not night.asked.backfill and result.exit_code is ExitCode.DONE:
        ledger = Ledger.open(night.settings, night.name)
        alarms.of_decision(ledger, night.model, night.day, result.summary, night.asked.link)
        regress.look(ledger, night.model, night.asked.link, night.say)
    return result


def _call(name: str, night: Night, **more: Any) -> Any:
    """`pipelines.night.<name>.<name>`: imported where it is needed, for they bring in much."""
    function = getattr(importlib.import_module(f"pipelines.night.{name}"), name)
    return function(night.settings, night.name, night.day, say=night.say, **more)


def _brief(evidence: dict[str, Any]) -> dict[str, Any]:
    """Of the evidence, what fits into Airflow: the rest is in the ledger."""
    drift = evidence.get("drift") or {}
    return {
        "day": evidence["day"],
        "drift": drift.get("score"),
        "bugs": len(evidence.get("bugs") or ()),
        "matured_days": len(evidence.get("performance") or ()),
    }


_STEPS: dict[str, _Perform] = {"ingest": _ingest, "score": _score, "monitor": _monitor, "decide": _decide}
