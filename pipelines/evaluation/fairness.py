"""Gaps between groups of people, or of anything else that ought to be treated alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.scoring import Codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

DRAWS = 1_000
SEED = 2013
Interval = tuple[float, float]


@dataclass(frozen=True)
class Group:
    """The rows of one value: how many, the share selected, and the share selected of those whose label is 1."""

    value: str
    rows: int
    selection: float
    opportunity: float | None


@dataclass(frozen=True)
class Gaps:
    """Between the groups of `attribute`: largest less smallest share, and smallest over largest for the impact ratio.

    The intervals (95%) come of drawing the rows of every group again. None: fewer than two groups are large enough, or,
    for the opportunity, have labels of 1. `left_out` counts rows of groups that are too small.
    """

    attribute: str
    groups: tuple[Group, ...]
    left_out: int
    selection: float | None = None
    opportunity: float | None = None
    impact: float | None = None
    selection_interval: Interval | None = None
    opportunity_interval: Interval | None = None
    impact_interval: Interval | None = None


def gaps(
    label: Array, score: Array, attributes: Mapping[str, Codes], threshold: float, min_rows: int
) -> tuple[Gaps, ...]:
    """The gaps of n binary labels and scores, selected from `threshold` on, for every one of `attributes`."""
    import numpy as np

    selected = (score >= threshold).astype(np.int64)
    return tuple(_gaps(name, label, selected, codes, min_rows) for name, codes in attributes.items())


def _gaps(name: str, label: Array, selected: Array, codes: Codes, min_rows: int) -> Gaps:
    import numpy as np
    from fairlearn.metrics import MetricFrame, count, selection_rate, true_positive_rate

    counts = np.bincount(codes.codes, minlength=len(codes.values))
    kept = counts[codes.codes] >= min_rows
    left_out = int((~kept).sum())
    if not kept.any():
        return Gaps(name, (), left_out)
    frame = MetricFrame(
        metrics={"rows": count, "selection": selection_rate, "opportunity": true_positive_rate},
        y_true=label[kept].astype(np.int64),
        y_pred=selected[kept],
        sensitive_features=codes.codes[kept],
    )
    groups = []
    for code, row in zip(frame.by_group.index, frame.by_group.to_dict("records"), strict=True):
        own = kept & (codes.codes == code)
        known = bool(label[own].any())
        groups.append(
            Group(
                codes.values[int(code)],
                int(row["rows"]),
                _short(row["selection"]),
                _short(row["opportunity"]) if known else None,
            )
        )
    groups.sort(key=lambda item: (-item.rows, item.value))
    if len(groups) < 2:
        return Gaps(name, tuple(groups), left_out)
    hits = {codes.values[code]: int(label[kept & (codes.codes == code)].sum()) for code in np.unique(codes.codes[kept])}
    chosen = _drawn([(item.rows, item.selection) for item in groups])
    able = [(hits[item.value], item.opportunity) for item in groups if item.opportunity is not None]
    reached = _drawn([(rows, share) for rows, share in able])
    shares, chances = [item.selection for item in groups], [share for _, share in able]
    known_chances = len(chances) > 1
    return Gaps(
        name,
        tuple(groups),
        left_out,
        selection=_short(max(shares) - min(shares)),
        opportunity=_short(max(chances) - min(chances)) if known_chances else None,
        impact=_short(min(shares) / max(shares)) if max(shares) > 0 else 1.0,
        selection_interval=_interval(chosen.max(axis=0) - chosen.min(axis=0)),
        opportunity_interval=_interval(reached.max(axis=0) - reached.min(axis=0)) if known_chances else None,
        impact_interval=_interval(_ratio(chosen)),
    )


def _drawn(groups: list[tuple[int, float]]) -> Array:
    """The shares of groups of so many rows, of which such a share is chosen, each group drawn again, (groups, draws).

    To draw rows of a group with replacement and count the chosen is to draw from a binomial distribution.
    """
    import numpy as np

    random = np.random.default_rng(SEED)
    return np.array([random.binomial(rows, share, DRAWS) / rows for rows, share in groups]).reshape(-1, DRAWS)


def _ratio(drawn: Array) -> Array:
    import numpy as np

    most = drawn.max(axis=0)
    return np.where(most > 0, drawn.min(axis=0) / np.where(most > 0, most, 1), 1.0)


def _interval(found: Array) -> Interval:
    import numpy as np

    low, high = np.quantile(found, [0.025, 0.975])
    return _short(low), _short(high)


def _short(value: float) -> float:
    return rounded(float(value)) or 0.0
