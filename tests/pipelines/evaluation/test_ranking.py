import numpy as np
import pytest

from pipelines.evaluation.ranking import Ranking, calibration, calibration_error


@pytest.mark.parametrize(
    ("label", "score", "expected"),
    [
        ([0, 1] * 50, [0.0, 1.0] * 50, 0.0),
        ([0, 1] * 50, [1.0, 0.0] * 50, 1.0),
        ([0, 1] * 50, [0.5] * 100, 0.0),
        ([1] * 10, [0.25] * 10, 0.75),
        ([0, 0, 1, 1], [0.1, 0.3, 0.6, 0.8], (0.1 + 0.3 + 0.4 + 0.2) / 4),
    ],
    ids=["perfect", "inverted", "constant-and-right", "one-class", "a-bin-a-row"],
)
def test_calibration_error(label, score, expected):
    found = calibration_error(np.array(label, dtype=float), np.array(score, dtype=np.float32))
    assert found == pytest.approx(expected, abs=1e-7)


def test_calibration_bins_are_of_equal_count_and_keep_ties_together():
    score = np.sort(np.random.default_rng(0).random(1500)).astype(np.float32)
    assert [part.rows for part in calibration(np.zeros(1500), score)] == [100] * 15
    tied = np.repeat(np.array([0.1, 0.9], dtype=np.float32), [700, 800])
    assert [part.rows for part in calibration(np.zeros(1500), tied)] == [700, 800]
    assert calibration_error(np.empty(0), np.empty(0)) is None


def test_curves_are_thinned_rising_and_end_where_they_must():
    draw = np.random.default_rng(5)
    score = draw.random(50_000)
    ranking = Ranking.of((draw.random(50_000) < score).astype(float), score)
    roc, pr = ranking.roc(), ranking.precision_recall()
    assert len(roc) <= 200
    assert len(pr) <= 200
    assert roc[0] == (0, 0)
    assert roc[-1] == (1, 1)
    assert roc == sorted(roc)
    assert pr[-1][0] == 1
    area = np.trapezoid([y for _, y in roc], [x for x, _ in roc])
    assert area == pytest.approx(ranking.auc(), abs=1e-3)


@pytest.mark.parametrize("label", [[], [1.0, 1.0]])
def test_one_class_has_no_curve(label):
    ranking = Ranking.of(np.array(label), np.linspace(0, 1, len(label)))
    assert ranking.auc() is None
    assert ranking.roc() == []
    assert ranking.precision_recall() == []
