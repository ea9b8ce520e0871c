"""Whether a classifier tells current rows from reference rows: drift that no single column shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.drift.grid import counted, kind_of
from pipelines.drift.thinning import thinned

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS = 5_000
FOLDS = 5
ROUNDS = 50
# Rows beside each other share their day: they are drawn together, and never learnt from to judge each other.
BLOCKS = 10
_CATEGORIES = 200
_DRAWS = 500
_LEVEL = 0.9
_STEPS = 5.0  # rounds times learning rate


@dataclass(frozen=True)
class Separability:
    """The classifier's AUC on rows it has not seen, with its 90% interval: 0.5 not at all, 1 every row.

    `rows` is how many of each side it was shown at most. Where there are too few to tell, 0.5 from 0 to 1.
    """

    auc: float
    low: float
    high: float
    rows: int


def separability(reference: pa.Table, current: pa.Table, seed: int, rounds: int = ROUNDS) -> Separability:
    """How well small boosted trees tell the rows of `current` from those of `reference`, by the columns of both.

    Both should be in order of time: they are cut into stretches, and the classifier judges stretches it has not learnt
    from, so that a week is not told apart by having weather of its own. Texts and numbers count, the latter with nulls.
    Fewer `rounds` learn in larger steps: coarser, and cheaper by as much.
    """
    sides = [thinned(side, ROWS) for side in (reference, current)]
    names = [name for name in reference.column_names if name in current.column_names]
    names = [name for name in names if _usable(reference, current, name)]
    rows = max(side.num_rows for side in sides)
    if not names or min(side.num_rows for side in sides) < 2 * BLOCKS:
        return Separability(0.5, 0.0, 1.0, rows)
    values, texts = _matrix(sides, names)
    scores = _judged(values, texts, [_stretches(side.num_rows, FOLDS) for side in sides], seed, rounds)
    split = sides[0].num_rows
    return _summed_up(scores[:split], scores[split:], rows, seed)


def _usable(reference: pa.Table, current: pa.Table, name: str) -> bool:
    kinds = {kind_of(side.schema.field(name).type) for side in (reference, current)}
    return len(kinds) == 1 and kinds <= {"number", "text"}


def _matrix(sides: list[pa.Table], names: list[str]) -> tuple[NDArray[Any], list[bool]]:
    """The rows of both sides, (rows, columns) in doubles, and which columns are codes of texts."""
    import numpy as np

    texts = [kind_of(sides[0].schema.field(name).type) == "text" for name in names]
    columns = [
        _codes(sides, name) if text else np.concatenate([_numbers(side, name) for side in sides])
        for name, text in zip(names, texts, strict=True)
    ]
    return np.column_stack(columns), texts


def _numbers(side: pa.Table, name: str) -> NDArray[Any]:
    import numpy as np
    import pyarrow as pa

    column = side[name].cast(pa.int8()) if pa.types.is_boolean(side[name].type) else side[name]
    values: NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return values


def _codes(sides: list[pa.Table], name: str) -> NDArray[Any]:
    """Texts by their rank among both sides' most frequent, rarer ones all alike, nulls as NaN."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pa.concat_tables([pa.table({"x": side[name].cast(pa.string())}) for side in sides])["x"]
    found = counted(plain)
    pairs = zip(found.field("counts").to_pylist(), found.field("values").to_pylist(), strict=True)
    ranked = [value for _, value in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))]
    place = pc.index_in(plain, value_set=pa.array(ranked, pa.string()), skip_nulls=True)
    codes = np.minimum(place.cast(pa.float64()).to_numpy(), float(_CATEGORIES))
    known: NDArray[Any] = np.where(plain.is_null().to_numpy(), np.nan, codes)
    return known


def _stretches(rows: int, count: int) -> NDArray[Any]:
    """For each row, which of `count` stretches it is in, (rows,)."""
    import numpy as np

    return np.arange(rows) * count // rows


def _judged(values: NDArray[Any], texts: list[bool], folds: list[NDArray[Any]], seed: int, rounds: int) -> NDArray[Any]:
    """For each row, how likely it is current, as told by who has not seen its stretch, (rows,)."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    fold, label = np.concatenate(folds), np.repeat([0, 1], [len(side) for side in folds])
    scores = np.empty(len(label))
    for number in range(FOLDS):
        known, held = fold != number, fold == number
        trees = HistGradientBoostingClassifier(
            max_iter=rounds,
            learning_rate=_STEPS / rounds,
            max_leaf_nodes=15,
            min_samples_leaf=50,
            early_stopping=False,
            categorical_features=texts,
            random_state=seed,
        )
        with threadpool_limits(1, "openmp"):  # of so few rows, threads are slower than one, and on a busy machine far
            trees.fit(values[known], label[known])
            scores[held] = trees.predict_proba(values[held])[:, 1]
    return scores


def _summed_up(reference: NDArray[Any], current: NDArray[Any], rows: int, seed: int) -> Separability:
    """AUC, and its interval by drawing stretches of both sides again and again."""
    import numpy as np

    blocks = [_stretches(len(side), BLOCKS) for side in (reference, current)]
    wins = np.empty((BLOCKS, BLOCKS))  # [i, j]: pairs of blocks i and j where the current row has the higher score
    for i in range(BLOCKS):
        before = np.sort(reference[blocks[0] == i])
        lower, upper = (np.searchsorted(before, current, side=side) for side in ("left", "right"))
        wins[i] = np.bincount(blocks[1], weights=(lower + upper) / 2, minlength=BLOCKS)
    pairs = np.outer(*(np.bincount(side, minlength=BLOCKS) for side in blocks))
    random = np.random.default_rng(seed)
    drawn = [random.multinomial(BLOCKS, np.full(BLOCKS, 1 / BLOCKS), _DRAWS) for _ in blocks]
    found = np.einsum("di,dj,ij->d", *drawn, wins) / np.einsum("di,dj,ij->d", *drawn, pairs)
    low, high = np.quantile(found, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Separability(float(wins.sum() / pairs.sum()), float(low), float(high), rows)
