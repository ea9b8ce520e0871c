import csv
import io
from datetime import date

import numpy as np
import pytest

from pipelines.config.model import Task
from pipelines.evaluation import html, svg
from pipelines.evaluation.champion import Champion
from pipelines.evaluation.plots import csv_files, curves
from pipelines.evaluation.svg import Axis, Series

CURVE = {"training": [0.6, 0.5, 0.4], "validation": [0.6, 0.55]}


def _rows(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_plot_files_hold_what_dvc_yaml_names():
    draw = np.random.default_rng(1)
    score = draw.random(3000).astype(np.float32)
    found = curves(Task.BINARY, (draw.random(3000) < score).astype(float), score)
    files = csv_files(found, [{"feature": "a,b", "importance": 0.5}], CURVE)
    assert set(_rows(files["roc.csv"])[0]) == {"false_positive_rate", "true_positive_rate"}
    assert set(_rows(files["pr.csv"])[0]) == {"recall", "precision"}
    assert set(_rows(files["calibration.csv"])[0]) == {"predicted", "observed", "rows"}
    assert _rows(files["importance.csv"]) == [{"feature": "a,b", "importance": "0.5"}]
    assert [row["validation"] for row in _rows(files["curve.csv"])] == ["0.6", "0.55", ""]
    assert max(len(_rows(files[name])) for name in ("roc.csv", "pr.csv")) <= 200


@pytest.mark.parametrize(
    ("task", "label", "score", "lines"),
    [
        (Task.BINARY, [1.0, 1.0], [0.2, 0.3], (0, 0, 2)),
        (Task.BINARY, [0.0, 1.0], [np.nan, 0.3], (0, 0, 0)),
        (Task.REGRESSION, [3.0, 4.0], [3.0, 5.0], (0, 0, 2)),
        (Task.MULTICLASS, [0.0, 1.0], [[0.8, 0.2], [0.6, 0.4]], (5, 4, 2)),
    ],
)
def test_what_has_no_curve_is_a_header_alone(task, label, score, lines):
    found = curves(task, np.array(label), np.array(score, dtype=np.float32))
    files = csv_files(found, [], CURVE)
    assert tuple(len(_rows(files[f"{name}.csv"])) for name in ("roc", "pr", "calibration")) == lines


def test_everything_from_outside_is_escaped():
    nasty = '<script>alert("x")</script>'
    drawn = [
        str(html.tag("td", nasty)),
        str(html.table([nasty], [html.cells(nasty)], caption=nasty)),
        str(html.figure(nasty, "", nasty)),
        svg.bars([(nasty, 1.0)], title=nasty),
        svg.lines([Series(nasty, "challenger", [(0, 0)], marks=True)], Axis(nasty), Axis(nasty), title=nasty),
        svg.timeline([(nasty, "test", date(2024, 1, 1), date(2024, 1, 2))], title=nasty),
    ]
    for text in drawn:
        assert "<script" not in text
        assert "&lt;script" in text


@pytest.mark.parametrize(
    ("points", "low", "high"), [([], None, None), ([(5, 5)], None, None), ([(-2e9, 3), (4e9, 3)], None, None)]
)
def test_charts_bear_any_range(points, low, high):
    text = svg.lines([Series("x", "challenger", points)], Axis("x", low, high), Axis("y"), title="t", diagonal=True)
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize(
    ("metric", "ours", "theirs", "shown"),
    [
        ("auc", 0.7, 0.6, '<span class="better">+0.1000</span>'),
        ("log_loss", 0.7, 0.6, '<span class="worse">+0.1000</span>'),
        ("log_loss", 0.5, 0.6, '<span class="better">−0.1000</span>'),
        ("rmse", 5.0, 5.0, "0"),
        ("rmse", None, 5.0, "–"),
    ],
)
def test_differences_say_which_way_is_better(metric, ours, theirs, shown):
    assert html.difference(metric, ours, theirs) == shown


def test_a_champions_classes_are_put_in_this_runs_order():
    class Known:
        classes = ("b", "a", "old")

    champion = Champion(1, "r", None, Known(), None, date(2024, 1, 1), {}, None, date(2024, 1, 1))
    score = np.array([[0.2, 0.7, 0.1]], dtype=np.float32)
    assert champion.as_classes(score, ("a", "b", "new")).tolist() == [[np.float32(0.7), np.float32(0.2), 0.0]]
    assert champion.as_classes(score, Known.classes) is score
