"""Columns that come in other letters than so far, or not at all."""

from decimal import Decimal

import pyarrow as pa
import pytest

from pipelines.engines import kinds
from pipelines.engines.mentions import Mentions
from pipelines.quality.conform import conform, voted_types
from pipelines.quality.verdict import conformed, judge_many

from .conftest import DAY

SOFAR = {"id": pa.int64(), "code": pa.int64()}


def said(table: pa.Table, named: Mentions) -> list[tuple[str, str]]:
    return [(finding.severity, finding.sentence) for finding in conform(table, {}, SOFAR, named).findings]


def test_a_column_in_other_letters_is_refused_where_the_model_names_it():
    table = pa.table({"id": [1], "CODE": [2.0]})
    assert said(table, Mentions.of(["id", "code"])) == [
        ("critical", "CODE: has been 'code' so far, and SQL takes them for one; rename it")
    ]
    assert said(table, Mentions.of(["id"])) == []


def test_a_column_that_was_lost_is_refused_where_the_model_names_it():
    table = pa.table({"id": [1]})
    assert said(table, Mentions.of(["id", "code"])) == [
        ("critical", "code: is not there, though the model names it; every value would count as null")
    ]
    assert said(table, Mentions.of(["id"])) == []


def test_of_names_in_other_letters_the_commoner_counts():
    files = [pa.schema({"code": pa.int64()})] * 2 + [pa.schema({"CODE": pa.float64()})]
    assert voted_types(files) == {"code": pa.int64()}
    assert voted_types(reversed(files)) == {"code": pa.int64()}


def test_a_column_that_fits_is_no_reason_where_another_does_not(suite_of, model, trips):
    suite = suite_of(
        model,
        "{expect: ExpectColumnValuesToBeOfType, severity: critical, with: {column: km, type_: float64}}",
        "{expect: ExpectColumnValuesToBeOfType, severity: critical, with: {column: late, type_: int64}}",
    )
    table = trips(km=pa.array([1] * 10, pa.decimal128(5, 0)), late=[0.5] * 10)
    (verdict,) = judge_many(suite, "trips", [(DAY, conformed(suite, "trips", table, {}))], model)
    assert verdict.reasons == ("late: 10 of 10 values do not fit int64, such as 0.5",)


@pytest.mark.parametrize("target", [pa.string(), pa.bool_(), pa.int64(), pa.float64(), pa.timestamp("us"), pa.date32()])
@pytest.mark.parametrize(
    "column",
    [
        pa.chunked_array([[float("nan")], [None]], pa.float64()),
        pa.chunked_array([[None] * 2], pa.string()),
        pa.chunked_array([[None] * 2], pa.timestamp("ns")),
        pa.chunked_array([[None] * 2], pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_without_a_value_is_of_any_kind(column, target):
    """So pandas writes the newest day, whose labels are missing: texts become doubles that are NaN."""
    found = kinds.fit(column, target)
    assert (found.type, found.null_count, len(found)) == (target, 2, 2)


def test_one_value_makes_a_kind():
    with pytest.raises(kinds.MisfitError, match="type float64 instead of string"):
        kinds.fit(pa.chunked_array([[float("nan"), 1.0]]), pa.string())


@pytest.mark.parametrize(("text", "fits"), [("0.123456", True), ("-19.99", True), ("0.333333333333333333", False)])
@pytest.mark.parametrize("kind", [pa.decimal128(38, 18), pa.decimal256(76, 40)])
def test_decimals_of_many_places_fit_by_their_digits(kind, text, fits):
    """Spark writes decimals of 18 places, whatever the numbers are."""
    column = pa.chunked_array([pa.array([Decimal(text), None], kind)])
    if fits:
        assert kinds.fit(column, pa.float64()).to_pylist() == [float(text), None]
    else:
        with pytest.raises(kinds.MisfitError, match="digits would be lost"):
            kinds.fit(column, pa.float64())


def test_decimals_beyond_all_doubles_do_not_fit():
    column = pa.chunked_array([pa.array([Decimal("9" * 76)], pa.decimal256(76, 0))])
    with pytest.raises(kinds.MisfitError, match="digits would be lost"):
        kinds.fit(column, pa.float64())
