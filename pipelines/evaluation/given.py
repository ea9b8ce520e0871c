"""Which days a model was given to learn from, as the train stage recorded it."""

from __future__ import annotations

from datetime import date
from typing import Any

from pipelines.errors import IntegrityError, shorten


def days(training: Any, who: str, where: str) -> tuple[date, date]:
    """The first and the last day of `who`, `trial` or `release`, by the contents of a training.json at `where`.

    Raises:
        IntegrityError: it does not say.
    """
    try:
        first, last = (date.fromisoformat(day) for day in training[who]["days"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"does not say on which days the {who} was trained: {shorten(str(error))}",
            where=where,
            remedy="run the train stage again",
        ) from None
    return first, last
