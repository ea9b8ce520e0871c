"""Labels that may not be trained on, and vocabularies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feature_tables import FEATURES, FeatureTable, make

from pipelines.config.model import Task, Training
from pipelines.engines.survey import Survey, check_labels, survey
from pipelines.errors import DataError


def relabel(value: float, where: slice = slice(5, 6)) -> Any:
    def change(table: pa.Table) -> pa.Table:
        values = table.column("label").to_numpy().copy()
        values[where] = value
        mask = np.isnan(values) & (not np.isnan(value))
        return table.set_column(2, "label", pa.array(values, mask=mask))

    return change


def look(table: FeatureTable, task: Task = Task.BINARY, classes: int = 0, **training: Any) -> Survey:
    return survey(table.rows(), FEATURES, Training(**training), task, classes)


@pytest.mark.parametrize(
    ("task", "value", "said"),
    [
        (Task.BINARY, float("nan"), "as nan"),
        (Task.BINARY, 2.0, r"1 of \d+ labels are not legal for binary, as 2.0 \(legal: 0 to 1\)"),
        (Task.BINARY, 0.5, "as 0.5"),
        (Task.BINARY, -1.0, "as -1.0"),
        (Task.BINARY, float("inf"), "as inf"),
        (Task.MULTICLASS, 3.0, "legal: 0 to 2"),
        (Task.REGRESSION, float("-inf"), "finite"),
    ],
)
def test_23_25_an_illegal_label_is_refused_with_count_and_value(
    tmp_path: Path, task: Task, value: float, said: str
) -> None:
    table = make(tmp_path, task=task.value, days=10, change=relabel(value))
    with pytest.raises(DataError, match=said):
        look(table, task, 3)
    with pytest.raises(DataError, match=said):
        check_labels(table.rows(), task, 3)


@pytest.mark.parametrize("task", list(Task))
def test_26_one_class_or_value_only_is_refused(tmp_path: Path, task: Task) -> None:
    table = make(tmp_path, task=task.value, days=10, change=relabel(1.0, slice(None)))
    with pytest.raises(DataError, match="labels are 1: there is nothing to learn"):
        look(table, task, 3)


def test_labels_and_rows_are_counted(tmp_path: Path) -> None:
    table = make(tmp_path)
    seen = look(table)
    assert seen.rows == sum(seen.classes) == check_labels(table.rows(), Task.BINARY, 0)
    assert look(make(tmp_path, task="regression"), Task.REGRESSION).classes == ()


def test_a_vocabulary_holds_the_frequent_values_sorted_after_unknown(tmp_path: Path) -> None:
    table = make(tmp_path)
    assert look(table).columns.vocabularies == {"place": ("(unknown)", "east", "north", "rare", "west")}
    assert look(table, max_categories=2).columns.vocabularies["place"] == ("(unknown)", "east", "north")
    assert look(table, min_category_rows=200).columns.vocabularies["place"] == ("(unknown)", "east", "north", "west")


def test_balanced_classes_weigh_the_same_together(tmp_path: Path) -> None:
    table = make(tmp_path, task="multiclass")
    seen = look(table, Task.MULTICLASS, 3)
    weights = seen.weights(Training(class_weight="balanced"))
    assert seen.weights(Training()) == ()
    assert np.allclose(np.multiply(weights, seen.classes), seen.rows / 3)
