"""Rollback and reconcile under the stage contract: what they are told, and what fits into their result."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, ValidationError

from pipelines.config.settings import Settings
from pipelines.config.strict import Strict
from pipelines.errors import ConfigError, shorten
from pipelines.runs.request import json_object
from pipelines.stages.context import Progress, StageResult

STEPS = ("rollback", "reconcile")
_Text = Annotated[str, Field(max_length=1000)]


class Told(Strict):
    """What a rollback is told: a version and a reason, or (`due`) to do what a night has asked for."""

    to: Annotated[int, Field(ge=1, le=10**9)] | None = None
    reason: _Text = ""
    by: Annotated[str, Field(max_length=200)] = ""
    key: Annotated[str, Field(max_length=300)] = ""
    due: bool = False

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The request in `text`; raises ConfigError if it is anything else."""
        try:
            return cls(**json_object(text, set(cls.model_fields)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(
                f"{shorten(repr(first['input']))}: {first['msg'].lower()}", where=where, remedy='write {"reason": ".."}'
            ) from None


def step(settings: Settings, model: str, name: str, params: str, say: Progress) -> StageResult:
    """One of STEPS; raises as they do."""
    if name == "reconcile":
        from pipelines.release.reconcile import reconcile

        json_object(params, set())
        return StageResult(summary=reconcile(settings, model, say, repair=True).to_json())
    from pipelines.release import rollback

    told = Told.from_json(params)
    if told.due:
        return rollback.automatic(settings, model, say)
    asked = rollback.Asked(told.to, told.reason, told.by or "operator", told.key)
    return rollback.rollback(settings, model, asked, say)
