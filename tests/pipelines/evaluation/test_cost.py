import numpy as np

from pipelines.config.business import Business
from pipelines.evaluation import cost
from pipelines.evaluation.serving import Serving
from pipelines.storage.files import write_json

LABEL = np.array([1.0, 1, 0, 0, 0])
SCORE = np.array([0.9, 0.3, 0.5, 0.2, 0.1], np.float32)


def test_the_confusion_matrix_at_a_threshold():
    assert cost.confusion(LABEL, SCORE, 0.5) == {"tp": 1, "fp": 1, "tn": 2, "fn": 1, "n": 5}
    assert cost.confusion(LABEL, SCORE, 0.3) == {"tp": 2, "fp": 1, "tn": 2, "fn": 0, "n": 5}


def test_every_model_is_told_what_it_is_worth():
    rules = {"saved": Business(expression="10 * tp - 4 * fp"), "ratio": Business(expression="tp / fp", threshold=0.8)}
    found = cost.business(rules, LABEL, {"challenger": SCORE, "champion": np.full(5, np.nan, np.float32)})
    assert list(found) == ["ratio", "saved"]
    assert found["saved"]["challenger"] == 6.0
    assert found["saved"]["champion"] is None
    assert found["ratio"]["challenger"] is None, "no false positive to divide by"
    assert found["ratio"]["rows"] == 5


def test_what_the_clock_said_is_gathered_in_one_place(tmp_path):
    assert cost.document(tmp_path, "a", None, {}) == {"model_sha256": "a", "training": None, "serving": None}
    write_json(tmp_path / cost.TRAINING, {"seconds": 2.0})
    found = cost.document(tmp_path, "a", served(7), {})
    assert found == {"model_sha256": "a", "training": {"seconds": 2.0}, "serving": {"rows_per_second": 7}}


def test_a_model_evaluated_again_has_cost_what_it_has_cost(tmp_path):
    assert cost.read(tmp_path) == {}
    before = cost.document(tmp_path, "a", served(7), {})
    write_json(tmp_path / cost.FILE, before)
    assert cost.document(tmp_path, "a", served(9), cost.read(tmp_path)) == before
    assert cost.document(tmp_path, "b", served(9), before)["serving"] == {"rows_per_second": 9}
    write_json(tmp_path / cost.TRAINING, {"seconds": 2.0})
    assert cost.document(tmp_path, "a", served(9), before)["serving"] == {"rows_per_second": 9}, "trained again"


def served(rows_per_second: int) -> Serving:
    return Serving("", 10, 0, 0, 0, 1.0, {"rows_per_second": rows_per_second})
