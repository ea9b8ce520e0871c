"""XGBoost comes without scikit-learn, which comes when it is asked for; models are the same bytes with and without."""

from __future__ import annotations

import subprocess
import sys

import pytest

FITTED = """
import sys, hashlib
{first}
from pipelines.storage import trees
xgboost = trees.xgboost()
print("sklearn" in sys.modules, "pandas" in sys.modules)
import numpy as np
random = np.random.default_rng(7)
values = random.normal(size=(400, 3))
data = xgboost.QuantileDMatrix(values, values[:, 0] > 0.1)
booster = xgboost.train({{"objective": "binary:logistic", "nthread": 1, "seed": 3}}, data, 5)
print(hashlib.sha256(booster.save_raw("json")).hexdigest())
from sklearn.linear_model import LogisticRegression
print(LogisticRegression().fit(values, values[:, 0] > 0.1).score(values, values[:, 0] > 0.1) > 0.9)
print(trees.xgboost() is xgboost is sys.modules["xgboost"])
"""


def said(first: str) -> list[str]:
    code = FITTED.format(first=first)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")


@pytest.fixture(scope="module")
def alone() -> list[str]:
    return said("")


def test_it_comes_alone_and_scikit_learn_when_it_is_asked_for(alone: list[str]) -> None:
    assert alone[0].startswith("False")
    assert alone[2:] == ["True", "True", ""]


@pytest.mark.parametrize("first", ["import sklearn.tree", "import xgboost"])
def test_whoever_imports_either_before_gets_the_same_model(alone: list[str], first: str) -> None:
    beside = said(first)
    assert beside[0].startswith("True")
    assert beside[1:] == alone[1:]
