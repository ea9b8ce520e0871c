"""A feature table: what an author may do wrong, and what comes out when it is right."""

import sys
import textwrap
from datetime import timedelta

import pyarrow as pa
import pytest
from lakefiles import files_of, params_of

from pipelines.engines.frame import open_frame
from pipelines.engines.local import connect
from pipelines.engines.sources import first_row_id
from pipelines.errors import ConfigError, DataError

HEAD = """
import ibis
from pipelines.features import finish

def build(tables, as_of):
    orders, skies, shops, labels = (tables[name] for name in ("orders", "skies", "shops", "labels"))
"""


def write(tiny, body: str) -> None:
    text = HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    (tiny.folder / "features.py").write_text(text)


def table(
    tiny, tmp_path, first: int = 15, last: int = 38, *, label: bool = True, now=None, threads: int = 2
) -> pa.Table:
    with connect(tmp_path / "scratch", threads=threads) as session:
        frame = open_frame(session, params_of(tiny), files_of(tiny), tiny.folder / "features.py", now=now)
        return frame.table(tiny.day(first), tiny.day(last), label=label)


def test_every_event_once_in_order_with_its_label(tiny_model, tmp_path):
    found = table(tiny_model, tmp_path)
    days = range(15, 39)
    assert found["row_id"].to_pylist() == [
        first_row_id(tiny_model.day(day)) + row for day in days for row in range(120)
    ]
    assert found.column_names[:3] == ["row_id", "event_date", "label"]
    assert found["event_date"].to_pylist() == [tiny_model.day(day) for day in days for _ in range(120)]
    delays = pa.chunked_array(
        [tiny_model.read("orders", tiny_model.day(day))["delay"].combine_chunks() for day in days]
    )
    expected = [None if delay is None else float(delay > 15) for delay in delays.to_pylist()]
    assert found["label"].to_pylist() == expected


def test_types_are_narrow(tiny_model, tmp_path):
    write(
        tiny_model,
        """
        columns = {
            "text": orders.shop, "yes": orders.distance > 1, "tiny": ibis.literal(1, "int8"),
            "small": ibis.literal(1, "int16"), "plain": ibis.literal(1, "int32"), "big": ibis.literal(1, "int64"),
            "unsigned": ibis.literal(1, "uint16"), "double": orders.distance,
            "exact": ibis.literal("1.5").cast("decimal(9,2)"),
        }
        return finish(orders.mutate(**columns), list(columns))
        """,
    )
    found = table(tiny_model, tmp_path, label=False)
    assert {name: str(found.schema.field(name).type) for name in found.column_names[2:]} == {
        "text": "string", "yes": "int8", "tiny": "int8", "small": "int16", "plain": "int32", "big": "float",
        "unsigned": "int32", "double": "float", "exact": "float",
    }  # fmt: skip


def test_what_the_author_gave_a_feature_is_kept_whatever_the_table_makes_of_it(tiny_model, tmp_path):
    write(
        tiny_model,
        """
        return finish(orders.mutate(
            wide=orders.row_id, small=orders.placed_at.hour().cast("uint8"),
            far=orders.distance > 3, huge=orders.row_id.cast("uint64"), exact=orders.distance.cast("decimal(9, 2)"),
        ), ["shop", "wide", "small", "far", "huge", "exact"])
        """,
    )
    with connect(tmp_path / "scratch") as session:
        frame = open_frame(session, params_of(tiny_model), files_of(tiny_model), tiny_model.folder / "features.py")
    assert {item.name: item.type for item in frame.features} == {
        "shop": "text", "wide": "integer", "small": "integer", "far": "boolean", "huge": "float", "exact": "float"
    }  # fmt: skip


def test_one_day_is_the_same_alone_as_in_the_window(tiny_model, tmp_path):
    day = tiny_model.day(30)
    whole = table(tiny_model, tmp_path, label=False)
    alone = table(tiny_model, tmp_path, 30, 30, label=False, now=day)
    start = first_row_id(day)
    mask = pa.compute.and_(
        pa.compute.greater_equal(whole["row_id"], start), pa.compute.less(whole["row_id"], start + 10**8)
    )
    assert whole.filter(mask).combine_chunks().equals(alone.combine_chunks())


