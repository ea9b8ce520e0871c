"""What a binary model is worth to its owner, as `model.yaml` declares it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.config import arithmetic
from pipelines.config.strict import Share, Strict

COUNTS = frozenset({"tp", "fp", "tn", "fn", "n"})


class Business(Strict):
    """Arithmetic over the confusion matrix at a threshold of the score: `5 * tp - 1.5 * fp`, say.

    `tp`, `fp`, `tn` and `fn` are rows, called positive where the score is `threshold` or more; `n` is all of them.
    """

    expression: Annotated[str, Field(min_length=1)]
    threshold: Share = 0.5

    @model_validator(mode="after")
    def _arithmetic(self) -> Self:
        arithmetic.parse(self.expression, COUNTS)
        return self
