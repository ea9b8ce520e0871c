"""One pass over the test rows: every model's scores, the labels and the values to slice by; never a whole frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

MISSING = "(missing)"


@dataclass(frozen=True)
class Model:
    """Something that scores blocks (rows, features) of its columns; models of the same columns share a block."""

    columns: Columns
    predict: Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Codes:
    """One column as codes (n,) into its `values`."""

    values: tuple[str, ...]
    codes: NDArray[Any]


@dataclass(frozen=True)
class Scored:
    """n labelled rows in their total order: int64 ids, days since 1970, float64 labels, float32 scores by model."""

    row_id: NDArray[Any]
    day: NDArray[Any]
    label: NDArray[Any]
    scores: Mapping[str, NDArray[Any]]
    slices: Mapping[str, Codes]

    def __len__(self) -> int:
        return len(self.row_id)

    def where(self, mask: NDArray[Any]) -> Scored:
        """The rows that `mask` (n,) selects."""
        if mask.all():
            return self
        return Scored(
            self.row_id[mask],
            self.day[mask],
            self.label[mask],
            {name: score[mask] for name, score in self.scores.items()},
            {name: replace(item, codes=item.codes[mask]) for name, item in self.slices.items()},
        )


def score(rows: Rows, models: Mapping[str, Model], slices: Sequence[str] = ()) -> Scored:
    """Score `rows` by every model of `models`, batch by batch."""
    import numpy as np

    wanted = [
        "row_id",
        "event_date",
        "label",
        *slices,
        *(name for model in models.values() for name in model.columns.names),
    ]
    columns = list(dict.fromkeys(wanted))
    codings = {name: _Coding() for name in slices}
    ids, days, labels = [], [], []
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in models}
    groups = _same_columns(models)
    for batch in rows.batches(columns):
        ids.append(_numpy(batch.column("row_id"), np.int64))
        days.append(_days(batch.column("event_date")))
        labels.append(_numpy(batch.column("label"), np.float64))
        for group in groups:
            block = group[0][1].columns.block(batch)
            for name, model in group:
                parts[name].append(model.predict(block))
        for name, coding in codings.items():
            coding.add(batch.column(name))
    return Scored(
        _joined(ids, np.int64),
        _joined(days, np.int32),
        _joined(labels, np.float64),
        {name: _joined(found, np.float32) for name, found in parts.items()},
        {name: coding.codes() for name, coding in codings.items()},
    )


def _same_columns(models: Mapping[str, Model]) -> list[list[tuple[str, Model]]]:
    """Models by what they read: filling a block costs as much as a hundred trees."""
    groups: list[list[tuple[str, Model]]] = []
    for name, model in models.items():
        group = next((item for item in groups if item[0][1].columns == model.columns), None)
        if group is None:
            groups.append([(name, model)])
        else:
            group.append((name, model))
    return groups


class _Coding:
    """Gives every distinct value of a column, over all batches, one code."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.parts: list[NDArray[Any]] = []

    def add(self, column: pa.Array) -> None:
        import numpy as np
        import pyarrow as pa

        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = [MISSING if value is None else str(value) for value in encoded.dictionary.to_pylist()]
        table = np.array([self._code(text) for text in texts] + [self._code(MISSING)], dtype=np.int32)
        self.parts.append(table[encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)])

    def codes(self) -> Codes:
        import numpy as np

        return Codes(tuple(self.known), _joined(self.parts, np.int32))

    def _code(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known))


def _numpy(column: pa.Array, kind: Any) -> NDArray[Any]:
    found: NDArray[Any] = column.to_numpy(zero_copy_only=False).astype(kind)
    return found


def _days(column: pa.Array) -> NDArray[Any]:
    import pyarrow as pa

    found: NDArray[Any] = column.cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False)
    return found


def _joined(parts: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    import numpy as np

    return np.concatenate(parts) if parts else np.empty(0, kind)
