"""Bad input, end to end: a bad partition is quarantined by name, all others are taken in, what is stored stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import TinyModel, flip_bit, orders, write_tiny_model

from pipelines.config import settings as configuration
from pipelines.ledger.champion import Champion, ChampionWindow, Reason, promote
from pipelines.ledger.data import load_manifest
from pipelines.ledger.git import Ledger
from pipelines.night.ingest import ingest
from pipelines.night.report import Fate, IngestReport
from pipelines.storage.files import sha256_file

ROWS, OLD = 60, 8
CAPS = "validation: {max_bytes: 100000, max_rows: 2000, max_uncompressed_bytes: 200000}\nwindow:"


def table(change: Callable[[pa.Table], pa.Table]) -> Callable[[TinyModel, Any], None]:
    """A spoiler that delivers a changed table in place of a day's good one."""
    return lambda tiny, day: tiny.write(change(tiny.read("orders", day)), "orders", day) and None


def bytes_of(change: Callable[[Path], Any]) -> Callable[[TinyModel, Any], None]:
    """A spoiler that changes a day's file."""
    return lambda tiny, day: change(tiny.path("orders", day)) and None


def put(data: pa.Table, name: str, values: Any) -> pa.Table:
    return data.set_column(data.column_names.index(name), name, values)


def at(data: pa.Table, moment: datetime) -> pa.Table:
    return put(data, "placed_at", pa.array([moment] * data.num_rows, pa.timestamp("us", tz="UTC")))


def with_nulls(data: pa.Table, name: str, share: float) -> pa.Table:
    mask = pa.array(np.arange(data.num_rows) < share * data.num_rows)
    return put(data, name, pc.if_else(mask, pa.scalar(None, data[name].type), data[name]))


def noise(path: Path) -> None:
    text = [os.urandom(2000).hex() for _ in range(60)]
    pq.write_table(pa.table({"noise": text}), path, compression="none", use_dictionary=False)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".kept"))
    path.symlink_to(path.with_suffix(".kept"))


def latin1(data: pa.Table) -> pa.Table:
    bad = pa.array([b"caf\xe9"] * data.num_rows)
    return put(data, "product", pa.Array.from_buffers(pa.string(), len(bad), bad.buffers()))


def halves(data: pa.Table) -> pa.ChunkedArray:
    return pc.add(data["delay"].cast(pa.float64()), 0.5)


def doubled(data: pa.Table) -> pa.Table:
    return pa.Table.from_arrays([*data.columns, data["shop"]], names=[*data.column_names, "shop"])


@dataclass(frozen=True)
class Case:
    name: str
    spoil: Callable[[TinyModel, Any], None]
    said: str
    fate: Fate = Fate.QUARANTINED


CASES = [
    Case("1 zero bytes", bytes_of(lambda path: path.write_bytes(b"")), "empty (0 bytes)"),
    Case("2 truncated", bytes_of(lambda path: path.write_bytes(path.read_bytes()[:-900])), "truncated"),
    Case("3 not parquet", bytes_of(lambda path: path.write_text("a,b\n1,2\n")), "not parquet"),
    Case("4 one bit flipped", bytes_of(lambda path: flip_bit(path, 400)), "damaged"),
    Case("7 too many rows", lambda tiny, day: tiny.write(orders(day, 2001), "orders", day) and None, "cap of 2000"),
    Case("7 too many bytes", bytes_of(noise), "more than the cap of 100000"),
    Case("6 expands too far", table(lambda t: put(t, "product", pa.array(["x" * 9999] * t.num_rows))), "expands to"),
    Case("9 missing", bytes_of(lambda path: path.unlink()), "", Fate.MISSING),
    Case("13 renamed", table(lambda t: t.rename_columns({"distance": "kilometres"})), "'distance' is missing"),
    Case("14 column missing", table(lambda t: t.drop_columns(["delay"])), "'delay' is missing"),
    Case("15 extra column", table(lambda t: t.append_column("extra", t["shop"])), "extra", Fate.ACCEPTED),
    Case("16 reordered", table(lambda t: t.select(t.column_names[::-1])), "", Fate.ACCEPTED),
    Case("17 duplicated column", table(doubled), "'shop' stands 2 times"),
    Case("18 wrong type", table(lambda t: put(t, "delay", halves(t))), "60 values do not fit int32, such as"),
    Case("19 text", table(lambda t: put(t, "distance", t["distance"].cast(pa.string()))), "numbers as text"),
    Case("21 nested", table(lambda t: put(t, "shop", pa.array([["a"]] * t.num_rows))), "'shop' is nested"),
    Case("22 bad encoding", table(latin1), "'product': In chunk 0: Invalid: Invalid UTF8"),
    Case("24 infinite", table(lambda t: put(t, "distance", pa.array([float("inf")] * t.num_rows))), "infinite"),
    Case("27 zero rows", table(lambda t: t.slice(0, 0)), "no rows"),
    Case("28 rows collapse", table(lambda t: t.slice(0, 5)), "5 rows where 60 are usual"),
    Case(
        "28 rows explode", lambda tiny, day: tiny.write(orders(day, 400), "orders", day) and None, "400 rows where 60"
    ),
    Case("29 all null", table(lambda t: with_nulls(t, "distance", 1)), "distance: all 60 values are null"),
    Case("30 nulls jump", table(lambda t: with_nulls(t, "delay", 0.5)), "delay, mostly=0.8"),
    Case("35 sentinel", table(lambda t: put(t, "distance", pa.array([-999.0] * t.num_rows))), "distance, min_value=0"),
    Case("37 duplicate keys", table(lambda t: pa.concat_tables([t, t.slice(0, 3)])), "duplicate keys: 3 of 63"),
    Case("40 future", table(lambda t: at(t, datetime(2031, 5, 5, tzinfo=UTC))), "event times are outside"),
    Case("41 1970", table(lambda t: at(t, datetime(1970, 1, 1, tzinfo=UTC))), "event times are outside"),
    Case("48 symlink", bytes_of(link), "symbolic link", Fate.REFUSED),
]


