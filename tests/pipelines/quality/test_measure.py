from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.config.model import Model
from pipelines.config.params import RunParams
from pipelines.engines.local import connect
from pipelines.engines.mentions import Mentions
from pipelines.engines.sources import SourceFile
from pipelines.quality.measure import duplicate_keys, label_days, mean_label, type_conflicts

from .conftest import MODEL

DAYS = [date(2013, 1, 30) + timedelta(days=number) for number in range(4)]


@pytest.fixture
def session(tmp_path):
    with connect(tmp_path / "scratch") as opened:
        yield opened


def params_of(**changes):
    return RunParams.of("trips", Model.model_validate(MODEL | changes), date(2013, 6, 1))


@pytest.fixture
def files(tmp_path):
    """A function that writes one file a day, from one dictionary of columns a day."""

    def made(*days):
        found = []
        for day, columns in zip(DAYS, days, strict=False):
            path = tmp_path / f"it's {day}.parquet"
            rows = len(next(iter(columns.values())))
            at = [datetime(day.year, day.month, day.day, 12, n, tzinfo=UTC) for n in range(rows)]
            pq.write_table(pa.table({"at": at} | columns), path)
            found.append(SourceFile("trips", day, path, rows))
        return found

    return made


def test_labels_are_counted_by_day(session, files):
    days = files({"late": [1, 20, None]}, {"late": [30, 40, 50]})
    first, second = label_days(session, params_of(), days)
    assert (first.day, first.rows, first.labelled, first.values) == (DAYS[0], 3, 2, {0.0: 1, 1.0: 1})
    assert (second.labelled, second.values, second.illegal) == (3, {1.0: 3}, 0)
    assert label_days(session, params_of(), []) == []


@pytest.mark.parametrize(
    ("task", "label", "late", "illegal", "values"),
    [
        ("binary", {"expression": "late"}, [0, 1, 7], 1, {0.0: 1, 1.0: 1, 7.0: 1}),
        ("multiclass", {"expression": "late", "classes": ["a", "b"]}, ["b", "b", "z"], 1, {1.0: 2, -1.0: 1}),
        ("regression", {"expression": "late"}, [2.5, 1.0, float("inf")], 1, {1.0: 1, float("inf"): 1}),
        ("regression", {"expression": "late"}, [2.5, 1.0, None], 0, {1.0: 1, 2.5: 1}),
    ],
)
def test_illegal_labels_are_counted(session, files, task, label, late, illegal, values):
    (found,) = label_days(session, params_of(task=task, label=label), files({"late": late}))
    assert (found.illegal, found.values) == (illegal, values)


def test_the_mean_is_of_labelled_rows(session, files):
    days = files({"late": [1.0, None, 2.0]}, {"late": [6.0]})
    assert mean_label(session, params_of(task="regression", label={"expression": "late"}), days) == 3.0
    assert session.sql("SELECT current_setting('threads')").fetchall() == [(2,)]
    assert mean_label(session, params_of(), []) == 0.0


@pytest.mark.parametrize(
    ("key", "ids", "found"),
    [
        (["id"], ([1, 2], [3, 4]), (0, "")),
        (["id"], ([1, 2], [2, 1], [1]), (3, "id=1 (3 times)")),
        (["id", "at"], ([1, 1], [1, 1]), (0, "")),
        (["id"], ([None, 1], [None]), (1, "id=None (2 times)")),
    ],
)
def test_doubled_keys_are_counted_over_all_days(session, files, key, ids, found):
    tables = {**MODEL["tables"], "trips": {**MODEL["tables"]["trips"], "key": key}}
    days = files(*({"id": pa.array(some, pa.int64())} for some in ids))
    assert duplicate_keys(session, params_of(tables=tables), days) == found


def test_doubled_keys_within_a_month_are_found_where_the_time_is_part_of_the_key(session, files):
    tables = {**MODEL["tables"], "trips": {**MODEL["tables"]["trips"], "key": ["id", "at"]}}
    same = pa.array([datetime(2013, 2, 1, tzinfo=UTC)] * 2)
    days = files({"id": [1]}, {"id": [1]}, {"id": [5, 5], "at": same}, {"id": [1]})
    count, example = duplicate_keys(session, params_of(tables=tables), days)
    assert count == 1
    assert example.startswith("id=5, at=2013-02-01")


def test_a_column_that_changes_its_type_is_named(session, files):
    days = files({"km": [1], "late": [1]}, {"km": [1.5], "late": [2]}, {"late": [3]})
    (conflict,) = type_conflicts(days, {})
    assert conflict == "trips.km: integer on 2013-01-30; number on 2013-01-31"
    assert type_conflicts(days[1:], {}) == []
    assert type_conflicts([SourceFile("places", None, days[0].path, 1)], {}) == []


def test_a_column_that_nobody_names_may_change_its_type(session, files):
    days = files({"km": [1], "late": [1]}, {"km": [1.5], "late": [2]})
    assert type_conflicts(days, {"trips": Mentions.of(["late"])}) == []
    assert len(type_conflicts(days, {"trips": Mentions.of(["KM"])})) == 1


@pytest.mark.parametrize(
    "other",
    [pa.array([1], pa.int8()), pa.array([1], pa.uint32()), pa.array([None], pa.null()), pa.array([None], pa.int32())],
)
def test_a_width_or_a_column_without_values_is_no_other_type(session, files, other):
    assert type_conflicts(files({"km": [1]}, {"km": other}), {}) == []
