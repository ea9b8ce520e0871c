"""A curve from score to what is expected at that score, learnt from rows whose outcome is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 100
BIN_ROWS = 50


@dataclass(frozen=True)
class Curve:
    """Straight between the points (`at`, `value`), level beyond both ends. No points: nothing is expected (NaN)."""

    at: tuple[float, ...]
    value: tuple[float, ...]

    def __call__(self, score: NDArray[Any]) -> NDArray[Any]:
        """What is expected at scores (n,), float64."""
        import numpy as np

        if not self.at:
            return np.full(len(score), np.nan)
        return np.asarray(np.interp(score.astype(np.float64), self.at, self.value))

    @classmethod
    def binned(cls, score: NDArray[Any], target: NDArray[Any]) -> Self:
        """The mean `target` (n,) in at most 100 bins of equal count, no bin under 50 rows, at their mean scores."""
        at, value, _ = _bins(score, target)
        return cls(tuple(at), tuple(value))

    @classmethod
    def rising(cls, score: NDArray[Any], target: NDArray[Any]) -> Self:
        """The same, never falling: isotonic regression of the bins, neighbours in the wrong order being pooled."""
        blocks: list[tuple[float, float, float]] = []  # sum of scores, sum of targets, rows
        for at, value, rows in zip(*_bins(score, target), strict=True):
            block = (at * rows, value * rows, rows)
            while blocks and blocks[-1][1] / blocks[-1][2] >= block[1] / block[2]:
                last = blocks.pop()
                block = (block[0] + last[0], block[1] + last[1], block[2] + last[2])
            blocks.append(block)
        return cls(tuple(s / n for s, _, n in blocks), tuple(t / n for _, t, n in blocks))

    def to_json(self) -> list[list[float]]:
        """Its points."""
        return [list(self.at), list(self.value)]

    @classmethod
    def from_json(cls, value: list[list[float]]) -> Self:
        """The curve with these points."""
        return cls(tuple(value[0]), tuple(value[1]))


def _bins(score: NDArray[Any], target: NDArray[Any]) -> tuple[list[float], list[float], list[float]]:
    """Mean score, mean target and rows of each bin, in order of score; rows of one score share a bin."""
    import numpy as np

    if not len(score):
        return [], [], []
    order = np.argsort(score, kind="stable")
    ordered, wanted = score[order].astype(np.float64), target[order].astype(np.float64)
    bins = max(1, min(BINS, len(ordered) // BIN_ROWS))
    cuts = np.unique(ordered[(np.arange(bins) * len(ordered)) // bins])
    place = np.searchsorted(cuts, ordered, side="right") - 1
    rows = np.bincount(place, minlength=len(cuts))
    at, value = (np.bincount(place, weights=values, minlength=len(cuts)) / rows for values in (ordered, wanted))
    return at.tolist(), value.tolist(), rows.astype(float).tolist()
