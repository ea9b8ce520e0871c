"""A model of Evergreen's, as MLflow loads it: raw feature values in, scores out, the same to the last bit.

This file is logged beside `model.json`, the trees in XGBoost's JSON, and `scoring.json`, which says how to read a row:
inputs in order, vocabularies, what a missing number becomes, thresholds, and an example with its scores. It imports
nothing of Evergreen's. A value that no feature of the model can have is refused; it never makes some other score.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import xgboost
from mlflow.exceptions import MlflowException


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """The model; `scoring` is what `scoring.json` holds."""

    scoring: dict[str, Any]
    booster: xgboost.Booster

    def load_context(self, context: Any) -> None:
        """Read both files; refuses trees other than those that `scoring.json` was written for."""
        raw = Path(context.artifacts["model"]).read_bytes()
        self.scoring = json.loads(Path(context.artifacts["scoring"]).read_bytes())
        found = hashlib.sha256(raw).hexdigest()
        if found != self.scoring["model_sha256"]:
            raise MlflowException(f"model.json has sha256 {found}, scoring.json wants {self.scoring['model_sha256']}")
        self.booster = xgboost.Booster(model_file=bytearray(raw))
        self.booster.set_param({"device": "cpu"})
        self.codes = {
            name: {value: code for code, value in enumerate(values)}
            for name, values in self.scoring["vocabularies"].items()
        }

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """`score`, or `score_<class>` for each class, and `positive_<rule>` for each threshold; the index stays.

        Raises:
            MlflowException: an input is not there, or holds what it cannot (INVALID_PARAMETER_VALUE: 400 over HTTP).
        """
        block = np.empty((len(model_input), len(self.scoring["inputs"])), np.float32)
        for place, item in enumerate(self.scoring["inputs"]):
            block[:, place] = self._column(model_input, item)
        classes = self.scoring["classes"]
        scores = np.empty((0, len(classes)) if classes else 0, np.float32)
        if len(block):
            scores = np.asarray(self.booster.inplace_predict(block), np.float32)
        if classes:
            return pd.DataFrame(scores, model_input.index, [f"score_{name}" for name in classes])
        found: dict[str, Any] = {"score": scores}
        for name, threshold in self.scoring["thresholds"].items():
            found[f"positive_{name}"] = scores >= np.float32(threshold)
        return pd.DataFrame(found, model_input.index)

    def _column(self, frame: pd.DataFrame, item: dict[str, Any]) -> Any:
        """What the trees read of one input: a category's code, or a number."""
        name, kind = item["name"], item["type"]
        if name not in frame.columns:
            if not item["missing"]:
                raise _refused(name, "is not there, and no row that the model learnt from lacked it")
            return 0 if kind == "text" else self.scoring["null_number"]
        column = frame[name]
        return self._codes(name, column) if kind == "text" else self._numbers(name, kind, column)

    def _codes(self, name: str, column: pd.Series) -> Any:
        """Places in the vocabulary; 0 for what is missing and for what it does not hold."""
        strange = next((value for value in column if not isinstance(value, str) and not pd.isna(value)), None)
        if strange is not None:
            raise _refused(name, f"holds {strange!r}; it is text")
        codes = self.codes[name]
        return np.fromiter((codes.get(value, 0) for value in column), np.int64, len(column))

    def _numbers(self, name: str, kind: str, column: pd.Series) -> Any:
        """Float32 values; a missing one is a number below all others."""
        if column.dtype.kind not in "fiub":
            raise _refused(name, f"is of type {column.dtype}; it is a number")
        values = column.to_numpy()
        if not isinstance(column.dtype, np.dtype):  # pandas' own types, which know a value that is missing
            values = column.to_numpy(np.float64, na_value=np.nan)
        _check(name, kind, values)
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float32)
        infinite = np.isinf(narrow)
        if infinite.any():
            raise _refused(name, f"holds {values[infinite.argmax()]!s}, which is infinite in 32 bits")
        return np.where(np.isnan(narrow), np.float32(self.scoring["null_number"]), narrow)


def _check(name: str, kind: str, values: Any) -> None:
    """Refuses fractions of what is counted, and of what is true or false all but 0 and 1."""
    if kind == "float":
        return
    legal = np.isnan(values) | (np.isin(values, (0, 1)) if kind == "boolean" else values == np.floor(values))
    if not legal.all():
        raise _refused(
            name, f"holds {values[legal.argmin()]!s}; it is {'true or false' if kind == 'boolean' else kind}"
        )


def _refused(name: str, why: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(f"input {name!r} {why}")


mlflow.models.set_model(Scorer())
