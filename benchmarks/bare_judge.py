"""What the yardstick measures on the test days: metrics, slices, a linear baseline, SHAP on a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from benchmarks.bare_data import NULL, Data


def metrics(label: NDArray[np.float32], score: NDArray[np.float32]) -> dict[str, float]:
    """ROC AUC, PR AUC, log loss, Brier score and expected calibration error over 15 bins of equal count."""
    order = np.argsort(-score, kind="stable")
    score, label = score[order].astype(np.float64), label[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    hits = np.cumsum(label)[ends]
    misses = ends + 1 - hits
    up, right = np.append(0, hits), np.append(0, misses)
    clipped = np.clip(score, 1e-7, 1 - 1e-7)
    parts = [part for part in np.array_split(np.arange(len(score)), 15) if len(part)]
    one_class = not hits[-1] or not misses[-1]
    return {
        "auc": float("nan")
        if one_class
        else float(np.sum(np.diff(right) * (up[1:] + up[:-1])) / 2 / (hits[-1] * misses[-1])),
        "pr_auc": float("nan") if one_class else float(np.sum(np.diff(up) / hits[-1] * hits / (hits + misses))),
        "log_loss": float(-np.mean(np.log(np.where(label > 0, clipped, 1 - clipped)))),
        "brier": float(np.mean((score - label) ** 2)),
        "calibration_error": sum(len(p) * abs(float(score[p].mean() - label[p].mean())) for p in parts) / len(score),
    }


def baseline(data: Data, job: dict[str, Any], test: slice) -> NDArray[np.float32]:
    """Scores (n,) of a logistic regression on a sample of the training rows: one-hot categories, scaled numbers."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(job["seed"])
    train = data.between(job["span"]["train_start"], job["span"]["train_end"])
    count = min(job["evaluation"]["baseline_rows"], train.stop - train.start)
    sample = train.start + np.sort(random.choice(train.stop - train.start, count, replace=False))
    kinds = np.array([kind == "c" for kind in data.types])
    numbers = data.x[sample][:, ~kinds].astype(np.float64)
    numbers[numbers == NULL] = np.nan
    median = np.nanmedian(numbers, axis=0)
    scaler = StandardScaler().fit(np.where(np.isnan(numbers), median, numbers))
    encoder = OneHotEncoder(handle_unknown="ignore").fit(data.x[sample][:, kinds])

    def sparse(rows: NDArray[np.float32]) -> Any:
        from scipy.sparse import csr_matrix, hstack

        values = rows[:, ~kinds].astype(np.float64)
        filled = scaler.transform(np.where(values == NULL, median, values))
        return hstack([csr_matrix(filled), encoder.transform(rows[:, kinds])], format="csr")

    model = LogisticRegression(solver="newton-cg", max_iter=500).fit(sparse(data.x[sample]), data.label[sample])
    parts = [slice(at, min(at + 50_000, test.stop)) for at in range(test.start, test.stop, 50_000)]
    scores = np.concatenate([model.predict_proba(sparse(data.x[part]))[:, 1] for part in parts])
    return scores.astype(np.float32)


def by_slice(data: Data, job: dict[str, Any], test: slice, score: NDArray[np.float32]) -> dict[str, Any]:
    """The trial's metrics per value of every slice column that has enough rows."""
    found: dict[str, Any] = {}
    for name in job["evaluation"]["slices"]:
        column = data.x[test, data.names.index(name)]
        values, counts = np.unique(column, return_counts=True)
        large = values[counts >= job["evaluation"]["min_slice_rows"]][:50]
        shown = data.values.get(name)
        found[name] = {
            shown[int(value)] if shown else str(value): metrics(
                data.label[test][column == value], score[column == value]
            )
            for value in large
        }
    return found


def importance(data: Data, job: dict[str, Any], test: slice, trial: xgboost.Booster) -> list[tuple[str, float]]:
    """Features by mean absolute SHAP value on a sample of the test rows, largest first."""
    random = np.random.default_rng(job["seed"])
    count = min(job["evaluation"]["shap_rows"], test.stop - test.start)
    sample = test.start + np.sort(random.choice(test.stop - test.start, count, replace=False))
    rows = xgboost.DMatrix(data.x[sample], feature_names=data.names, feature_types=data.types, enable_categorical=True)
    mean = np.abs(trial.predict(rows, pred_contribs=True)[:, :-1]).mean(axis=0)
    return sorted(zip(data.names, mean.tolist(), strict=True), key=lambda pair: -pair[1])
