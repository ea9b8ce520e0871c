"""What the gates of trust judge by: slices, overlap, leakage, calibration and fairness of one challenger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.gates import Family, Mode
from pipelines.config.model import Task
from pipelines.config.params import RunParams
from pipelines.drift.thinning import thinned
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.errors import ConfigError, shorten
from pipelines.evaluation import calibration, fairness, leakage, overlap, segments
from pipelines.evaluation.calibration import CalibrationFacts
from pipelines.evaluation.fairness import Gaps
from pipelines.evaluation.keys import shared_keys
from pipelines.evaluation.leakage import LeakageFacts
from pipelines.evaluation.overlap import OverlapFacts
from pipelines.evaluation.sampling import sample
from pipelines.evaluation.scoring import Scored
from pipelines.evaluation.segments import Part, SliceFacts
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS = 20_000
# Of each side; a third more would cost twice as long as all other gates together.
MEMBERSHIP_ROWS = 2_500


def check(params: RunParams, columns: Sequence[str]) -> None:
    """Raises ConfigError if `gates.fairness.attributes` cannot be asked about."""
    attributes = params.gates.fairness.attributes
    for name in attributes:
        if name not in columns:
            raise ConfigError(
                f"{shorten(repr(name))} is no column of the feature table",
                where="gates.fairness.attributes",
                remedy=f"use some of: {shorten(', '.join(columns), 120)}",
            )
    if attributes and params.task is not Task.BINARY:
        raise ConfigError(
            f"a {params.task} model selects nobody, so its groups have no selection rates",
            where="gates.fairness.attributes",
            remedy="leave them out, or watch these columns as evaluation.slices",
        )


def columns_wanted(params: RunParams) -> list[str]:
    """The columns whose values are needed beside the scores: those to slice by and those to be fair about."""
    return list(dict.fromkeys([*params.evaluation.slices, *params.gates.fairness.attributes]))


@dataclass(frozen=True)
class Rival:
    """The last day that the champion says it was given, and the days (n,) since 1970 of the rows it is judged on."""

    seen: date | None = None
    day: NDArray[Any] | None = None


@dataclass(frozen=True)
class Trust:
    """The trial of the run at `root` with the rows it was given and those it is judged on.

    `trained` and `released` are the days that the train stage says it gave to trial and release; `given` is a sample of
    the rows `train`, with their features and labels.
    """

    root: Path
    params: RunParams
    signature: Signature
    trained: overlap.Days
    released: overlap.Days
    train: Rows
    given: pa.Table
    test: Rows

    def measured(self, scored: Scored, score: NDArray[Any], shown: Sequence[Part], rival: Rival) -> dict[str, Any]:
        """The fields of `Measured` whose families are not off.

        `scored` are all test rows and `score` the trial's scores of them; `shown` the slices large enough to judge.
        """
        table = self._sample() if self._asked(Family.SLICES, Family.LEAKAGE) else None
        return {
            "slices": self._slices(scored, score, shown, table)
            if table is not None and self._asked(Family.SLICES)
            else None,
            "overlap": self._overlap(scored, rival) if self._asked(Family.OVERLAP) else None,
            "leakage": self._leakage(table) if table is not None and self._asked(Family.LEAKAGE) else None,
            "calibration": self._calibration(scored, score) if self._asked(Family.CALIBRATION) else None,
            "fairness": self._fairness(scored, score) if self._asked(Family.FAIRNESS) else None,
        }

    def _asked(self, *families: Family) -> bool:
        return any(self.params.gates.mode(family) is not Mode.OFF for family in families)

    def _sample(self) -> pa.Table:
        return sample(self.test, [*self.signature.names, "label", "row_id"], ROWS)

    def _block(self, table: pa.Table) -> tuple[Columns, NDArray[Any], NDArray[Any]]:
        """The columns, the features (n, features) as the model reads them, and the labels (n,) of a sample."""
        import numpy as np

        columns = Columns.of(self.signature)
        label = table["label"].to_numpy().astype(np.float64)
        return columns, np.concatenate([columns.block(batch) for batch in table.to_batches()]), label

    def _slices(self, scored: Scored, score: NDArray[Any], shown: Sequence[Part], table: pa.Table) -> SliceFacts:
        import numpy as np

        columns, block, label = self._block(table)
        score = score[np.searchsorted(scored.row_id, table["row_id"].to_numpy())]  # both in the rows' total order
        rule = self.params.gates.slices
        found, loss = segments.weak(
            self.params.task, columns, block, label, score, rule.min_rows, self.params.training.seed
        )
        return SliceFacts(tuple(shown), found, len(label), loss)

    def _overlap(self, scored: Scored, rival: Rival) -> OverlapFacts:
        return OverlapFacts(
            trained=self.trained,
            released=self.released,
            matured=self.params.span.test_end,
            tested=overlap.days_of(scored.day),
            rows=len(scored),
            shared_rows=overlap.shared_rows(self.train, scored.row_id),
            keys=shared_keys(self.root, self.params, self.trained),
            one_model=self.signature.trial_sha256 == self.signature.model_sha256,
            champion_seen=rival.seen,
            compared=overlap.days_of(rival.day)[0] if rival.day is not None and len(rival.day) else None,
        )

    def _leakage(self, test: pa.Table) -> LeakageFacts:
        import numpy as np

        train = self.given
        columns, block, label = self._block(train)
        task, classes = self.params.task, len(self.params.label.classes)
        single = leakage.strengths(task, columns, block, label, classes)
        sides = [thinned(side.select(list(self.signature.names)), MEMBERSHIP_ROWS) for side in (train, test)]
        apart = leakage.membership(sides[0], sides[1], self.params.training.seed)
        later = self._block(test)[1]
        ticking = leakage.clock(columns, np.concatenate([block, later]))
        return leakage.facts(task, single, len(label), apart, ticking)

    def _calibration(self, scored: Scored, score: NDArray[Any]) -> CalibrationFacts:
        return calibration.facts(self.params.task, scored.label, score, self.params.label.classes)

    def _fairness(self, scored: Scored, score: NDArray[Any]) -> tuple[Gaps, ...] | None:
        import numpy as np

        rule = self.params.gates.fairness
        if not rule.attributes or not np.isfinite(score).all():
            return None
        attributes = {name: scored.slices[name] for name in rule.attributes}
        return fairness.gaps(scored.label, score, attributes, rule.threshold, rule.min_rows)
