"""How long a ledger keeps what no champion needs any more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.config.strict import Days, Strict


class Retention(Strict):
    """`champions_days`: so long after it was replaced a former champion is kept, longer while its predictions are;
    `refused`: so many of the newest runs that never became champion; `predictions_days`: so old, in the data's time,
    predictions grow.

    The champion, the one before it, the newest challenger, pinned runs and all of the last week stay in any case.
    """

    champions_days: Days = 365
    refused: Annotated[int, Field(ge=0, le=100_000)] = 10
    predictions_days: Annotated[int, Field(ge=60, le=36_600)] = 730
