"""The check of raw data on made-up days: what is usual raises nothing, each kind of bug is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support import TinyModel

from pipelines.config.policy import BugKind
from pipelines.databug.check import check
from pipelines.databug.days import MIN_HISTORY, Day, DayProfiles
from pipelines.databug.finding import Finding
from pipelines.databug.twins import find_twins, with_twins
from pipelines.drift.grid import Grid, make_grid
from pipelines.drift.profile import profile

FIRST = date(2024, 1, 1)
DAYS = 42
SHOPS = ("east", "north", "south", "west")
Change = Callable[[pa.Table], pa.Table]


def orders(number: int, rows: int = 600) -> pa.Table:
    """A day of orders: minutes of promised and real arrival, lateness, metres, shop and driver; some never arrive."""
    random = np.random.default_rng(number)
    weekend = (FIRST + timedelta(days=number)).weekday() > 4
    rows = int(rows * (0.7 if weekend else 1) * random.uniform(0.95, 1.05))
    promised = random.uniform(300, 1300, rows)
    late = random.normal(5 + random.normal(0, 4), 12, rows)
    gone = random.random(rows) < random.choice([0.02, 0.03, 0.2], p=[0.6, 0.35, 0.05])
    return pa.table(
        {
            "promised": np.rint(promised),
            "arrived": pa.array(np.rint(promised + late), mask=gone),
            "late": pa.array(np.rint(late), mask=gone),
            "distance": random.gamma(4, 300, rows),
            "day": pa.array([number % 30] * rows, pa.int32()),
            "shop": random.choice(SHOPS, rows, p=[0.4, 0.3, 0.2, 0.1]),
            "driver": [f"d{n}" for n in random.integers(0, 300, rows)],
        }
    )


@pytest.fixture(scope="module")
def past() -> tuple[Grid, tuple[Day, ...]]:
    tables = [orders(number) for number in range(DAYS)]
    twins = find_twins(pa.concat_tables(tables[:20]))
    grid = make_grid(with_twins(pa.concat_tables(tables[:20]), twins))
    return grid, tuple(as_day(number, table, grid) for number, table in enumerate(tables))


def as_day(number: int, table: pa.Table, grid: Grid) -> Day:
    made = profile(with_twins(table, grid.columns), grid)
    return Day(FIRST + timedelta(days=number), table.num_rows, made)


def days(past: tuple[Grid, tuple[Day, ...]], table: pa.Table | None, number: int = DAYS) -> DayProfiles:
    grid, history = past
    today = None if table is None else as_day(number, table, grid)
    return DayProfiles(today, history, grid.edges, "missing" if today is None else "accepted")


@pytest.fixture
def found(past: tuple[Grid, tuple[Day, ...]], tiny_model: TinyModel) -> Callable[..., tuple[Finding, ...]]:
    def ask(change: Change = lambda table: table, number: int = DAYS) -> tuple[Finding, ...]:
        day = FIRST + timedelta(days=number)
        return check({"orders": days(past, change(orders(number)), number)}, tiny_model.model, day)

    return ask


def put(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def times(name: str, factor: float) -> Change:
    return lambda table: put(table, name, pc.multiply(table[name], factor))


def plus(*names: str, by: float) -> Change:
    def change(table: pa.Table) -> pa.Table:
        for name in names:
            table = put(table, name, pc.add(table[name], by))
        return table

    return change


def every(name: str, count: int, value: float) -> Change:
    def change(table: pa.Table) -> pa.Table:
        return put(table, name, [value if n % count == 0 else x for n, x in enumerate(table[name].to_pylist())])

    return change


def named(mapping: dict[str, str]) -> Change:
    return lambda table: put(table, "shop", [mapping.get(x, x) for x in table["shop"].to_pylist()])


BUGS = {
    "no value at all": (lambda t: put(t, "distance", pa.nulls(t.num_rows, pa.float64())), BugKind.NULLS, "distance"),
    "half without a value": (
        lambda t: put(t, "distance", [None if n % 2 else x for n, x in enumerate(t["distance"].to_pylist())]),
        BugKind.NULLS,
        "distance",
    ),
    "34 constant number": (lambda t: put(t, "distance", [7.5] * t.num_rows), BugKind.CONSTANT, "distance"),
    "34 constant text": (lambda t: put(t, "shop", ["east"] * t.num_rows), BugKind.CONSTANT, "shop"),
    "31 miles to km": (times("distance", 1.609), BugKind.SCALE, "distance"),
    "31 km to miles": (times("distance", 1 / 1.609), BugKind.SCALE, "distance"),
    "31 minutes to seconds": (times("late", 60), BugKind.SCALE, "late"),
    "one hour later": (plus("arrived", by=60), BugKind.SHIFT, "promised - arrived"),
    "one hour later, and so late": (plus("arrived", "late", by=60), BugKind.SHIFT, "late"),
    "35 sentinel": (every("distance", 20, -99_999.0), BugKind.SENTINEL, "distance"),
    "renamed": (named({"north": "N"}), BugKind.CATEGORY_RENAMED, "shop"),
    "all renamed": (named({shop: shop.upper() for shop in SHOPS}), BugKind.CATEGORY_RENAMED, "shop"),
    "changed places": (named({"east": "west", "west": "east"}), BugKind.CATEGORY_RENAMED, "shop"),
    "many renamed": (
        lambda t: put(t, "driver", [x.replace("d", "driver-") for x in t["driver"].to_pylist()]),
        BugKind.CATEGORY_RENAMED,
        "driver",
    ),
    "32 explosion": (
        lambda t: put(t, "shop", [f"{x}-{n}" for n, x in enumerate(t["shop"].to_pylist())]),
        BugKind.CATEGORIES,
        "shop",
    ),
    "half of a group": (
        lambda t: t.filter(pa.array([x != "north" or n % 2 == 0 for n, x in enumerate(t["shop"].to_pylist())])),
        BugKind.GROUP_ROWS,
        "shop",
    ),
    "few rows": (lambda t: t.slice(0, t.num_rows // 3), BugKind.ROWS, None),
    "many rows": (lambda t: pa.concat_tables([t, t, t]), BugKind.ROWS, None),
    "14 column gone": (lambda t: t.drop_columns(["distance"]), BugKind.SCHEMA, "distance"),
    "19 numbers as text": (lambda t: put(t, "distance", t["distance"].cast(pa.string())), BugKind.SCHEMA, "distance"),
    "no rows": (lambda t: t.slice(0, 0), BugKind.TABLE_STOPPED, None),
}


@pytest.mark.parametrize("case", BUGS)
def test_a_bug_is_named(found, case):
    change, kind, column = BUGS[case]
    findings = found(change)
    assert (kind, column) in {(item.kind, item.column) for item in findings}, findings
    for item in findings:
        assert 1 <= item.score <= 1e6
        assert 0 < len(item.sentence) <= 300
        assert item.to_json()["kind"] == str(item.kind)


@pytest.mark.parametrize("number", range(DAYS, DAYS + 60))
def test_ordinary_days_are_none(found, number):
    assert found(number=number) == ()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t.append_column("new", t["late"]), id="15 a column more"),
        pytest.param(named({"west": "east"}), id="a category ended"),
        pytest.param(every("distance", 10**6, 90_000.0), id="one wrong reading"),
    ],
)
def test_news_is_no_bug(found, change):
    assert found(change) == ()


def test_a_storm_is_no_bug(found):
    """Half of the orders have no arrival, those that have are late, the later the worse."""

    def storm(table: pa.Table) -> pa.Table:
        late = np.array(table["late"].fill_null(0))
        late = late + np.random.default_rng(7).gamma(1.2, 60, len(late))
        gone = np.arange(len(late)) % 2 == 0
        arrived = np.array(table["promised"]) + late
        return put(put(table, "late", pa.array(late, mask=gone)), "arrived", pa.array(arrived, mask=gone))

    assert found(storm) == ()


def test_a_table_that_did_not_come(past, tiny_model):
    day = FIRST + timedelta(days=DAYS)
    (finding,) = check({"orders": days(past, None)}, tiny_model.model, day)
    assert (finding.kind, finding.table, finding.column) == (BugKind.TABLE_STOPPED, "orders", None)
    assert "2024-02-11" in finding.sentence


def test_a_table_that_never_comes_on_this_weekday(past, tiny_model):
    day = FIRST + timedelta(days=DAYS)
    grid, history = past
    weekly = (grid, tuple(item for item in history if item.day.weekday() != day.weekday()))
    assert check({"orders": days(weekly, None)}, tiny_model.model, day) == ()


def test_a_quarantined_partition_is_a_bug_with_its_reason(past, tiny_model):
    given = replace(days(past, None), state="quarantined", reasons=("delay: type double instead of int32",))
    (finding,) = check({"orders": given}, tiny_model.model, FIRST + timedelta(days=DAYS))
    assert finding.kind is BugKind.QUARANTINED
    assert "type double" in finding.sentence


@pytest.mark.parametrize("case", ["31 miles to km", "one hour later", "renamed", "half of a group"])
def test_without_enough_history_nothing_is_judged(past, tiny_model, case):
    grid, history = past
    young = days((grid, history[-MIN_HISTORY + 1 :]), BUGS[case][0](orders(DAYS)))
    assert check({"orders": young}, tiny_model.model, FIRST + timedelta(days=DAYS)) == ()


def test_static_tables_are_not_judged(past, tiny_model):
    assert check({"shops": days(past, None)}, tiny_model.model, FIRST + timedelta(days=DAYS)) == ()


def test_profiles_without_histograms_are_judged_by_the_rest(past, tiny_model):
    """A ledger whose older profiles were made before there were grids."""
    history = tuple(Day(day.day, day.rows, profile(orders(number))) for number, day in enumerate(past[1]))
    table = BUGS["renamed"][0](orders(DAYS))
    given = DayProfiles(Day(FIRST + timedelta(days=DAYS), table.num_rows, profile(table)), history)
    assert {item.kind for item in check({"orders": given}, tiny_model.model, given.today.day)} == {
        BugKind.CATEGORY_RENAMED
    }
