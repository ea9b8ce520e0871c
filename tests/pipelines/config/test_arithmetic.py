import pytest
from pydantic import ValidationError

from pipelines.config import arithmetic
from pipelines.config.business import COUNTS, Business

COUNTED = {"tp": 30.0, "fp": 10.0, "tn": 50.0, "fn": 10.0, "n": 100.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5 * tp - 2.5 * fp", 125.0),
        ("(tp + tn) / n", 0.8),
        ("-fn + +tp", 20.0),
        ("tp / (fp - fn)", None),
        ("1e308 * 1e308 * tp", None),
    ],
)
def test_what_an_expression_comes_to(text, value):
    assert arithmetic.value(arithmetic.parse(text, COUNTS), COUNTED) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "tp.real",
        "tp ** 9 ** 9",
        "tp if fp else fn",
        "[tp for tp in fn]",
        "tp, fp",
        "tp // 2",
        "cost",
        "'tp'",
        "True",
        "tp == 1",
        "lambda: 1",
        "tp +",
        "",
        "(" * 300 + "tp",
        "tp" + "+tp" * 200,
        "tp\0",
    ],
)
def test_anything_but_arithmetic_is_refused(text):
    with pytest.raises(ValueError, match=r"allowed|no arithmetic|no number|at most"):
        arithmetic.parse(text, COUNTS)


def test_a_model_yaml_is_told_where(tmp_path):
    with pytest.raises(ValidationError, match="cost"):
        Business(expression="5 * tp - cost")
