"""Whether what is published of a model can be served: loaded by MLflow, and asked, in a process without Evergreen."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.evaluation.metrics import rounded
from pipelines.published import fresh
from pipelines.published.build import build
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.published.fresh import Score

ROWS = fresh.ROWS


@dataclass(frozen=True)
class Serving:
    """What the fresh process came to: `failed` says why it gave no scores, and is empty where it did.

    `differing` of `rows` scores, and of the signature's `example_rows`, are not those of this process or of training,
    bit by bit. `published` is the sha256 of what was asked, which registration logs. `clock` holds what depends on the
    machine: it stands in no out that `evergreen reproduce` compares.
    """

    failed: str
    rows: int
    differing: int
    example_rows: int
    example_differing: int
    megabytes: float
    clock: dict[str, Any] = field(default_factory=dict, compare=False)
    published: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the model card: all but the clock."""
        return {
            "failed": self.failed,
            "rows": self.rows,
            "differing": self.differing,
            "example_rows": self.example_rows,
            "example_differing": self.example_differing,
            "megabytes": self.megabytes,
            "published": self.published,
        }


def measure(
    model: Path, signature: Signature, thresholds: Mapping[str, float], rows: pa.Table, score: Score
) -> Serving:
    """Have a fresh process load what is published of `model` and score `rows`, ten thousand of them, half spoilt.

    `score` gives the float32 scores (n,) or (n, k) of a table of features in this process.

    Raises:
        Crashed: that process was killed, which says nothing of the model.
    """
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch:
        made = build(Path(scratch), model, signature, thresholds)
        megabytes = rounded(made.size / 1e6) or 0.0
        found = fresh.ask(made, rows, signature, score)
    if found.failed:
        return Serving(found.failed, 0, 0, 0, 0, megabytes, published=made.sha256)
    said = dict(found.said)
    return Serving(
        failed="",
        rows=int(said.pop("rows")),
        differing=found.differing,
        example_rows=int(said.pop("example_rows")),
        example_differing=int(said.pop("example_differing")),
        megabytes=megabytes,
        published=made.sha256,
        clock=said,
    )
