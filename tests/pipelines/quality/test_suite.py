import pytest

from pipelines.config.model import Model
from pipelines.errors import ConfigError
from pipelines.quality.expectations import Expectations
from pipelines.quality.suite import Suite

BETWEEN = "{expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: km, min_value: 0}}"


def test_rules_are_read_per_table(suite_of, model):
    suite = suite_of(model, BETWEEN, "{expect: ExpectColumnToExist, severity: warning, with: {column: late}}")
    assert [rule.expect for rule in suite.of("trips")] == ["ExpectColumnValuesToBeBetween", "ExpectColumnToExist"]
    assert [rule.in_schema for rule in suite.of("trips")] == [False, True]
    assert suite.of("trips")[0].columns == ("km",)
    assert suite.of("places") == ()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{expect: ExpectColumnToExist, severity: fatal, with: {column: km}}", "line 2: trips.0.severity: 'fatal'"),
        ("{expect: ExpectColumnToExist, with: {column: km}}", "severity: field required"),
        ("{expect: import os, severity: critical}", "trips.0.expect: 'import os'"),
        ("{expect: ExpectColumnToExist, severity: critical, mostly: 1}", "trips.0.mostly: 1 extra inputs"),
        (
            "{expect: ExpectColumnToExist, severity: critical, with: {column: km, meta: {}}}",
            "meta cannot be set in `with`",
        ),
        ("{expect: ExpectColumnToExist, severity: critical, with: 3}", "trips.0.with: 3"),
        ("!!python/object:os.system {}", "tag"),
    ],
)
def test_a_wrong_form_is_refused_by_line_and_key(suite_of, model, rule, said):
    with pytest.raises(ConfigError) as caught:
        suite_of(model, rule)
    assert said in str(caught.value)
    assert "expectations.yaml line 2" in str(caught.value)


def test_an_unknown_table_is_refused(tmp_path, model):
    (tmp_path / "expectations.yaml").write_text("planes: []\n")
    with pytest.raises(ConfigError, match=r"line 1: planes: model.yaml has no such table; use one of: trips, places"):
        Suite.load(tmp_path, model)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{expect: ExpectColumnValuesToBeMagic, severity: critical, with: {column: km}}", "no such expectation"),
        (BETWEEN.replace("min_value: 0", "min_value: 0, maximum: 1"), "maximum: extra fields not permitted"),
        (BETWEEN.replace(", min_value: 0", ""), "min_value and max_value cannot both be None"),
    ],
)
def test_what_great_expectations_does_not_know_is_refused_by_line(suite_of, model, rule, said):
    suite = suite_of(model, BETWEEN, rule)
    with pytest.raises(ConfigError) as caught:
        Expectations(suite, "trips")
    assert said in str(caught.value)
    assert str(caught.value).startswith("expectations.yaml line 3: trips[1] Expect")


def test_the_hash_changes_with_what_the_verdict_depends_on_and_nothing_else(suite_of, model):
    first = suite_of(model, BETWEEN)
    assert first.hash("trips") == suite_of(model, BETWEEN).hash("trips")
    assert first.hash("trips") != suite_of(model, BETWEEN.replace("critical", "warning")).hash("trips")
    plain = model.model_dump(mode="json")
    other = Model.model_validate(plain | {"label": {"expression": "late > 20"}})
    renamed = Model.model_validate(plain | {"title": "another"})
    assert suite_of(other, BETWEEN).hash("trips") != first.hash("trips")
    assert suite_of(other, BETWEEN).hash("places") == first.hash("places")
    assert suite_of(renamed, BETWEEN).hash("trips") == first.hash("trips")
