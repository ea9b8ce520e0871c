import pyarrow as pa

from pipelines.quality import verdict
from pipelines.quality.verdict import Verdict, judge, judge_many

from .conftest import DAY

RULES = [
    "{expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: km, min_value: 0}}",
    "{expect: ExpectColumnMeanToBeBetween, severity: warning, with: {column: km, max_value: 5}}",
]


def test_a_good_partition_is_accepted(suite_of, model, trips):
    assert judge(suite_of(model, *RULES), "trips", trips(), DAY, model) == Verdict(accepted=True)


def test_warnings_do_not_quarantine(suite_of, model, trips):
    found = judge(suite_of(model, *RULES), "trips", trips(km=[9.0] * 10), DAY, model)
    assert found.accepted
    assert found.warnings == ("ExpectColumnMeanToBeBetween(column=km, max_value=5): observed 9.0",)


def test_all_reasons_are_told_at_once(suite_of, model, trips):
    data = trips(km=[-1.0, float("inf"), *range(8)], id=[1] * 10)
    found = judge(suite_of(model, *RULES), "trips", data, DAY, model, [1000] * 3)
    assert not found.accepted
    assert [reason.split(":")[0] for reason in found.reasons] == [
        "km",
        "duplicate keys",
        "10 rows where 1000 are usual",
    ]


def test_a_static_table_has_no_day_and_no_label(suite_of, model):
    assert judge(suite_of(model), "places", pa.table({"id": [1, 2]}), None, model).accepted
    assert not judge(suite_of(model), "places", pa.table({"id": [1, 1]}), None, model).accepted


def test_many_as_one_by_one_with_a_growing_history(suite_of, model, trips, monkeypatch):
    monkeypatch.setattr(verdict, "CHUNK_ROWS", 45)
    suite = suite_of(model, *RULES)
    partitions = [
        trips(10),
        trips(11),
        trips(10, km=[-1.0] * 10),
        trips(12),
        trips(10).drop_columns(["late"]),
        trips(0),
        trips(2),
        trips(1),
        trips(9, km=list(range(9))),
        trips(60),
    ]
    found = list(judge_many(suite, "trips", ((DAY, data) for data in partitions), model))
    history: list[int] = []
    for data, seen in zip(partitions, found, strict=True):
        assert judge(suite, "trips", data, DAY, model, history) == seen
        history += [data.num_rows] if seen.accepted else []
    assert [item.accepted for item in found] == [True, True, False, True, False, False, False, False, True, False]
    assert "1 rows where 11 are usual" in found[7].reasons[0]


def test_reasons_are_bounded_in_number_and_length(suite_of, model, trips):
    names = [f"column_{'x' * 100}_{number}" for number in range(40)]
    rules = [f"{{expect: ExpectColumnToExist, severity: critical, with: {{column: {name}}}}}" for name in names]
    found = judge(suite_of(model, *rules), "trips", trips(), DAY, model)
    assert len(found.reasons) == 21
    assert found.reasons[-1] == "and 20 more"
    assert max(len(reason) for reason in found.reasons) <= 300