@dataclass(frozen=True)
class Night:
    """A ledger before and after a delivery in which every second day is bad in its own way."""

    tiny: TinyModel
    ledger: Ledger
    report: IngestReport
    heads: dict[str, str | None]
    lake: dict[str, str]
    again: IngestReport

    def day(self, case: Case) -> str:
        return self.tiny.day(OLD + CASES.index(case)).isoformat()


def contents(folder: Path) -> dict[str, str]:
    return {str(path): sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    home = tmp_path_factory.mktemp("night")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        settings = configuration.load({"EVERGREEN_HOME": str(home), "EVERGREEN_MODELS": str(home / "models")})
        tiny = write_tiny_model(settings, days=OLD + len(CASES) + 3, rows=ROWS)
        tiny.edit("window:", CAPS)
        ingest(settings, "tiny", tiny.first, tiny.day(OLD - 1), lambda _: None)
        ledger = Ledger.open(settings, "tiny")
        promote(ledger, champion(tiny), None)
        for number, case in enumerate(CASES):
            case.spoil(tiny, tiny.day(OLD + number))
        heads, lake = {ref: ledger.head(ref) for ref in ("data", "champion")}, contents(tiny.lake)
        report = ingest(settings, "tiny", tiny.first, tiny.last, lambda _: None)
        again = ingest(settings, "tiny", tiny.first, tiny.last, lambda _: None)
        ledger.fetch()
        yield Night(tiny, ledger, report, heads, lake, again)


def champion(tiny: TinyModel) -> Champion:
    days = (tiny.day(0), tiny.day(3))
    return Champion(
        version=1,
        run=f"{tiny.day(6)}-20240108T000000Z-abcdef",
        model_sha256="1" * 64,
        since=datetime(2024, 1, 8, tzinfo=UTC),
        reason=Reason(kind="first"),
        window=ChampionWindow(as_of=tiny.day(6), train=days, test=(tiny.day(4), tiny.day(5))),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_bad_partition_meets_its_fate_by_name(night, case):
    found = next(o for o in night.report.outcomes if (o.table, o.partition) == ("orders", night.day(case)))
    told = "; ".join(found.warnings if case.fate is Fate.ACCEPTED else found.reasons)
    assert (found.fate, case.said in told) == (case.fate, True), told
    assert all(
        len(text) <= 300 and str(night.tiny.lake) not in text for text in found.reasons if case.fate != "refused"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_ledger_keeps_the_verdict_and_no_bad_bytes(night, case):
    manifest = load_manifest(night.ledger)
    newest, in_use = (ask("orders", night.day(case)) for ask in (manifest.latest, manifest.accepted))
    if case.fate is Fate.ACCEPTED:
        assert newest == in_use
        assert newest.sha256 == sha256_file(night.tiny.path("orders", night.tiny.day(OLD + CASES.index(case))))
    elif case.fate is Fate.QUARANTINED:
        assert (newest.verdict, newest.path, in_use) == ("quarantined", "", None)
        assert case.said in "; ".join(newest.reasons)
    else:
        assert newest is None


def test_all_good_partitions_are_taken_in(night):
    bad = {night.day(case) for case in CASES if case.fate is not Fate.ACCEPTED}
    assert {day.isoformat() for day in load_manifest(night.ledger).days("orders")} == {
        night.tiny.day(number).isoformat() for number in range(OLD + len(CASES) + 3)
    } - bad
    assert len(load_manifest(night.ledger).days("skies")) == OLD + len(CASES) + 3


def test_what_was_stored_before_is_untouched(night):
    ledger, old = night.ledger, night.heads["data"]
    assert ledger.head("champion") == night.heads["champion"]
    assert ledger.is_ancestor(old, ledger.head("data"))
    now = load_manifest(ledger)
    for item in load_manifest(ledger, old):
        assert now.latest(item.table, item.partition) == item


def test_the_lake_is_never_written_to(night):
    assert contents(night.tiny.lake) == night.lake


def test_the_same_delivery_again_changes_nothing(night):
    """Case 45, good and bad partitions alike."""
    assert not night.again.changed
    assert night.again.commit == night.report.commit == night.ledger.head("data")
    assert "nothing new" in night.again.render()


def test_the_report_counts_and_names(night):
    told = night.report.to_json()
    wanted = {fate: {night.day(case) for case in CASES if case.fate is fate} for fate in Fate}
    for fate in (Fate.QUARANTINED, Fate.MISSING, Fate.REFUSED):
        assert {item["partition"] for item in told[fate.value]} == wanted[fate]
    assert told["unchanged"] == 2 * OLD + 1
    assert f"and {len(wanted[Fate.QUARANTINED]) - 10} more quarantined" in night.report.render()
