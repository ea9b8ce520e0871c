"""How much worse than the champion a challenger is on the same rows, with what chance has to do with it.

A day's rows share its weather, its prices, its staff: they are no independent witnesses, days are. So whole days are
drawn again and again, both models on the same draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pipelines.config.model import Task
from pipelines.evaluation.daily import Sample, under_draws
from pipelines.evaluation.metrics import HIGHER_IS_BETTER, Metrics, rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 1_000
SEED = 2013
LEVEL = 0.95
# Draws that hold rows of one class only have no AUC; where they are many, there is no interval to speak of.
_LEAST_KNOWN = 0.9


@dataclass(frozen=True)
class Paired:
    """`worse`: how much worse the challenger is on `metric`, in its unit (below zero: better); low to high holds it.

    The interval (95%) is None where the days cannot give one: fewer than two, or a metric most draws do not have.
    """

    metric: str
    days: int
    worse: float
    low: float | None
    high: float | None
    draws: int = DRAWS

    @classmethod
    def of(
        cls,
        task: Task,
        metric: str,
        label: NDArray[Any],
        scores: tuple[NDArray[Any], NDArray[Any]],
        day: NDArray[Any],
        known: tuple[Metrics, Metrics],
    ) -> Self | None:
        """Of n rows' labels, challenger's and champion's scores and days, and of both models' metrics on all of them.

        None where one of the two cannot be computed.
        """
        ours, theirs = (item[metric] for item in known)
        if ours is None or theirs is None:
            return None
        import numpy as np

        sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0
        worse = sign * (ours - theirs)
        days, place = np.unique(day, return_inverse=True)
        if len(days) < 2:
            return cls(metric, len(days), _plain(worse), None, None)
        drawn = np.random.default_rng(SEED).multinomial(len(days), np.full(len(days), 1 / len(days)), DRAWS)
        # The last row is every day once: ranks are binned, so the draws are moved to where the exact metric lies.
        draws = np.vstack([drawn, np.ones(len(days))]).astype(np.float64)
        challenger, champion = (
            under_draws(task, metric, Sample(label, score, place, len(days)))(draws) for score in scores
        )
        apart = sign * (challenger - champion)
        low, high = _interval(apart[:-1] - apart[-1] + worse, len(days))
        return cls(metric, len(days), _plain(worse), low, high)

    def difference(self, min_days: int) -> dict[str, float | None]:
        """Challenger minus champion, `low` to `high`, as tables subtract; no interval of fewer than `min_days` days."""
        sign = -1.0 if self.metric in HIGHER_IS_BETTER else 1.0
        found: dict[str, float | None] = {"difference": sign * self.worse or 0.0, "low": None, "high": None}
        if self.low is None or self.high is None or self.days < min_days:
            return found
        low, high = sorted((sign * self.low, sign * self.high))
        return found | {"low": low, "high": high}


def _interval(found: NDArray[Any], days: int) -> tuple[float | None, float | None]:
    """The interval of draws (draws,), widened for few days: quantiles alone take the days for the whole population.

    By the expanded percentile interval of Hesterberg (2015), What Teachers Should Know About the Bootstrap.
    """
    import numpy as np
    from scipy.special import ndtr, stdtrit

    known = found[np.isfinite(found)]
    if len(known) < _LEAST_KNOWN * len(found):
        return None, None
    tail = float(ndtr(-math.sqrt(days / (days - 1)) * stdtrit(days - 1, (1 + LEVEL) / 2)))
    low, high = np.quantile(known, [tail, 1 - tail])
    return rounded(float(low)), rounded(float(high))


def _plain(value: float) -> float:
    return float(f"{value:.9g}")
