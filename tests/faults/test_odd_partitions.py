"""A partition that a library stumbles over, or that nothing can be made of, stops neither the others nor the night."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stories
from support import TinyModel, write_tiny_model

from pipelines.config.settings import Settings
from pipelines.drift.profile import profile
from pipelines.ledger.data import Arrival, Partition, load_manifest, load_types, publish
from pipelines.ledger.git import Ledger
from pipelines.night.ingest import ingest
from pipelines.night.report import Fate, IngestReport
from pipelines.night.take import take
from pipelines.quality import verdict
from pipelines.storage.files import sha256_file
from pipelines.storage.parquet import write_table

Spoil = Callable[[pa.Table], pa.Table]


def extra(values: Callable[[int], pa.Array]) -> Spoil:
    return lambda data: data.append_column("note", values(data.num_rows))


def recast(name: str, kind: pa.DataType) -> Spoil:
    return lambda data: data.set_column(data.column_names.index(name), name, data[name].cast(kind))


def spoilt(name: str, value: object, kind: pa.DataType) -> Spoil:
    return lambda data: data.set_column(data.column_names.index(name), name, pa.array([value] * data.num_rows, kind))


# What stopped a whole ingest or a whole night once. `said`: the reason it is quarantined for; None: it is accepted.
CASES: dict[str, tuple[Spoil, str | None]] = {
    "float16 extra": (extra(lambda n: pa.array(np.arange(n).astype(np.float16))), None),
    "decimal256 extra": (extra(lambda n: pa.array([Decimal("1.5")] * n, pa.decimal256(50, 2))), None),
    "unknown zone extra": (extra(lambda n: pa.array([10**15] * n, pa.timestamp("us", "Mars/Olympus"))), None),
    "duration extra": (extra(lambda n: pa.array(range(n), pa.duration("ms"))), None),
    "float32 for a double": (recast("distance", pa.float32()), None),
    "int8 for an int32": (spoilt("delay", 7, pa.int8()), None),
    "double for an int32": (recast("delay", pa.float64()), None),
    "text in a dictionary": (lambda data: data.set_column(2, "shop", data["shop"].dictionary_encode()), None),
    "large text": (recast("shop", pa.large_string()), None),
    "nanoseconds": (recast("placed_at", pa.timestamp("ns", "America/New_York")), None),
    "no zone": (recast("placed_at", pa.timestamp("ms")), None),
    "year 55,000": (spoilt("placed_at", 1_673_000_000_000_000_000, pa.timestamp("us")), "outside the years 1 to 9999"),
    "dates beyond 9999": (spoilt("placed_at", 10**7, pa.date32()), "outside the years 1 to 9999"),
    "1e300": (spoilt("distance", 1e300, pa.float64()), "larger than a 32-bit float can be"),
    "numbers as text": (recast("distance", pa.string()), "numbers as text?"),
    "halves": (spoilt("delay", 0.5, pa.float64()), "120 of 120 values do not fit int32, such as 0.5"),
}
GOOD = 4


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, date], IngestReport, TinyModel, Settings]:
    """Some good days, then a delivery in which every day is odd in its own way, and a good one at the end."""
    settings = stories.fresh_settings(tmp_path_factory.mktemp("odd"))
    tiny = write_tiny_model(settings, days=GOOD + len(CASES) + 1)
    days = {case: tiny.day(GOOD + number) for number, case in enumerate(CASES)}
    for case, day in days.items():
        tiny.write(CASES[case][0](tiny.read("orders", day)), "orders", day)
    return days, ingest(settings, tiny.name, tiny.first, tiny.last, lambda _: None), tiny, settings


@pytest.mark.parametrize("case", CASES)
def test_ingest_an_odd_day_meets_its_own_fate(told, case) -> None:
    days, report, _, _ = told
    (outcome,) = [item for item in report.outcomes if (item.table, item.partition) == ("orders", str(days[case]))]
    said = CASES[case][1]
    assert outcome.fate is (Fate.QUARANTINED if said else Fate.ACCEPTED), outcome.reasons
    assert (said or "") in " | ".join(outcome.reasons)


def test_ingest_odd_days_leave_the_others_as_they_are(told) -> None:
    days, report, tiny, _ = told
    others = [item for item in report.outcomes if item.partition not in {str(day) for day in days.values()}]
    assert {item.fate for item in others} == {Fate.ACCEPTED}
    assert str(tiny.last) in {item.partition for item in others}


def test_ingest_what_was_accepted_has_one_type_a_column(told) -> None:
    _, _, tiny, settings = told
    ledger = Ledger.open(settings, tiny.name)
    types = load_types(ledger, ["orders"])["orders"]
    assert types == {
        "order_id": "string",
        "placed_at": "timestamp[us, tz=UTC]",
        "shop": "string",
        "product": "string",
    } | {
        "distance": "double",
        "delay": "int32",
        "note": "timestamp[us, tz=UTC]",  # of as many votes each, the same one is taken every time
    }
    remote = Path(settings.dvc_remote)
    for item in load_manifest(ledger):
        if item.table == "orders" and item.accepted:
            schema = pq.read_schema(remote / "files" / "md5" / item.md5[:2] / item.md5[2:])
            assert {field.name: str(field.type) for field in schema if field.name != "note"}.items() <= types.items()


def test_ingest_what_came_in_its_type_is_kept_byte_for_byte_and_the_rest_is_traceable(told) -> None:
    days, _, tiny, settings = told
    manifest = load_manifest(Ledger.open(settings, tiny.name))
    plain = manifest.accepted("orders", str(tiny.first))
    odd = manifest.accepted("orders", str(days["nanoseconds"]))
    assert plain
    assert (plain.sha256, plain.delivered) == (sha256_file(tiny.path("orders", tiny.first)), "")
    assert odd
    assert odd.delivered == sha256_file(tiny.path("orders", days["nanoseconds"])) != odd.sha256


def test_ingest_the_same_odd_bytes_again_change_nothing(told) -> None:
    _, _, tiny, settings = told
    head = Ledger.open(settings, tiny.name).head("data")
    again = ingest(settings, tiny.name, tiny.first, tiny.last, lambda _: None)
    assert {item.fate for item in again.outcomes} == {Fate.UNCHANGED}
    assert again.commit == head


@pytest.mark.parametrize("where", ["judge_text", "judge_values", "judge_label"])
def test_ingest_whatever_a_library_raises_over_one_day_quarantines_that_day(
    tiny_model: TinyModel, settings: Settings, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A fault of a library that nobody has met yet."""
    honest, bad = getattr(verdict, where), tiny_model.read("orders", tiny_model.day(2))

    def stumbling(*arguments: object) -> object:
        if any(isinstance(item, pa.Table) and item.equals(bad) for item in arguments):
            raise RuntimeError("nobody has met this yet")
        return honest(*arguments)

    monkeypatch.setattr(verdict, where, stumbling)
    report = ingest(settings, tiny_model.name, tiny_model.first, tiny_model.day(4), lambda _: None)
    (outcome,) = report.of(Fate.QUARANTINED)
    assert outcome.reasons[0] == "cannot be judged: RuntimeError: nobody has met this yet"
    assert len([item for item in report.of(Fate.ACCEPTED) if item.table == "orders"]) == 4


