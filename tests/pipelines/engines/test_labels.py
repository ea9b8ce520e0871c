"""What a label is made of is what DuckDB binds, however it is spelt; and it is made of the row alone."""

from __future__ import annotations

import string
from datetime import date

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lakefiles import files_of, params_of

from pipelines.engines.authored import run_build
from pipelines.engines.labels import banned, check_label, label_columns
from pipelines.engines.local import connect
from pipelines.engines.sources import folded, quoted
from pipelines.engines.tables import author_tables
from pipelines.errors import ConfigError

TABLE = {
    "churned": "1",
    "Größe": "2.5",
    'a "b"': "3",
    "parts": "{'churned': 4, 'late': 5}",
    "items": "[{'late': 6}, {'late': 7}]",
    "late": "8",
    "user": "'ann'",
    "select": "9",
}
FORMS = (
    *("{} > 1", "CASE WHEN {} IS NULL THEN 0 ELSE 1 END", "coalesce({}, 0) = 1", "{}::VARCHAR = '1'", "[{}][1] = 1"),
    *("{{'a': {}}}.a = 1", "len(list_transform([1, 2], lambda y: y + {})) > 1", "len([y for y in [1] if y = {}]) > 0"),
    *(
        "sum({}) OVER () > 1",
        "abs({}) > 1",
        "main.abs({}) > 1",
        "{} IN (1, 2)",
        "{} BETWEEN 0 AND late",
        "NOT ({} = 1)",
    ),
    *("max(1) OVER (PARTITION BY {}) = 1", "nullif({}, 0) IS NULL", "TRY({}) = 1", "struct_pack(a := {}).a = 1"),
)
FIXED = (
    *(
        "parts.late > 1",
        "PARTS['churned'] > 1",
        '"Parts"."CHURNED" = 1',
        "Items[1].late = 6",
        "struct_extract(parts, 'late') = 5",
    ),
    *(
        "len(list_filter(items, lambda x: x.late > late)) > 0",
        "USER = 'ann'",
        "late // 2 = 4",
        "-- the label\n late > 1",
    ),
)


def spelt(name: str, upper: list[bool]) -> str:
    letters = "".join(a.upper() if up and a in string.ascii_letters else a for a, up in zip(name, upper, strict=False))
    return letters + name[len(letters) :]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(["churned", "Größe", 'a "b"', "late", "select"]))
    written = spelt(name, draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name))))
    if not written.isascii() or not written.isalpha() or folded(written) == "select" or draw(st.booleans()):
        written = quoted(written)
    spaces = draw(st.sampled_from(["", " ", "/* late */", "\n"]))
    return draw(st.sampled_from(FORMS)).format(f"{spaces}{written}{spaces}")


def binds(expression: str, columns: dict[str, str]) -> bool:
    with duckdb.connect() as session:
        rows = ", ".join(f"{value} AS {quoted(name)}" for name, value in columns.items())
        try:
            session.execute(f"SELECT ({expression}) FROM (SELECT {rows}) AS events").fetchall()  # noqa: S608
        except duckdb.BinderException:
            return False
        return True


