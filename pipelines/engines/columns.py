"""From Arrow columns to what XGBoost reads: blocks of float32, with categories as codes over a fixed vocabulary.

A null number becomes one value below all others. XGBoost's histograms keep a matrix without missing values at one
byte an entry (max_bin <= 256) and one with any at four bytes: ten million rows of 40 features do not fit 2 GB then,
and a round took several times as long (measured). A category is never missing: null and unseen values are code 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.errors import DataError, shorten
from pipelines.storage.model_file import NULL_NUMBER, Feature, Signature

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Block = NDArray[np.float32]


@dataclass(frozen=True)
class Columns:
    """The features in the model's order and the vocabulary (with `(unknown)` first) of each category."""

    features: tuple[Feature, ...]
    vocabularies: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, signature: Signature) -> Columns:
        """The columns that the model of `signature` reads."""
        return cls(signature.features, signature.vocabularies)

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return [item.name for item in self.features]

    @property
    def types(self) -> list[str]:
        """XGBoost's types, in order: `c` for a category's code, `float` for a number."""
        return [item.xgboost_type for item in self.features]

    def block(self, batch: pa.RecordBatch) -> Block:
        """The float32 array (rows, features) of `batch`, which must hold these columns.

        Raises:
            DataError: a number is infinite, or a column does not hold what its kind says.
        """
        import numpy as np

        block = np.empty((batch.num_rows, len(self.features)), np.float32)
        for place, item in enumerate(self.features):
            column = batch.column(item.name)
            if item.kind == "category":
                block[:, place] = _codes(column, self.vocabularies[item.name])
            else:
                block[:, place] = _numbers(column, item.name)
        return block


def _codes(column: pa.Array, vocabulary: Sequence[str]) -> NDArray[np.int32]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    known = pc.index_in(encoded.dictionary.cast(pa.string()), value_set=pa.array(vocabulary, pa.string()))
    # The last place, added here, is where the index of a null points to: the code of `(unknown)`.
    table = np.append(pc.fill_null(known, 0).to_numpy(zero_copy_only=False), 0).astype(np.int32)
    places = pc.fill_null(encoded.indices.cast(pa.int64()), len(table) - 1).to_numpy(zero_copy_only=False)
    codes: NDArray[np.int32] = table[places]
    return codes


def _numbers(column: pa.Array, name: str) -> Block:
    import numpy as np
    import pyarrow as pa

    try:
        values: Block = column.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        raise DataError(
            f"feature {shorten(name)} is {shorten(str(column.type))}, not a number", remedy="cast it in features.py"
        ) from None
    infinite = np.isinf(values)
    if infinite.any():
        first = column[int(infinite.argmax())].as_py()
        raise DataError(
            f"feature {shorten(name)} is infinite in {int(infinite.sum())} of {len(values)} rows, as in {first}",
            where="feature table",
            remedy="make it null or bound it in features.py",
        )
    return np.where(np.isnan(values), np.float32(NULL_NUMBER), values)