def test_ingest_a_library_that_stumbles_over_all_days_at_once_is_asked_about_each(
    tiny_model: TinyModel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.quality.expectations import Expectations

    honest, bad = Expectations.judge, tiny_model.read("orders", tiny_model.day(2))

    def stumbling(self: Expectations, partitions: list[pa.Table]) -> object:
        if any(data.equals(bad) for data in partitions):
            raise OverflowError("date value out of range")
        return honest(self, partitions)

    monkeypatch.setattr(Expectations, "judge", stumbling)
    report = ingest(settings, tiny_model.name, tiny_model.first, tiny_model.day(4), lambda _: None)
    (outcome,) = report.of(Fate.QUARANTINED)
    assert (outcome.table, outcome.partition) == ("orders", str(tiny_model.day(2)))
    assert outcome.reasons[0] == "cannot be judged: OverflowError: date value out of range"


def test_take_a_night_goes_on_beside_an_odd_correction(tiny_model: TinyModel, settings: Settings) -> None:
    """One corrected file that no library could read failed the night, and would have for a week."""
    ingest(settings, tiny_model.name, tiny_model.first, tiny_model.day(9), lambda _: None)
    day = tiny_model.day(5)
    tiny_model.write(CASES["dates beyond 9999"][0](tiny_model.read("orders", day)), "orders", day)
    taken = take(settings, tiny_model.name, tiny_model.day(10), lambda _: None)
    assert [(item.table, item.partition) for item in taken.bad] == [("orders", str(day))]
    assert taken.accepted == 2
    kept = load_manifest(Ledger.open(settings, tiny_model.name)).accepted("orders", str(day))
    assert kept is not None
    assert kept.revision == 1


def test_ingest_of_which_nothing_is_accepted_says_so_and_ends_with_3(tiny_model: TinyModel, settings: Settings) -> None:
    for number in range(3):
        day = tiny_model.day(number)
        tiny_model.write(CASES["1e300"][0](tiny_model.read("orders", day)), "orders", day)
    arguments = ("ingest", "tiny", "--from", str(tiny_model.first), "--to", str(tiny_model.day(2)))
    for _ in range(2):  # the second time it is known, and no better
        done = stories.evergreen(settings, *arguments)
        assert done.returncode == 3
        assert "nothing of orders is accepted" in done.stdout
    days = f'{{"from": "{tiny_model.first}", "to": "{tiny_model.day(2)}"}}'
    done = stories.evergreen(settings, "stage", "ingest", "--model", "tiny", "--params", days)
    assert done.returncode == 3
    assert f"nothing of orders is accepted: {tiny_model.first}: distance: 120 of 120 values" in done.stderr
    done = stories.evergreen(settings, *arguments[:-1], str(tiny_model.day(3)))
    assert done.returncode == 0, done.stdout


def accepted_before(settings: Settings, tiny: TinyModel, number: int, data: pa.Table) -> None:
    """Take a day in as it came, without types beside it: as ingest did once."""
    ledger = Ledger.open(settings, tiny.name, create=True)
    path = settings.home / f"before-{number}.parquet"
    write_table(path, data, durable=False)
    partition = Partition(
        table="orders",
        partition=str(tiny.day(number)),
        revision=1,
        path="",
        sha256=sha256_file(path),
        md5="",
        rows=data.num_rows,
        bytes=path.stat().st_size,
        source=f"orders/{tiny.day(number)}.parquet",
        etag="",
        verdict="accepted",
        suite="0" * 64,
    )
    publish(settings, ledger, [Arrival(partition, path, profile(data))], "as before")


POISONS: dict[str, Spoil] = {
    "whole numbers as doubles": recast("delay", pa.float64()),
    "doubles as text": recast("distance", pa.string()),
    "nanoseconds": recast("placed_at", pa.timestamp("ns")),
    "a dictionary": lambda data: data.set_column(2, "shop", data["shop"].dictionary_encode()),
    "no values": lambda data: data.set_column(5, "delay", pa.nulls(data.num_rows)),
    "1e300": spoilt("distance", 1e300, pa.float64()),
}


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("anew", [True, False])
def test_ingest_a_day_that_was_poisoned_before_heals(
    tiny_model: TinyModel, settings: Settings, poison: str, anew: bool
) -> None:
    """By other bytes, or where its values fit, by the same: they are judged anew and brought to the others' types."""
    (tiny_model.folder / "expectations.yaml").write_text("{}\n")
    odd = POISONS[poison](tiny_model.read("orders", tiny_model.day(2)))
    for number in range(5):
        data = odd if number == 2 else tiny_model.read("orders", tiny_model.day(number))
        accepted_before(settings, tiny_model, number, data)
    if not anew:
        tiny_model.write(odd, "orders", tiny_model.day(2))
    ingest(settings, tiny_model.name, tiny_model.first, tiny_model.day(4), lambda _: None)
    ledger = Ledger.open(settings, tiny_model.name)
    kept = load_manifest(ledger).latest("orders", str(tiny_model.day(2)))
    assert kept is not None
    if not anew and poison in ("doubles as text", "1e300", "no values"):
        assert kept.verdict == "quarantined"
        return
    assert (kept.verdict, kept.revision) == ("accepted", 2)
    store = Path(settings.dvc_remote) / "files" / "md5"
    schemas = {
        str(pq.read_schema(store / item.md5[:2] / item.md5[2:]).remove_metadata())
        for number in range(5)
        if (item := load_manifest(ledger).accepted("orders", str(tiny_model.day(number))))
    }
    assert len(schemas) == 1
