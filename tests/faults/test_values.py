"""Bad input, schema, values and time: one delivery spoils a day each way; every day gets its own named answer."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support import write_tiny_model

from pipelines.config.settings import load
from pipelines.ledger.data import load_manifest
from pipelines.ledger.git import Ledger
from pipelines.night.ingest import ingest
from pipelines.night.report import Fate

GOOD_DAYS = 6


def column(data, name, values):
    return data.set_column(data.schema.get_field_index(name), name, values)


def some(data, name, value, rows=3):
    """`value` in the first rows of a column."""
    values = data[name].to_pylist()
    return column(data, name, pa.array([value] * rows + values[rows:], data.schema.field(name).type))


def shifted(data, by):
    return column(data, "placed_at", pc.add(data["placed_at"], pa.scalar(by, pa.duration("us"))))


def half_null(data):
    values = [value if number % 2 else None for number, value in enumerate(data["delay"].to_pylist())]
    return column(data, "delay", pa.array(values, pa.int32()))


def numbers_as_text(data):
    return column(data, "distance", data["distance"].cast(pa.string()))


def nan_label(data):
    return column(data, "delay", pa.array([np.nan] * 3 + data["delay"].to_pylist()[3:], pa.float64()))


def as_dates(data):
    return column(data, "distance", pc.cast(data["distance"], pa.int32(), safe=False).cast(pa.date32()))


def one_class(data):
    return column(data, "delay", pa.array([1] * data.num_rows, pa.int32()))


def in_1970(data):
    return column(data, "placed_at", pa.array([0] * data.num_rows, data.schema.field("placed_at").type))


def mixed_zones(data):
    texts = [f"2024-01-20T10:00:00{zone}" for zone in ("Z", "+05:00")] * (data.num_rows // 2)
    return column(data, "placed_at", pa.array(texts))


QUARANTINED = {
    "13 renamed": (lambda t: t.rename_columns({"delay": "delays"}), "column 'delay' is missing, but 'delays' is there"),
    "14 missing": (lambda t: t.drop_columns(["distance"]), "column 'distance' is missing; the file has order_id,"),
    "18 wrong dtype": (as_dates, "distance: type date instead of float64"),
    "19 numbers as text": (numbers_as_text, "distance: type string instead of float64; numbers as text?"),
    "24 infinite": (lambda t: some(t, "distance", float("inf")), "distance: 3 of 120 values are infinite"),
    "27 zero rows": (lambda t: t.slice(0, 0), "the partition has no rows"),
    "28 row count collapses": (lambda t: t.slice(0, 10), "10 rows where 120 are usual"),
    "29 all null": (lambda t: some(t, "distance", None, rows=120), "distance: all 120 values are null"),
    "30 null rate jumps": (half_null, "ExpectColumnValuesToNotBeNull(column=delay, mostly=0.8): 6"),
    "35 sentinel": (lambda t: some(t, "distance", -999.0), "max_value=40): 3 of 120 rows unexpected, such as -999.0"),
    "37 duplicate keys": (
        lambda t: some(t, "order_id", "twice"),
        "duplicate keys: 2 of 120 rows repeat a key, such as order_id=twice (3 times)",
    ),
    "40 future": (lambda t: shifted(t, timedelta(days=3650)), "120 of 120 event times are outside"),
    "41 1970": (in_1970, "from 1970-01-01T00:00:00+00:00"),
    "42 mixed zones as text": (mixed_zones, "placed_at: the event time is string, not a timestamp"),
}
ACCEPTED = {
    "15 extra": (lambda t: t.append_column("surprise", t["distance"]), "columns nobody expects: surprise"),
    "16 reordered": (lambda t: t.select(t.column_names[::-1]), None),
    "23 NaN is no label": (nan_label, None),
    "26 one class": (one_class, "label: all 120 labelled rows are of one class"),
    "33 unseen category": (lambda t: some(t, "product", "scone"), "3 of 120 rows unexpected, such as scone"),
}
CASES = QUARANTINED | ACCEPTED


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Six good days, then one delivery in which every day is spoilt in its own way; and what the ledger was before."""
    home = tmp_path_factory.mktemp("values")
    settings = load({"EVERGREEN_HOME": str(home / "home"), "EVERGREEN_MODELS": str(home / "models")})
    tiny = write_tiny_model(settings)
    # NaN needs a float column: here the source may deliver delays as whole numbers or not.
    tiny.edit(
        "ExpectColumnValuesToBeOfType, severity: critical, with: {column: delay, type_: int32}",
        "ExpectColumnValuesToBeInTypeList, severity: critical, with: {column: delay, type_list: [int32, float64]}",
        "expectations.yaml",
    )
    ingest(settings, tiny.name, tiny.first, tiny.day(GOOD_DAYS - 1), lambda _: None)
    ledger = Ledger.open(settings, tiny.name)
    before = list(load_manifest(ledger))
    days = {case: tiny.day(GOOD_DAYS + number) for number, case in enumerate(CASES)}
    for case, day in days.items():
        tiny.write(CASES[case][0](tiny.read("orders", day)), "orders", day)
    report = ingest(settings, tiny.name, min(days.values()), max(days.values()), lambda _: None)
    ledger = Ledger.open(settings, tiny.name)
    ledger.fetch()
    return days, {item.partition: item for item in report.outcomes if item.table == "orders"}, before, ledger


@pytest.mark.parametrize("case", QUARANTINED)
def test_the_day_is_quarantined_with_its_reason(night, case):
    days, outcomes, _, ledger = night
    outcome = outcomes[days[case].isoformat()]
    assert outcome.fate is Fate.QUARANTINED
    assert QUARANTINED[case][1] in " | ".join(outcome.reasons)
    assert all(len(reason) <= 300 for reason in outcome.reasons)
    kept = load_manifest(ledger).latest("orders", days[case].isoformat())
    assert kept is not None
    assert (kept.verdict, kept.reasons) == ("quarantined", outcome.reasons)


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_day_is_used_and_told(night, case):
    days, outcomes, _, _ = night
    outcome = outcomes[days[case].isoformat()]
    assert outcome.fate is Fate.ACCEPTED
    told = ACCEPTED[case][1]
    assert told in " | ".join(outcome.warnings) if told else outcome.warnings == ()


def test_what_was_there_is_as_it_was_and_other_tables_go_on(night):
    days, _, before, ledger = night
    manifest = load_manifest(ledger)
    assert [manifest.latest(item.table, item.partition) for item in before] == before
    assert ledger.head("champion") is None
    for day in days.values():
        assert manifest.accepted("skies", day.isoformat()) is not None
    used = {day.isoformat() for day in manifest.days("orders")}
    assert used.isdisjoint(days[case].isoformat() for case in QUARANTINED)
    assert used >= {days[case].isoformat() for case in ACCEPTED}
