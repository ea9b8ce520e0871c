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
    assert cost.document(tmp_path, None) == {"training": None, "serving": None}
    write_json(tmp_path / cost.TRAINING, {"seconds": 2.0})
    served = Serving("", 10, 0, 0, 0, 1.0, {"rows_per_second": 7})
    assert cost.document(tmp_path, served) == {"training": {"seconds": 2.0}, "serving": {"rows_per_second": 7}}
