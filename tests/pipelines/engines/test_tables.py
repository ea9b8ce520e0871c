"""What an author sees: no banned column, no label too early, days and row ids from the list of files."""

import shutil
from datetime import date, timedelta

import ibis
import pytest
from lakefiles import files_of, params_of

from pipelines.engines.labels import banned, label_columns, label_query
from pipelines.engines.local import connect
from pipelines.engines.sources import SourceFile, first_row_id
from pipelines.engines.tables import author_tables
from pipelines.errors import ConfigError, DataError


@pytest.fixture
def session(tmp_path):
    with connect(tmp_path / "scratch") as connection:
        yield connection


def fetch(session, table: ibis.Table) -> list[tuple]:
    return session.sql(str(ibis.to_sql(table, dialect="duckdb"))).fetchall()


def test_columns_of_each_table(session, tiny_model):
    params = params_of(tiny_model)
    tables = author_tables(session, params, files_of(tiny_model), date(2024, 2, 10))
    assert tables["orders"].columns == (
        "order_id", "placed_at", "shop", "product", "distance", "row_id", "event_date",
    )  # fmt: skip
    assert tables["labels"].columns == (*tables["orders"].columns, "label", "known_at")
    assert tables["skies"].columns == ("shop", "placed_at", "rain", "event_date")
    assert tables["shops"].columns == ("shop", "couriers")
    assert tables["orders"].placed_at.type() == ibis.dtype("timestamp(6)"), "plain UTC, no time zone"


def test_now_decides_what_is_there(session, tiny_model):
    now = tiny_model.day(10)
    tables = author_tables(session, params_of(tiny_model), files_of(tiny_model), now)
    newest = {
        name: fetch(session, tables[name].event_date.max().as_table())[0][0] for name in ("orders", "skies", "labels")
    }
    # The schedule of the day itself and its forecast; labels of the day before yesterday, matured at this midnight.
    assert newest == {"orders": now, "skies": now, "labels": now - timedelta(days=2)}
    labels = tables["labels"]
    late = labels.filter(labels.known_at > now.isoformat()).count().as_table()
    assert fetch(session, late) == [(0,)]


def test_context_known_after_its_day(session, tiny_model):
    tiny_model.edit("known: forecast", "known: after_day")
    now = tiny_model.day(10)
    tables = author_tables(session, params_of(tiny_model), files_of(tiny_model), now)
    assert fetch(session, tables["skies"].event_date.max().as_table())[0][0] == now - timedelta(days=1)


def test_row_ids_survive_filters_and_equal_files(session, tiny_model):
    # The same bytes under the same path for two days, as the cache keeps equal partitions; every filter skips files.
    files = files_of(tiny_model)
    twin = next(file for file in files if file.table == "orders" and file.day == tiny_model.day(3))
    files = [
        SourceFile("orders", f.day, twin.path, f.rows) if f.table == "orders" and f.day == tiny_model.day(5) else f
        for f in files
    ]
    orders = author_tables(session, params_of(tiny_model), files, date(2024, 3, 1))["orders"]
    for number in (3, 5, 20):
        day = tiny_model.day(number)
        ids = fetch(session, orders.filter(orders.event_date == day.isoformat()).select("row_id").order_by("row_id"))
        assert [row[0] for row in ids] == [first_row_id(day) + place for place in range(120)]


def test_partition_with_another_order_of_columns(session, tiny_model):
    day = tiny_model.day(4)
    data = tiny_model.read("orders", day)
    tiny_model.write(
        data.select(list(reversed(data.column_names))).append_column("extra", data["distance"]), "orders", day
    )
    orders = author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 3, 1))["orders"]
    assert "extra" in orders.columns
    assert fetch(session, orders.extra.count().as_table()) == [(120,)]


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("delay > 15", ["delay"]),
        ('CASE WHEN "delay" > distance THEN 1 ELSE 0 END', ["delay", "distance"]),
        ("coalesce(delay, 0) > 15 AND delay IS NOT NULL", ["delay"]),
    ],
)
def test_columns_of_a_label(expression, columns):
    assert list(label_columns(expression)) == columns


def test_what_the_label_is_made_of_is_banned(tiny_model):
    tiny_model.edit("    after_event: [delay]\n", "")
    assert banned(params_of(tiny_model), "orders") == ("delay",)


def test_label_that_is_no_sql(session, tiny_model):
    tiny_model.edit("expression: delay > 15", "expression: delay > > 15")
    with pytest.raises(ConfigError, match=r"label\.expression"):
        author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 3, 1))


def test_label_over_a_column_that_is_not_there(session, tiny_model):
    tiny_model.edit("expression: delay > 15", "expression: lateness > 15")
    with pytest.raises(ConfigError, match=r"label\.expression.*lateness"):
        author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 3, 1))


def test_classes_become_their_places(session, tiny_model):
    tiny_model.edit("task: binary", "task: multiclass")
    tiny_model.edit("expression: delay > 15", 'expression: "product"\n  classes: [pie, bread]')
    params = params_of(tiny_model)
    author_tables(session, params, files_of(tiny_model), date(2024, 3, 1))
    found = {row[1] for row in session.sql(label_query(params, tiny_model.day(3), tiny_model.day(4))).fetchall()}
    assert found == {0.0, 1.0, -1.0}, "cake is no class and must not pass for one"


def test_table_without_files(session, tiny_model):
    shutil.rmtree(tiny_model.lake / "skies")
    with pytest.raises(DataError, match="table skies: no accepted partition"):
        author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 3, 1))


def test_table_called_labels(session, tiny_model):
    tiny_model.edit("  shops:\n", "  labels:\n")
    with pytest.raises(ConfigError, match="must not be called labels"):
        author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 3, 1))


def test_column_named_as_duckdb_names_its_own(session, tiny_model):
    data = tiny_model.read("shops")
    tiny_model.write(data.append_column("file_index", data["couriers"]), "shops")
    with pytest.raises(DataError, match="column file_index"):
        author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 3, 1))
