"""Compares the profiles of two stretches of time, column by column, on the bins both were counted by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipelines.drift import measures
from pipelines.drift.grid import Bins, Edges, Grid, grid_id
from pipelines.drift.noise import effect
from pipelines.drift.profile import Profile, variance

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column is from its reference.

    `js` (Jensen-Shannon distance, 0 to 1) and `psi` take missing values (null or not finite) as one more bin;
    `wasserstein`, of numbers, is in standard deviations of the reference; `null_shift` is the change of the share that
    is missing, `unseen_share` that of values (texts) the reference never had. `effect`, 0 to 1, is what is left of `js`
    when what sampling explains is taken out of it.
    """

    name: str
    kind: Literal["number", "text"]
    js: float
    psi: float
    wasserstein: float | None
    null_shift: float
    unseen_share: float
    effect: float
    rows_reference: int
    rows_current: int

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


def compare(reference: Profile, current: Profile, grid: Grid, days: Sequence[Profile] = ()) -> tuple[ColumnDrift, ...]:
    """The drift of each column that both profiles counted by `grid`, in its order.

    `days`, profiles of the reference's days by the same grid, tell how much days differ when nothing has changed; that
    then counts as sampling, too.
    """
    found = []
    for name, bins in grid.columns.items():
        before, now = _counted((reference, current), name, bins)
        if before is None or now is None:
            continue
        daily = [column for column in _counted(days, name, bins) if column is not None]
        found.append(_compared(name, bins, before, now, daily))
    return tuple(found)


def _compared(name: str, bins: Bins, reference: Profile, current: Profile, days: Sequence[Profile]) -> ColumnDrift:
    before, now = _with_missing(reference, current)
    daily = _with_missing(*days) if days else None
    moved = None
    if isinstance(bins, Edges):
        moved = measures.wasserstein(current["hist"], reference["hist"], bins.values, _deviation(reference))
    return ColumnDrift(
        name=name,
        kind=bins.kind,
        js=measures.jensen_shannon(before, now),
        psi=measures.psi(now, before),
        wasserstein=moved,
        null_shift=_missing_share(current) - _missing_share(reference),
        unseen_share=unseen(reference, current) if bins.kind == "text" else 0.0,
        effect=effect(before, now, daily, ordered=bins.kind == "number"),
        rows_reference=reference["count"],
        rows_current=current["count"],
    )


def _counted(profiles: Sequence[Profile], name: str, bins: Bins) -> list[Profile | None]:
    """The column in each of `profiles`; None where it is not there or was counted by other bins."""
    ours = grid_id(bins)
    columns = (profile["columns"].get(name) for profile in profiles)
    return [column if column is not None and column.get("grid") == ours else None for column in columns]


def _with_missing(*columns: Profile) -> NDArray[Any]:
    """Their counts (columns, bins), with what is missing as the last bin."""
    import numpy as np

    return np.array([[*column["hist"], _missing(column)] for column in columns], np.float64)


def _missing(column: Mapping[str, Any]) -> int:
    return int(column["count"] - column.get("finite", column["count"] - column["nulls"]))


def _missing_share(column: Mapping[str, Any]) -> float:
    return _missing(column) / column["count"] if column["count"] else 0.0


def _deviation(column: Profile) -> float | None:
    found = variance(column)
    return math.sqrt(found) if found else None


def unseen(reference: Profile, current: Profile) -> float:
    """The share of a text column's current rows whose value the reference never had; both counted by the same bins."""
    if not current["count"]:
        return 0.0
    if not reference["other"]:
        known = sum(count for value, count in current["top"].items() if value in reference["top"])
        new = sum(current["top"].values()) + current["other"] - known
    else:
        pairs = zip(reference["hist"], current["hist"], strict=True)
        new = sum(count for before, count in pairs if not before)
    return float(new / current["count"])
