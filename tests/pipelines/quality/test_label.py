import pyarrow as pa
import pytest

from pipelines.config.model import Model
from pipelines.errors import ConfigError
from pipelines.quality.label import connect, judge_label


def judged(model, data, **changes):
    plain = model.model_dump(mode="json")
    with connect() as session:
        found = judge_label(session, Model.model_validate(plain | changes), data)
    return [(item.severity, item.sentence) for item in found]


@pytest.mark.parametrize(
    ("task", "label", "late", "found"),
    [
        ("binary", {"expression": "late > 10"}, [1, 20, None], None),
        ("binary", {"expression": "late"}, [0, 1, None], None),
        ("binary", {"expression": "late"}, [0, 1, 2], "label: 1 of 3 values are illegal for task binary, such as 2"),
        ("binary", {"expression": "late"}, ["yes", "0", "1"], "values are illegal for task binary, such as yes"),
        ("binary", {"expression": "late > 10"}, [1, 2, None], "label: all 2 labelled rows are of one class"),
        ("binary", {"expression": "late > 10"}, pa.nulls(3, pa.int32()), "label: none of 3 rows has a label"),
        ("multiclass", {"expression": "late", "classes": ["a", "it's"]}, ["a", "it's", None], None),
        ("multiclass", {"expression": "late", "classes": ["a", "b"]}, ["a", "b", "c"], "task multiclass, such as c"),
        ("regression", {"expression": "late"}, [1.5, 1.5, None], None),
        ("regression", {"expression": "late"}, [1.0, float("inf"), None], "illegal for task regression, such as inf"),
        ("regression", {"expression": "late"}, [-1e10, 1e10, None], None),
        ("regression", {"expression": "late"}, [1.0, -1e300, None], "illegal for task regression, such as -1e+300"),
    ],
)
def test_labels_are_legal_for_the_task(model, trips, task, label, late, found):
    sentences = judged(model, trips(3, late=late), task=task, label=label)
    assert len(sentences) == (found is not None)
    if found:
        assert sentences[0][0] == ("critical" if "illegal" in sentences[0][1] else "warning")
        assert found in sentences[0][1]


def test_a_label_that_the_data_does_not_bear_is_told(model, trips):
    found = judged(model, trips(3, late=["a", "b", "c"]))
    assert found[0][0] == "critical"
    assert "label.expression cannot be computed" in found[0][1]


@pytest.mark.parametrize("expression", ["late >", "no_such_function(late)", "(SELECT count(*) FROM '/etc/passwd') > 1"])
def test_an_expression_that_is_wrong_or_reaches_outside_is_the_models_fault(model, trips, expression):
    with pytest.raises(ConfigError, match=r"model.yaml label.expression"):
        judged(model, trips(3), label={"expression": expression})
