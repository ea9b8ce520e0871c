"""What a caller asks of a retraining: the retrain form of Airflow or the options of `evergreen run`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator

from pipelines.config import names
from pipelines.config.names import Promotion
from pipelines.config.params import Overrides
from pipelines.config.strict import Strict
from pipelines.errors import ConfigError, UnreadableRecord, shorten
from pipelines.storage import bounded

MAX_JSON = 8192


class Request(Strict):
    """One request. `as_of` None means the newest accepted day; `key` names the caller's own run (Airflow's run id).

    With `only_if_asked` the run has something to do only while a request for a retraining is open.
    """

    as_of: Annotated[date | None, Field(strict=False)] = None
    overrides: Overrides = Overrides()
    promotion: Annotated[Promotion | None, Field(strict=False)] = None
    note: Annotated[str, Field(max_length=500)] = ""
    key: Annotated[str, Field(max_length=250)] = ""
    only_if_asked: bool = False

    @field_validator("note", "key")
    @classmethod
    def _printable(cls, text: str) -> str:
        if not all(character.isprintable() for character in text):
            raise ValueError("must not hold control characters")
        return text

    @classmethod
    def of(
        cls,
        as_of: str | None = None,
        train_days: int | None = None,
        test_days: int | None = None,
        hpo_trials: int | None = None,
        promotion: str | None = None,
        note: str = "",
        key: str = "",
        only_if_asked: bool = False,
    ) -> Self:
        """The request with these values; raises ConfigError naming the first that is wrong."""
        day = names.day(as_of, where="as-of date") if as_of else None
        try:
            overrides = Overrides(train_days=train_days, test_days=test_days, hpo_trials=hpo_trials)
            return cls(
                as_of=day,
                overrides=overrides,
                promotion=promotion,  # type: ignore[arg-type]
                note=note,
                key=key,
                only_if_asked=only_if_asked,
            )
        except ValidationError as error:
            raise _complain(error) from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The request in `text`, a JSON object of `of`'s arguments; raises ConfigError if it is anything else."""
        allowed = {"as_of", "train_days", "test_days", "hpo_trials", "promotion", "note", "key", "only_if_asked"}
        return cls.of(**json_object(text, allowed))


def json_object(text: str, allowed: set[str]) -> dict[str, Any]:
    """The JSON object in `text` with no keys but `allowed`; raises ConfigError otherwise."""
    if len(text) > MAX_JSON:
        raise ConfigError(f"is longer than {MAX_JSON} characters", where="--params", remedy="shorten the note")
    try:
        value = bounded.parse_json((text or "{}").encode(errors="replace"), "--params", limit=4 * MAX_JSON)
    except UnreadableRecord:
        raise ConfigError(
            f"{shorten(text)!r} is not JSON", where="--params", remedy='write {"as_of": "2013-03-31"}'
        ) from None
    if not isinstance(value, dict) or set(value) - allowed:
        unknown = sorted(set(value) - allowed) if isinstance(value, dict) else [type(value).__name__]
        raise ConfigError(
            f"unknown {shorten(', '.join(unknown))}", where="--params", remedy=f"use {', '.join(sorted(allowed))}"
        )
    return value


def _complain(error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    return ConfigError(
        f"{shorten(repr(first['input']))}: {first['msg'].lower().removeprefix('value error, ')}",
        where=name.removeprefix("overrides."),
        remedy="`evergreen run --help` shows what is allowed",
    )
