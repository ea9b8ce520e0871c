"""Gaps between groups of people, or of anything else that ought to be treated alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

    counts = np.bincount(codes.codes, minlength=len(codes.values))
    kept = counts[codes.codes] >= min_rows
    left_out = int((~kept).sum())
    if not kept.any():
        return Gaps(name, (), left_out)
    groups, hits = _groups(label[kept].astype(np.int64), selected[kept], codes.codes[kept], codes.values)
    return _between(Gaps(name, groups, left_out), hits) if len(groups) > 1 else Gaps(name, groups, left_out)


def _groups(label: Array, selected: Array, place: Array, values: Sequence[str]) -> tuple[tuple[Group, ...], list[int]]:
    """The groups, largest first, and how many labels of 1 each has."""
    from fairlearn.metrics import MetricFrame, count, selection_rate, true_positive_rate

    frame = MetricFrame(
        metrics={"rows": count, "selection": selection_rate, "opportunity": true_positive_rate},
        y_true=label,
        y_pred=selected,
        sensitive_features=place,
    )
    found = []
    for code, row in zip(frame.by_group.index, frame.by_group.to_dict("records"), strict=True):
        hits = int(label[place == code].sum())
        chance = _short(row["opportunity"]) if hits else None  # Fairlearn says 0 of none
        found.append((Group(values[int(code)], int(row["rows"]), _short(row["selection"]), chance), hits))
    found.sort(key=lambda pair: (-pair[0].rows, pair[0].value))
    return tuple(group for group, _ in found), [hits for _, hits in found]


def _between(bare: Gaps, hits: Sequence[int]) -> Gaps:
    """`bare` of two groups or more, with its gaps; `hits` are the groups' labels of 1."""
    shares = [item.selection for item in bare.groups]
    chosen = _drawn([(item.rows, item.selection) for item in bare.groups])
    gaps = replace(
        bare,
        selection=_short(max(shares) - min(shares)),
        impact=_short(min(shares) / max(shares)) if max(shares) > 0 else 1.0,
        selection_interval=_interval(chosen.max(axis=0) - chosen.min(axis=0)),
        impact_interval=_interval(_ratio(chosen)),
    )
    able = [
        (rows, item.opportunity) for rows, item in zip(hits, bare.groups, strict=True) if item.opportunity is not None
    ]
    if len(able) < 2:
        return gaps
    chances, reached = [share for _, share in able], _drawn(able)
    return replace(
        gaps,
        opportunity=_short(max(chances) - min(chances)),
        opportunity_interval=_interval(reached.max(axis=0) - reached.min(axis=0)),
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
