import pyarrow as pa
import pytest

from pipelines.engines.kinds import type_name
from pipelines.quality.schema import judge_schema

TYPE = "{{expect: ExpectColumnValuesToBeOfType, severity: critical, with: {{column: {}, type_: {}}}}}"
COLUMNS = "{expect: ExpectTableColumnsToMatchSet, severity: critical, with: {column_set: [id, at, km, late]}}"


def judged(suite_of, model, data, *rules):
    found = judge_schema(model.tables["trips"], suite_of(model, *rules).of("trips"), data.schema)
    return [(item.severity, item.sentence) for item in found]


def test_the_declared_columns_in_any_order_are_fine(suite_of, model, trips):
    data = trips().select(["late", "km", "at", "id"])
    assert judged(suite_of, model, data, COLUMNS, TYPE.format("km", "double"), TYPE.format("at", "timestamp")) == []


def test_a_renamed_column_is_named_with_its_likely_new_name(suite_of, model, trips):
    found = judged(suite_of, model, trips().rename_columns({"late": "lateness"}), COLUMNS)
    assert found[0] == (
        "critical",
        "column 'late' is missing, but 'lateness' is there and nobody expects it: renamed?; "
        "the file has id, at, km, lateness",
    )


def test_keys_and_times_are_expected_without_any_rule(suite_of, model, trips):
    found = judged(suite_of, model, trips().drop_columns(["at"]), TYPE.format("km", "float64"))
    assert [severity for severity, _ in found] == ["critical"]


def test_extra_columns_are_told_only_where_the_set_is_declared_exact(suite_of, model, trips):
    data = trips(extra=list(range(10)))
    assert judged(suite_of, model, data, COLUMNS) == [("warning", "columns nobody expects: extra")]
    assert judged(suite_of, model, data, COLUMNS.replace("}}", ", exact_match: false}}")) == []


def test_doubled_columns_end_the_hearing(suite_of, model, trips):
    data = trips()
    doubled = pa.Table.from_arrays([*data.columns, data["km"]], [*data.column_names, "km"])
    assert judged(suite_of, model, doubled, COLUMNS) == [("critical", "columns stand twice in the file: km")]


def test_nested_columns_are_refused(suite_of, model, trips):
    found = judged(suite_of, model, trips(km=[[1.0]] * 10), COLUMNS)
    assert found[0][0] == "critical"
    assert "km: nested type list<" in found[0][1]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.float64(), "float64"),
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int32(), pa.string()), "string"),
        (pa.timestamp("us", "UTC"), "timestamp"),
        (pa.date32(), "date"),
        (pa.decimal128(9, 2), "decimal"),
        (pa.bool_(), "bool"),
        (pa.int32(), "int32"),
    ],
)
def test_types_have_plain_names(kind, name):
    assert type_name(kind) == name


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array(["1"] * 10), "km: type string instead of float64; numbers as text?"),
        (pa.array([1] * 10), "km: type int64 instead of float64"),
    ],
)
def test_wrong_types_are_named(suite_of, model, trips, values, said):
    assert judged(suite_of, model, trips(km=values), TYPE.format("km", "double")) == [("critical", said)]
    several = (
        "{expect: ExpectColumnValuesToBeInTypeList, severity: warning, with: {column: km, type_list: [int64, str]}}"
    )
    assert judged(suite_of, model, trips(km=values), several) == []
