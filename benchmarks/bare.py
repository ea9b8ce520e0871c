"""The yardstick: the same retraining as one bare script, as a competent engineer would write it, and no slower.

No ledger, no checks, no report, no files between the steps. It shares the model's own `features.py` (and the feature
helpers that this imports) with Evergreen, and nothing else: tables by DuckDB, features straight into float32 blocks,
trial with early stopping, release with its rounds, metrics, slices, a logistic baseline, SHAP on a sample, files
written, and with `--mlflow` the run, the model and its version in MLflow. The last line is JSON: seconds and metrics.

    python -m benchmarks.bare JOB.json OUT_FOLDER [--mlflow URI --artifacts FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from benchmarks.bare_data import Data, before, read
from benchmarks.bare_judge import baseline, by_slice, importance, metrics

MATRIX_ROWS = 1_000_000
SECONDS: dict[str, float] = {}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Add the block's wall time to the step `name`."""
    began = time.monotonic()
    yield
    SECONDS[name] = round(SECONDS.get(name, 0.0) + time.monotonic() - began, 3)


def matrix(
    data: Data, rows: slice, job: dict[str, Any], ref: xgboost.QuantileDMatrix | None = None
) -> xgboost.QuantileDMatrix:
    """The binned matrix of `rows`, read where they lie."""

    class Source(xgboost.DataIter):  # type: ignore[misc]
        at = rows.start

        def reset(self) -> None:
            self.at = rows.start

        def next(self, input_data: Any) -> bool:
            if self.at >= rows.stop:
                return False
            part = slice(self.at, min(self.at + MATRIX_ROWS, rows.stop))
            self.at = part.stop
            input_data(data=data.x[part], label=data.label[part], feature_names=data.names, feature_types=data.types)
            return True

    return xgboost.QuantileDMatrix(
        Source(), max_bin=job["max_bin"], nthread=job["threads"], ref=ref, enable_categorical=True
    )


def train(data: Data, job: dict[str, Any]) -> tuple[xgboost.Booster, xgboost.Booster, dict[str, Any]]:
    """Trial, release and the trial's learning curve."""
    span = job["span"]
    params = {
        **job["booster"],
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "seed": job["seed"],
        "nthread": job["threads"],
    }
    if any(job["monotone"].values()):
        params["monotone_constraints"] = job["monotone"]
    with step("matrix"):
        early = matrix(data, data.between(span["train_start"], before(span["validation_start"])), job)
        later = matrix(data, data.between(span["validation_start"], span["train_end"]), job, ref=early)
    curve: dict[str, Any] = {}
    with step("trial"):
        trial = xgboost.train(
            params,
            early,
            job["rounds"],
            evals=[(early, "training"), (later, "validation")],
            evals_result=curve,
            verbose_eval=False,
            early_stopping_rounds=job["patience"],
        )
        trial = trial[: trial.best_iteration + 1]
    del early, later
    with step("matrix"):
        whole = matrix(data, data.between(span["train_start"], span["test_end"]), job)
    with step("release"):
        release = xgboost.train(params, whole, trial.num_boosted_rounds(), verbose_eval=False)
    return trial, release, curve


def register(uri: str, artifacts: Path, job: dict[str, Any], result: dict[str, Any], out: Path) -> int:
    """One MLflow run with parameters, metrics and files, the release logged and registered; its version."""
    import mlflow
    import mlflow.xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    mlflow.set_tracking_uri(uri)
    name = str(job["model"])
    found = mlflow.get_experiment_by_name(name)
    mlflow.set_experiment(
        experiment_id=found.experiment_id
        if found
        else mlflow.create_experiment(name, artifact_location=(artifacts / name).as_uri())
    )
    inputs = Schema([ColSpec("double", column, required=False) for column in result["features"]])
    with mlflow.start_run():
        mlflow.log_params({**job["booster"], **job["span"], "rounds": result["rounds"], "label": job["label"]})
        both = {f"{model}.{key}": value for model in ("challenger", "baseline") for key, value in result[model].items()}
        mlflow.log_metrics(both)
        for file in sorted(out.glob("*.csv")) + sorted(out.glob("metrics.json")):
            mlflow.log_artifact(str(file))
        info = mlflow.xgboost.log_model(
            xgboost.Booster(model_file=out / "release.json"),
            name="model",
            signature=ModelSignature(inputs, Schema([ColSpec("double")])),
            model_format="json",
            pip_requirements=[f"xgboost=={xgboost.__version__}"],
        )
    version = mlflow.register_model(f"models:/{info.model_id}", name)
    mlflow.MlflowClient().set_registered_model_alias(name, "challenger", version.version)
    return int(version.version)


def judge(data: Data, job: dict[str, Any], trial: xgboost.Booster, release: xgboost.Booster) -> dict[str, Any]:
    """Everything that is measured on the test days."""
    test = data.between(job["span"]["test_start"], job["span"]["test_end"])
    with step("predict"):
        ours, final = (booster.inplace_predict(data.x[test]) for booster in (trial, release))
    with step("baseline"):
        plain = baseline(data, job, test)
    with step("metrics"):
        label = data.label[test]
        found = {
            "test_rows": len(label),
            "challenger": metrics(label, ours),
            "baseline": metrics(label, plain),
            "agreement": float(np.abs(ours - final).mean()),
            "slices": by_slice(data, job, test, ours),
        }
    with step("shap"):
        return found | {"importance": importance(data, job, test, trial)}


def write(out: Path, result: dict[str, Any], trial: xgboost.Booster, release: xgboost.Booster) -> None:
    """Models, metrics and curves as files."""
    out.mkdir(parents=True, exist_ok=True)
    for name, booster in (("trial", trial), ("release", release)):
        booster.save_model(out / f"{name}.json")
    (out / "metrics.json").write_text(json.dumps(result, indent=1))
    for name in ("curve", "importance"):
        with (out / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(result[name])


def main() -> None:
    """Retrain as the job says and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mlflow", default="")
    parser.add_argument("--artifacts", type=Path)
    asked = parser.parse_args()
    job = json.loads(asked.job.read_text())
    with step("features"):
        data = read(job)
    trial, release, curve = train(data, job)
    result = judge(data, job, trial, release) | {"features": data.names, "rounds": trial.num_boosted_rounds()}
    losses = (curve[part]["logloss"] for part in ("training", "validation"))
    result["curve"] = [(number, *pair) for number, pair in enumerate(zip(*losses, strict=True), 1)]
    with step("write"):
        write(asked.out, result, trial, release)
    if asked.mlflow:
        with step("mlflow"):
            result["version"] = register(asked.mlflow, asked.artifacts, job, result, asked.out)
    told = {key: result[key] for key in ("rounds", "test_rows", "challenger", "baseline")}
    print(json.dumps({**told, "rows": len(data.label), "seconds": SECONDS}))


if __name__ == "__main__":
    main()
