"""Judging many partitions in one go must give what judging them one by one gives."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from pipelines.quality.expectations import Expectations

RULES = [
    "{expect: ExpectColumnValuesToNotBeNull, severity: critical, with: {column: km, mostly: 0.5}}",
    "{expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: km, min_value: 0, mostly: 0.75}}",
    "{expect: ExpectColumnValuesToBeInSet, severity: warning, with: {column: id, value_set: [0, 1, 2, 3, 4, 5]}}",
    "{expect: ExpectColumnValuesToBeUnique, severity: critical, with: {column: id}}",
    "{expect: ExpectCompoundColumnsToBeUnique, severity: critical, with: {column_list: [id, late]}}",
    "{expect: ExpectColumnPairValuesAToBeGreaterThanB, severity: warning, "
    "with: {column_A: late, column_B: km, or_equal: true}}",
    "{expect: ExpectColumnMeanToBeBetween, severity: critical, with: {column: km, max_value: 4}}",
    "{expect: ExpectColumnValuesToBeIncreasing, severity: warning, with: {column: late}}",
    "{expect: ExpectTableRowCountToBeBetween, severity: warning, with: {min_value: 5}}",
    "{expect: ExpectColumnToExist, severity: critical, with: {column: km}}",
]


@pytest.fixture
def expectations(suite_of, model):
    return Expectations(suite_of(model, *RULES), "trips")


def random_partition(trips, seed):
    """4 to 8 rows, of which now and then one or more break a rule."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(4, 9))
    km = random.uniform(-2, 7, rows)
    return trips(
        rows,
        id=random.integers(0, 8, rows).tolist() if seed % 3 else list(range(rows)),
        km=pa.array(km, mask=random.random(rows) < 0.3),
        late=np.sort(random.integers(0, 30, rows)).tolist() if seed % 2 else random.integers(0, 30, rows).tolist(),
    )


def test_together_as_one_by_one(expectations, trips):
    empty = pa.array([1.0] + [None] * 5)
    special = [trips(4), trips(6, id=[1] * 6, late=[30] * 6), trips(6, km=[9.0] * 6), trips(6, km=empty)]
    partitions = [trips(6), *special, *(random_partition(trips, seed) for seed in range(8))]
    together = expectations.judge(partitions)
    alone = [expectations.judge([data])[0] for data in partitions]
    assert together == alone
    assert not alone[0]
    assert len({item.sentence.split("(")[0] for found in alone for item in found}) == 9


def test_a_share_is_of_each_partition_and_not_of_all(suite_of, model, trips):
    rule = "{expect: ExpectColumnValuesToNotBeNull, severity: critical, with: {column: km, mostly: 0.9}}"
    expectations = Expectations(suite_of(model, rule), "trips")
    bad = trips(10, km=pa.array([None] * 2 + [1.0] * 8))
    found = expectations.judge([*[trips(10)] * 30, bad])
    assert [len(item) for item in found] == [0] * 30 + [1]
    assert found[-1][0].sentence == ("ExpectColumnValuesToNotBeNull(column=km, mostly=0.9): 2 of 10 rows unexpected")


@pytest.mark.parametrize(
    ("rule", "columns", "said"),
    [
        (RULES[2], {"id": [0, 99, 98]}, "value_set=[0, 1, 2, 3, 4, 5]): 2 of 3 rows unexpected, such as 99"),
        (RULES[5], {"late": [9, 9, 9], "km": [1.0, 10.0, 2.0]}, "1 of 3 rows unexpected, such as (9, 10.0)"),
        (RULES[6], {"km": [9.0, 9.0, 9.0]}, "ExpectColumnMeanToBeBetween(column=km, max_value=4): observed 9.0"),
        (RULES[6], {"km": ["a", "b", "c"]}, "cannot be judged: "),
    ],
)
def test_a_sentence_says_what_where_how_many_and_an_example(suite_of, model, trips, rule, columns, said):
    found = Expectations(suite_of(model, rule), "trips").judge([trips(3, **columns)])
    assert said in found[0][0].sentence


def test_no_rules_no_findings(suite_of, model, trips):
    assert Expectations(suite_of(model, RULES[-1]), "trips").judge([trips(), trips()]) == [[], []]


def test_nothing_is_reported_to_anyone(expectations, trips):
    from pipelines.quality.expectations import _batch_definition

    expectations.judge([trips()])
    context = _batch_definition().data_asset.datasource.data_context
    assert context.config.analytics_enabled is False
    assert context.config.data_docs_sites == {}


DISTRIBUTION = """
import sys
import pandas as pd
from pipelines.quality import expectations
gx = expectations._great_expectations()
print(type(sys.modules["scipy.stats"]).__name__)
halves = {"values": ["a", "b"], "weights": [0.5, 0.5]}
kind = gx.expectations.ExpectColumnKLDivergenceToBeLessThan
rule = kind(column="letter", partition_object=halves, threshold=0.1, meta={"rule": 7})
for letters in ("abab", "aaab"):
    result = expectations._run(pd.DataFrame({"letter": list(letters)}), {7: rule}, "SUMMARY")[7]
    print(result.success, round(result.result["observed_value"], 4))
print(type(sys.modules["scipy.stats"]).__name__)
"""


def test_what_only_distributions_need_is_loaded_for_them_alone():
    """The divergence of (3/4, 1/4) from halves is log 2 less the entropy: 0.1308."""
    argv = [sys.executable, "-W", "ignore", "-c", DISTRIBUTION]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")
    assert said == ["PutOff", "True 0.0", "False 0.1308", "module", ""]
