"""Fixed bins for the columns of a table: made once, from the first rows seen, so that all later profiles merge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Self

from pipelines.drift.thinning import thinned
from pipelines.errors import IntegrityError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

FORMAT = 1
BINS = 64
TOP = 128
TEXT_LIMIT = 100
# Edges beyond what was seen, in spans of it, on either side: another scale is not one full bin.
_BEYOND = (0.125, 0.25, 0.5, 1, 3, 7, 15, 31, 63)
_ROWS = 200_000
_ID = 12


@dataclass(frozen=True)
class Edges:
    """`n` ascending finite edges make n + 1 bins: below the first, from each edge (included) to the next, and above."""

    values: tuple[float, ...]
    kind: Literal["number"] = field(default="number", init=False)

    @property
    def size(self) -> int:
        """The number of bins."""
        return len(self.values) + 1


@dataclass(frozen=True)
class Categories:
    """A bin for each of these texts, and a last one for all others."""

    values: tuple[str, ...]
    kind: Literal["text"] = field(default="text", init=False)

    @property
    def size(self) -> int:
        """The number of bins."""
        return len(self.values) + 1


Bins = Edges | Categories


@dataclass(frozen=True)
class Grid:
    """The bins of each column that has any; times and nested values have none."""

    columns: Mapping[str, Bins]

    @property
    def edges(self) -> dict[str, tuple[float, ...]]:
        """The edges of the number columns."""
        return {name: bins.values for name, bins in self.columns.items() if isinstance(bins, Edges)}

    def to_json(self) -> dict[str, Any]:
        """Its JSON form; edges come back bit for bit."""
        columns = {name: {"kind": bins.kind, "values": list(bins.values)} for name, bins in self.columns.items()}
        return {"format": FORMAT, "columns": columns}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The grid that `to_json` gave; raises IntegrityError for anything else."""
        try:
            return cls({name: _bins(entry) for name, entry in value["columns"].items()})
        except (TypeError, ValueError, KeyError, AttributeError):
            raise IntegrityError("is no grid", where="grid", remedy="mend the ledger") from None


def make_grid(table: pa.Table, *, bins: int = BINS, before: Grid | None = None) -> Grid:
    """The grid of `table`: the same for the same rows. Columns that `before` knows in the same kind keep their bins.

    A number column of at most `bins` different values has a bin for each; another has bins of equally many rows, as far
    as equal values allow, of which the first and the last are halved four times more. Text has a bin for each of its
    128 most frequent values. Of more than 200,000 rows, that many are looked at, evenly spaced.
    """
    known, table = dict(before.columns) if before else {}, thinned(table, _ROWS)
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = kind_of(column.type)
        if name in known and known[name].kind == kind:
            continue
        known.pop(name, None)
        if kind == "number":
            known[name] = Edges(tuple(_edges(_finite(column), bins)))
        elif kind == "text":
            known[name] = Categories(_frequent(column))
    return Grid(known)


@lru_cache(maxsize=512)
def grid_id(bins: Bins) -> str:
    """What stands for these bins in a profile: counts by the same id add up."""
    return sha256(json.dumps([bins.kind, *bins.values]).encode()).hexdigest()[:_ID]


def kind_of(kind: pa.DataType) -> Literal["number", "text", "time", "other"]:
    """How a column of this type is profiled; booleans are the numbers 0 and 1."""
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_dictionary(kind):
        return "text"
    if is_a.is_floating(kind) or is_a.is_decimal(kind) or is_a.is_integer(kind) or is_a.is_boolean(kind):
        return "number"
    if is_a.is_timestamp(kind) or is_a.is_date(kind):
        return "time"
    return "other"


def counted(column: pa.ChunkedArray) -> pa.StructArray:
    """`values` and `counts` of the texts in a column of texts or of dictionaries of them, without nulls."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        found = column.drop_null().unify_dictionaries().combine_chunks().value_counts()
        values = found.field("values")
        values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        return pa.StructArray.from_arrays([values, found.field("counts")], ["values", "counts"])
    return column.drop_null().combine_chunks().value_counts()


def _bins(entry: Mapping[str, Any]) -> Bins:
    kinds: dict[str, type[Bins]] = {"number": Edges, "text": Categories}
    return kinds[entry["kind"]](tuple(entry["values"]))


def _finite(column: pa.ChunkedArray) -> NDArray[Any]:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    finite: NDArray[Any] = values[np.isfinite(values)]
    return finite


def _edges(values: NDArray[Any], bins: int) -> list[float]:
    import numpy as np

    if not len(values):
        return []
    different = np.unique(values)
    low, high = float(different[0]), float(different[-1])
    with np.errstate(over="ignore"):
        if len(different) <= bins:
            gaps = np.diff(different)
            least = float(gaps.min()) if len(gaps) else max(abs(low), 1.0)
            inner = np.concatenate([[low - least / 2], different[:-1] + gaps / 2, [high + least / 2]])
        else:
            tail = 0.5 ** np.arange(1, 5) / bins
            shares = np.concatenate([tail[::-1], np.arange(1, bins) / bins, 1 - tail])
            inner = np.quantile(values, shares, method="inverted_cdf")
            inner = np.concatenate([[low], inner, [np.nextafter(high, np.inf)]])
        span = (high - low) or max(abs(high), 1.0)
        beyond = np.array(_BEYOND) * span
        edges = np.concatenate([low - beyond, inner, high + beyond])
    return [float(edge) for edge in np.unique(edges[np.isfinite(edges)] + 0.0)]


def _frequent(column: pa.ChunkedArray) -> tuple[str, ...]:
    found = counted(column)
    pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    # A value seen once among many is a key, or will not be seen again.
    least = 1 if len(ranked) <= TOP else 2
    return tuple(dict.fromkeys(str(value)[:TEXT_LIMIT] for value, count in ranked[:TOP] if count >= least))