def test_threads_change_nothing(tiny_model, tmp_path):
    assert table(tiny_model, tmp_path, threads=1).equals(table(tiny_model, tmp_path, threads=2))


def test_memtable_of_the_author(tiny_model, tmp_path):
    write(
        tiny_model,
        """
        import pyarrow as pa
        rank = ibis.memtable(pa.table({"shop": ["north", "south"], "rank": [1, 2]}))
        return finish(orders.left_join(rank, "shop"), ["rank"])
        """,
    )
    assert set(table(tiny_model, tmp_path)["rank"].to_pylist()) == {1.0, 2.0, None}


MISTAKES = {
    "a join that doubles rows": (
        "return finish(orders.left_join(skies.select('shop', 'rain'), 'shop'), ['rain'])",
        DataError,
        r"rows stand twice or more, first row 0 of 2024-01-16.*join on keys that are unique",
    ),
    "an inner join that loses rows": (
        "return finish(orders.join(shops.filter(shops.shop != 'north'), 'shop'), ['couriers'])",
        DataError,
        r"2024-01: \d+ rows for 1920 events",
    ),
    "all rows lost": ("return finish(orders.filter(orders.distance < 0), ['distance'])", DataError, "0 rows for 1920"),
    "known too late": (
        "return orders.select('row_id', 'distance', known_at=orders.placed_at)",
        DataError,
        "rows are known only after their day has begun, first row 0 of 2024-01-16",
    ),
    "known_at null": (
        "return orders.select('row_id', 'distance', known_at=ibis.null('timestamp'))",
        DataError,
        "known_at is null in 1920 rows",
    ),
    "infinite": (
        "return finish(orders.mutate(ratio=orders.distance / (orders.distance - orders.distance)), ['ratio'])",
        DataError,
        "feature ratio, 2024-01: 1920 values are infinite",
    ),
    "beyond 32 bits": (
        "return finish(orders.mutate(vast=orders.distance * -1e300), ['vast'])",
        DataError,
        r"feature vast, 2024-01: 1920 values are infinite or beyond 3.4e38, first row 0 of 2024-01-16",
    ),
    "a name that XGBoost does not take": (
        "return finish(orders.mutate(**{'a<b': orders.distance}), ['a<b'])",
        ConfigError,
        r"feature 'a<b' cannot be named to XGBoost.*another name",
    ),
    "an index as a name": (
        "return finish(orders.mutate(**{'x[1]': orders.distance}), ['x[1]'])",
        ConfigError,
        r"feature 'x\[1\]' cannot be named to XGBoost",
    ),
    "names that differ in case only": (
        "return finish(orders.mutate(far=orders.distance, FAR=-orders.distance), ['far', 'FAR'])",
        ConfigError,
        "columns far and FAR differ in case only",
    ),
    "the label in capitals": (
        "return finish(orders.mutate(LABEL=orders.distance), ['LABEL'])",
        ConfigError,
        "feature LABEL has the name of the label",
    ),
    "a banned column in capitals": (
        "return finish(orders.mutate(DELAY=orders.distance), ['DELAY'])",
        ConfigError,
        "feature DELAY has the name",
    ),
    "no row_id": ("return orders.select('distance')", ConfigError, "gave back no row_id"),
    "no known_at": ("return orders.select('row_id', 'distance')", ConfigError, "gave back no known_at"),
    "known_at of the wrong type": (
        "return orders.select('row_id', 'distance', known_at=orders.event_date)",
        ConfigError,
        "known_at is date, not timestamp",
    ),
    "no feature": ("return finish(orders, [])", ConfigError, "no feature"),
    "a feature called label": (
        "return finish(orders.mutate(label=orders.distance), ['label'])",
        ConfigError,
        "feature label has the name of the label",
    ),
    "a feature called as a banned column": (
        "return finish(orders.mutate(delay=orders.distance), ['delay'])",
        ConfigError,
        "feature delay has the name",
    ),
    "a date as feature": ("return finish(orders, ['event_date'])", ConfigError, "event_date"),
    "a time as feature": (
        "return finish(orders, ['placed_at'])",
        ConfigError,
        "feature placed_at is of type timestamp",
    ),
    "banned by attribute": (
        "return finish(orders.mutate(x=orders.delay), ['x'])",
        ConfigError,
        r"features\.py line 7: column delay of table orders is known only after the event and banned",
    ),
    "banned by name": ("return finish(orders, ['delay'])", ConfigError, "column delay of table orders is known only"),
    "banned by item in labels": (
        "return finish(labels.mutate(x=labels['delay']), ['x'])",
        ConfigError,
        "column delay of table orders is known only",
    ),
    "any exception": ("return 1 / 0", ConfigError, r"features\.py line 7: ZeroDivisionError: division by zero"),
    "no table": ("return 7", ConfigError, "build gave back int"),
    "a query that fails on the data": (
        "return finish(orders.mutate(x=orders.shop.cast('int32')), ['x'])",
        ConfigError,
        "Could not convert string|Conversion Error",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_with_a_reason(tiny_model, tmp_path, mistake):
    body, kind, message = MISTAKES[mistake]
    write(tiny_model, body)
    with pytest.raises(kind, match=message) as caught:
        table(tiny_model, tmp_path)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def build(tables, as_of:\n    pass", r"features\.py line 1: SyntaxError"),
        ("x = 1\nimport nowhere_to_be_found", r"features\.py line 2: ModuleNotFoundError"),
        ("x = 1", "has no function build"),
    ],
)
def test_file_that_does_not_load(tiny_model, tmp_path, text, message):
    (tiny_model.folder / "features.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        table(tiny_model, tmp_path)


def test_loading_leaves_no_trace(tiny_model, tmp_path):
    before = set(sys.modules)
    table(tiny_model, tmp_path, 30, 30)
    assert not [name for name in set(sys.modules) - before if "features" in name and "pipelines" not in name]
    assert sorted(path.name for path in tiny_model.folder.iterdir()) == [
        "expectations.yaml",
        "features.py",
        "model.yaml",
    ]


@pytest.mark.parametrize(
    ("expression", "message"),
    [("delay", "labels are not legal for a binary model; the first is"), ("delay / 0.0", "not legal.*inf")],
)
def test_illegal_labels(tiny_model, tmp_path, expression, message):
    tiny_model.edit("expression: delay > 15", f"expression: {expression}")
    write(tiny_model, "return finish(orders, ['distance'])")
    with pytest.raises(DataError, match=message):
        table(tiny_model, tmp_path)


@pytest.mark.parametrize(("factor", "legal"), [("1e9", True), ("1e13", True), ("1e19", False), ("1e300", False)])
def test_labels_of_a_regression_are_what_32_bits_can_square(tiny_model, tmp_path, factor, legal):
    tiny_model.edit("task: binary", "task: regression")
    tiny_model.edit("expression: delay > 15", f"expression: delay * {factor}")
    tiny_model.edit("labels.label.cast", "(labels.label > 15).cast", "features.py")
    if legal:
        assert table(tiny_model, tmp_path)["label"].null_count < 200
    else:
        with pytest.raises(DataError, match=r"not legal for a regression model.*divide it by a unit"):
            table(tiny_model, tmp_path)


def test_day_without_partition_is_left_out(tiny_model, tmp_path):
    tiny_model.path("orders", tiny_model.day(20)).unlink()
    found = set(table(tiny_model, tmp_path)["event_date"].to_pylist())
    assert tiny_model.day(20) not in found
    assert len(found) == 23


def test_labels_of_the_newest_days_are_not_known_to_features(tiny_model, tmp_path):
    write(tiny_model, "return finish(orders.mutate(x=labels.event_date.max().as_scalar().day()), ['x'])")
    now = tiny_model.day(30)
    found = table(tiny_model, tmp_path, 30, 30, label=False, now=now)
    assert set(found["x"].to_pylist()) == {(now - timedelta(days=2)).day}
