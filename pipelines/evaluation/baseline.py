"""The plain linear model that a challenger should beat: what one would get in an afternoon, fitted properly.

Logistic regression (multinomial for several classes), ridge for a regression: categories one-hot over the vocabularies
of the trial, numbers standardised with the median in place of nulls, on a sample of the trial's training rows.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.evaluation.sampling import sample
from pipelines.storage.model_file import NULL_NUMBER, Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Array = NDArray[Any]

# Measured on 50,000 flights of 540 columns: newton-cg 0.31 s, newton-cholesky 0.34 (and memory grows with the square of
# the columns), lbfgs 0.71 at the same tolerance; four classes 3.6, 2.4 and 3.4 s.
SOLVER = "newton-cg"
MAX_ITERATIONS = 500
CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model: weights (features, outputs) over numbers and one-hot categories, and their offsets."""

    task: Task
    encoder: Encoder
    weights: Array
    bias: Array
    rows: int
    converged: bool

    def predict(self, block: Array) -> Array:
        """Scores of `block` (rows, features) as a booster of the same task gives them, float32."""
        import numpy as np

        starts = range(0, max(1, len(block)), CHUNK_ROWS)
        return np.concatenate([self._scores(block[start : start + CHUNK_ROWS]) for start in starts])

    def _scores(self, block: Array) -> Array:
        import numpy as np

        numbers, codes = self.encoder.split(block)
        width = numbers.shape[1]
        raw = np.einsum("nf,fk->nk", numbers, self.weights[:width]) + self.bias
        for column in codes.T:
            raw += self.weights[column]
        if self.task is Task.REGRESSION:
            raw = raw[:, 0]
        elif self.task is Task.BINARY:
            raw = 1 / (1 + np.exp(-np.clip(raw[:, 0], -50, 50)))
        else:
            raw = np.exp(raw - raw.max(axis=1, keepdims=True))
            raw /= raw.sum(axis=1, keepdims=True)
        scores: Array = raw.astype(np.float32)
        return scores


@dataclass(frozen=True)
class Encoder:
    """How a batch becomes standardised numbers and places of one-hot columns behind them."""

    columns: Columns
    numbers: Array
    categories: Array
    offsets: Array
    median: Array
    mean: Array
    scale: Array
    width: int

    @classmethod
    def fit(cls, columns: Columns, block: Array) -> Encoder:
        """Medians, means and scales of `block` (rows, features), as `Columns.block` gives it."""
        import numpy as np

        kinds = np.array([item.kind == "category" for item in columns.features], dtype=bool)
        numbers, categories = np.flatnonzero(~kinds), np.flatnonzero(kinds)
        sizes = [len(columns.vocabularies[columns.features[place].name]) for place in categories]
        offsets = len(numbers) + np.concatenate([[0], np.cumsum(sizes)])
        values = block[:, numbers].astype(np.float64)
        median = np.array([_median(column[column != np.float32(NULL_NUMBER)]) for column in values.T])
        filled = np.where(values == np.float32(NULL_NUMBER), median, values)
        mean, scale = filled.mean(axis=0), filled.std(axis=0)
        scale[scale <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 1.0
        return cls(columns, numbers, categories, offsets[:-1], median, mean, scale, int(offsets[-1]))

    def split(self, block: Array) -> tuple[Array, Array]:
        """Numbers (rows, numbers) and, for every category, the place (rows, categories) of the column that is one."""
        import numpy as np

        values = block[:, self.numbers].astype(np.float64)
        values = (np.where(values == np.float32(NULL_NUMBER), self.median, values) - self.mean) / self.scale
        return values, block[:, self.categories].astype(np.int32) + self.offsets.astype(np.int32)

    def sparse(self, block: Array) -> csr_matrix:
        """`block` as one sparse matrix (rows, width); every row holds as many entries as there are features."""
        import numpy as np
        from scipy.sparse import csr_matrix

        values, places = self.split(block)
        rows, count = len(block), values.shape[1] + places.shape[1]
        indices = np.hstack([np.broadcast_to(np.arange(values.shape[1], dtype=np.int32), values.shape), places])
        data = np.hstack([values, np.ones(places.shape)])
        ends = np.arange(rows + 1, dtype=np.int32) * count
        return csr_matrix((data.ravel(), indices.ravel(), ends), shape=(rows, self.width))


def fit(rows: Rows, signature: Signature, count: int) -> Baseline:
    """The baseline of `signature`'s task on at most `count` of `rows`; labels of one class give their rate alone."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    columns = Columns.of(signature)
    table = sample(rows, [*columns.names, "label"], count)
    (batch,) = table.to_batches()
    block = columns.block(batch)
    label = batch.column("label").to_numpy(zero_copy_only=False).astype(np.float64)
    encoder = Encoder.fit(columns, block)
    # One thread: sums of several come in changing order, and the result must be the same to the bit.
    with threadpool_limits(limits=1):
        if signature.task is Task.REGRESSION:
            weights, bias, converged = _ridge(encoder.sparse(block), label)
        else:
            weights, bias, converged = _logistic(encoder.sparse(block), label, max(2, len(signature.classes)))
    return Baseline(signature.task, encoder, weights, bias, len(label), converged)


def _logistic(data: csr_matrix, label: Array, classes: int) -> tuple[Array, Array, bool]:
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    outputs = 1 if classes == 2 else classes
    # A class that the sample lacks gets next to no probability.
    weights, bias = np.zeros((data.shape[1], outputs)), np.full(outputs, -30.0)
    seen = np.unique(label).astype(int)
    if len(seen) == 1:
        bias[0 if outputs == 1 else seen[0]] = 0.0 if outputs > 1 else 16.0 * (2 * seen[0] - 1)
        return weights, bias, True
    model = LogisticRegression(C=1.0, solver=SOLVER, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(data, label)
    if outputs == 1:
        weights[:], bias[:] = model.coef_.T, model.intercept_
    elif len(seen) == 2:
        # Two classes of several: scikit-learn gives one output, the second class against the first.
        weights[:, seen[1]], bias[seen] = model.coef_[0], [0.0, model.intercept_[0]]
    else:
        weights[:, seen], bias[seen] = model.coef_.T, model.intercept_
    doubts = (ConvergenceWarning, RuntimeWarning)  # the second when a line search gives up
    return weights, bias, not any(issubclass(item.category, doubts) for item in said)


def _ridge(data: csr_matrix, label: Array) -> tuple[Array, Array, bool]:
    import numpy as np
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0, solver="sparse_cg", tol=1e-6).fit(data, label)
    return model.coef_[:, None], np.atleast_1d(model.intercept_), True


def _median(values: Array) -> float:
    import numpy as np

    return float(np.median(values)) if len(values) else 0.0