@given(expressions() | st.sampled_from(FIXED))
@example("CHURNED > 1")
@example('"Churned" > 1')
def test_every_column_without_which_sql_does_not_bind_is_named(expression: str) -> None:
    assert binds(expression, TABLE)
    names = label_columns(expression)
    check_label(expression, TABLE)
    needed = [name for name in TABLE if not binds(expression, {k: v for k, v in TABLE.items() if k != name})]
    assert {folded(name) for name in needed} <= set(names)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("(SELECT max(churned) FROM events) > 1", "a query of its own"),
        ("EXISTS (FROM read_text('/etc/passwd'))", "a query of its own"),
        ("churned IN (SELECT 1)", "a query of its own"),
        ("COLUMNS('ch.*') > 1", "a star or COLUMNS"),
        ("COLUMNS(c -> c LIKE 'ch%') > 1", "a star or COLUMNS"),
        ("struct_pack(*COLUMNS(*)) IS NULL", "star"),
        ("*", "a star"),
        ("count(events.*) > 1", "a star"),
        ("#1 > 1", "by its position"),
        ("$1 > 1", "a parameter"),
        ("random() > 0.5", "the function random"),
        ("late > 1 AND uuid() IS NULL", "the function uuid"),
        ("now() > placed_at", "the function now"),
        ("main.today() > placed_at", "the function today"),
        ("ago(INTERVAL 1 DAY) > placed_at", "the function ago"),
        ("current_date > placed_at", "current_date"),
        ("LOCALTIMESTAMP > placed_at", "localtimestamp"),
        ("current_setting('threads') = 1", "the function current_setting"),
        ("getvariable('x') = 1", "the function getvariable"),
        ("pg_sleep(9) IS NULL", "the function pg_sleep"),
        ("read_text('/etc/passwd') = ''", "there is no function read_text"),
        ("getenv('HOME') = ''", "there is no function getenv"),
        ("glob('*') = ''", "there is no function glob"),
        ("get_block_size('x') = 1", "the function get_block_size"),
        ("1) + (2", "label.expression"),
        ("1), (2", "not one expression"),
        ("1); SELECT (2", "not one expression"),
        ("1); COPY (SELECT 1) TO '/tmp/x'; SELECT (2", "label.expression"),
        ("late FROM events", "label.expression"),
        ("late > > 1", "syntax error"),
    ],
)
def test_what_is_more_than_the_row_is_refused_by_name(expression: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"^model\.yaml label\.expression: ") as caught:
        label_columns(expression)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    ["events IS NULL", "rowid > 1", "filename > ''", "events.late > 1", "session_user = 'ann'", "latest > 1"],
)
def test_a_name_that_is_no_column_is_refused_whatever_it_would_be_bound_to(expression: str) -> None:
    with pytest.raises(ConfigError, match="is no column of the events table"):
        check_label(expression, TABLE)


def test_a_parameter_of_a_lambda_hides_a_name_only_inside() -> None:
    check_label("len(list_transform(items, events -> events.late)) > 1", TABLE)
    with pytest.raises(ConfigError, match="events is no column"):
        check_label("len(list_transform(items, events -> events.late)) > 1 AND events IS NULL", TABLE)


@pytest.mark.parametrize("spelling", ["DELAY > 15", '"Delay" > 15', "coalesce(DeLaY, 0) > 15"])
def test_another_spelling_hides_the_column_from_features(tiny_model, tmp_path, spelling) -> None:
    tiny_model.edit("    after_event: [delay]\n", "")
    tiny_model.edit("expression: delay > 15", f"expression: '{spelling}'")
    params = params_of(tiny_model)
    assert banned(params, "orders") == ("delay",)
    with connect(tmp_path / "scratch") as session:
        tables = author_tables(session, params, files_of(tiny_model), date(2024, 2, 10))
    assert "delay" not in tables["orders"].columns
    assert "delay" not in tables["labels"].columns
    tiny_model.edit("hour=joined", "delay=joined.delay, hour=joined", "features.py")
    with pytest.raises(ConfigError, match="column delay of table orders is known only after the event"):
        run_build(tiny_model.folder / "features.py", params, tables, date(2024, 2, 9))


def test_after_event_in_another_spelling_hides_too(tiny_model, tmp_path) -> None:
    tiny_model.edit("after_event: [delay]", "after_event: [Delay, DISTANCE]")
    with connect(tmp_path / "scratch") as session:
        tables = author_tables(session, params_of(tiny_model), files_of(tiny_model), date(2024, 2, 10))
    assert not {"delay", "distance"} & set(tables["orders"].columns)


def test_keys_in_another_spelling_stay(tiny_model) -> None:
    tiny_model.edit("key: [order_id]", "key: [Order_ID]")
    tiny_model.edit("expression: delay > 15", "expression: delay > 15 AND ORDER_ID <> ''")
    assert banned(params_of(tiny_model), "orders") == ("delay",)


def test_names_fold_as_duckdb_folds_them() -> None:
    assert folded("CHURNED_Größe_É_İ") == "churned_größe_É_İ"
