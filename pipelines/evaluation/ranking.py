"""What a score's order is worth: areas under curves, the curves themselves and calibration, in NumPy alone.

Slices need hundreds of these; scikit-learn's checks cost milliseconds a call, these cost one sort. Labels are 0 or 1,
scores are finite. Everything is computed in float64 and in a fixed order, so it is the same at any thread count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALIBRATION_BINS = 15
CURVE_POINTS = 200


@dataclass(frozen=True)
class Ranking:
    """Counts at every distinct score, highest first: rows called positive correctly and wrongly at that threshold."""

    true_positives: NDArray[Any]
    false_positives: NDArray[Any]
    positives: float
    negatives: float

    @classmethod
    def of(cls, label: NDArray[Any], score: NDArray[Any]) -> Ranking:
        """The ranking of n labels by n scores; rows of one score stand or fall together."""
        import numpy as np

        ordered, hits = _ordered(label, score)
        ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) if len(ordered) else np.empty(0, np.int64)
        true = np.cumsum(hits, dtype=np.float64)[ends]
        positives = float(true[-1]) if len(true) else 0.0
        return cls(true, ends + 1 - true, positives, len(ordered) - positives)

    @property
    def one_class(self) -> bool:
        """Whether there is nothing to rank: no rows, or rows of one class."""
        return not (self.positives and self.negatives)

    def auc(self) -> float | None:
        """Area under the ROC curve, ties counted half; None for rows of one class."""
        import numpy as np

        if self.one_class:
            return None
        true, false = np.append(0.0, self.true_positives), np.append(0.0, self.false_positives)
        area = np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2
        return float(area / (self.positives * self.negatives))

    def average_precision(self) -> float | None:
        """Area under the precision-recall curve, by steps as scikit-learn's; None for rows of one class."""
        import numpy as np

        if self.one_class:
            return None
        precision = self.true_positives / (self.true_positives + self.false_positives)
        return float(np.sum(np.diff(np.append(0.0, self.true_positives)) * precision) / self.positives)

    def roc(self, points: int = CURVE_POINTS) -> list[tuple[float, float]]:
        """At most `points` (false positive rate, true positive rate), from (0, 0) to (1, 1)."""
        if self.one_class:
            return []
        keep = _thin(self.false_positives + self.true_positives, points - 1)
        pairs = zip(self.false_positives[keep], self.true_positives[keep], strict=True)
        return [(0.0, 0.0), *((float(f / self.negatives), float(t / self.positives)) for f, t in pairs)]

    def precision_recall(self, points: int = CURVE_POINTS) -> list[tuple[float, float]]:
        """At most `points` (recall, precision), from low recall to 1."""
        if self.one_class:
            return []
        keep = _thin(self.true_positives, points)
        true, false = self.true_positives[keep], self.false_positives[keep]
        pairs = zip(true, false, strict=True)
        return [(float(t / self.positives), float(t / (t + f))) for t, f in pairs]


@dataclass(frozen=True)
class Bin:
    """One calibration bin: how many rows, their mean score and their mean label."""

    rows: int
    predicted: float
    observed: float


def calibration(label: NDArray[Any], score: NDArray[Any], bins: int = CALIBRATION_BINS) -> list[Bin]:
    """The rows in at most `bins` bins of equal count by score; rows of one score stay in one bin."""
    import numpy as np

    if not len(score):
        return []
    cut_at = np.unique((np.arange(bins) * len(score)) // bins)
    # The cuts alone are put in place, not every row: a tenth of the time of a sort.
    cuts = np.unique(np.partition(score, cut_at)[cut_at])
    places = np.searchsorted(cuts, score, side="right") - 1
    rows = np.bincount(places, minlength=len(cuts))
    predicted, observed = (np.bincount(places, weights=values) / rows for values in (score, label))
    return [Bin(int(n), float(p), float(o)) for n, p, o in zip(rows, predicted, observed, strict=True)]


def calibration_error(label: NDArray[Any], score: NDArray[Any]) -> float | None:
    """Expected calibration error: |mean score - mean label| over 15 bins of equal count, averaged by rows."""
    found = calibration(label, score)
    rows = sum(part.rows for part in found)
    return sum(part.rows * abs(part.predicted - part.observed) for part in found) / rows if rows else None


def _ordered(label: NDArray[Any], score: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores from high to low with their labels; the order within a tie is any, for only sums at its end are used."""
    import numpy as np

    if score.dtype == np.float32 and len(score) and score.min() >= 0:
        # Bits of non-negative floats rise as their values do: with the label below them one plain sort does, which is
        # several times as fast as sorting places.
        bits = (score + np.float32(0)).view(np.int32).astype(np.int64)
        key = np.sort((bits << 1) | (label > 0))[::-1]
        return key >> 1, key & 1
    order = np.argsort(-score)
    return score[order], label[order]


def _thin(along: NDArray[Any], points: int) -> NDArray[Any]:
    """Indexes of at most `points` values spread evenly along the rising `along`, the last always among them."""
    import numpy as np

    if len(along) <= points:
        return np.arange(len(along))
    found = np.searchsorted(along, np.linspace(along[0], along[-1], points))
    return np.unique(np.append(found[:-1], len(along) - 1))
