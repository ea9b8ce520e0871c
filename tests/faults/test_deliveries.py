"""Odd deliveries: tiny files, halves, rounded ids, weights, zones and clocks (cases 8, 12, 20, 36, 42, 43, 48)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import TinyModel, write_tiny_model

from pipelines.config import settings as configuration
from pipelines.config.load import load_model
from pipelines.config.model import Table, Training
from pipelines.config.settings import Settings
from pipelines.engines.columns import Columns
from pipelines.engines.mentions import EVERYTHING
from pipelines.engines.survey import Survey
from pipelines.errors import ConfigError, PassingFault
from pipelines.ledger.data import load_manifest
from pipelines.ledger.git import Ledger
from pipelines.night.ingest import ingest
from pipelines.night.report import Fate, Outcome
from pipelines.quality.values import judge_rounded, judge_values
from pipelines.storage import lake_folder

GOOD = 6
STRAY = 2000
NEW_YORK = "America/New_York"
Spoil = Callable[[TinyModel, date], None]


def in_pieces(tiny: TinyModel, day: date) -> None:
    """Case 8: a folder of tiny files where one file should be, as some engines write."""
    path = tiny.path("orders", day)
    whole = path.read_bytes()
    path.unlink()
    path.mkdir()
    for number in range(STRAY):
        (path / f"part-{number:05d}.parquet").write_bytes(whole[:64])


def half(tiny: TinyModel, day: date) -> None:
    path = tiny.path("orders", day)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def placed(change: Callable[[pa.ChunkedArray], Any]) -> Spoil:
    def spoil(tiny: TinyModel, day: date) -> None:
        table = tiny.read("orders", day)
        place = table.column_names.index("placed_at")
        tiny.write(table.set_column(place, "placed_at", change(table["placed_at"])), "orders", day)

    return spoil


def partly_local(at: pa.ChunkedArray) -> pa.Array:
    """Every second row says the hour of New Delhi and calls it UTC."""
    return pa.array(
        [moment + timedelta(hours=5, minutes=30) * (number % 2) for number, moment in enumerate(at.to_pylist())],
        at.type,
    )


def dangling(tiny: TinyModel, day: date) -> None:
    path = tiny.path("orders", day)
    path.unlink()
    path.symlink_to("/etc/nowhere")


CASES: dict[str, tuple[Spoil, Fate, str]] = {
    "8 tiny files in place of one": (in_pieces, Fate.REFUSED, "is no ordinary file"),
    "12 half uploaded": (half, Fate.QUARANTINED, "truncated"),
    "42 another zone, the same instants": (
        placed(lambda at: at.cast(pa.timestamp("us", "Asia/Kathmandu"))),
        Fate.ACCEPTED,
        "",
    ),
    "42 local times among UTC": (placed(partly_local), Fate.QUARANTINED, "event times are outside"),
    "42 no zone is UTC": (placed(lambda at: at.cast(pa.timestamp("us"))), Fate.ACCEPTED, ""),
    "48 dangling link": (dangling, Fate.REFUSED, "symbolic link"),
}


@dataclass(frozen=True)
class Night:
    """One delivery of odd days after six good ones, among thousands of files that nobody asked for."""

    settings: Settings
    tiny: TinyModel
    outcomes: dict[str, Outcome]

    def day(self, case: str) -> date:
        return self.tiny.day(GOOD + list(CASES).index(case))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    home = tmp_path_factory.mktemp("deliveries")
    settings = configuration.load({"EVERGREEN_HOME": str(home / "home"), "EVERGREEN_MODELS": str(home / "models")})
    tiny = write_tiny_model(settings, days=GOOD + len(CASES) + 1)
    for number in range(STRAY):
        (tiny.lake / "orders" / f"part-{number:05d}.parquet").write_bytes(b"PAR1")
    for number, (spoil, _, _) in enumerate(CASES.values()):
        spoil(tiny, tiny.day(GOOD + number))
    report = ingest(settings, "tiny", tiny.first, tiny.last, lambda _: None)
    return Night(settings, tiny, {item.partition: item for item in report.outcomes if item.table == "orders"})


@pytest.mark.parametrize("case", CASES)
def test_an_odd_delivery_meets_its_fate_by_name(night: Night, case: str) -> None:
    _, fate, said = CASES[case]
    found = night.outcomes[night.day(case).isoformat()]
    assert (found.fate, said in "; ".join(found.reasons)) == (fate, True), found.reasons


def test_8_files_that_nobody_asked_for_are_not_looked_at(night: Night) -> None:
    assert set(night.outcomes) == {night.tiny.day(number).isoformat() for number in range(GOOD + len(CASES) + 1)}
    for number in (*range(GOOD), GOOD + len(CASES)):
        assert night.outcomes[night.tiny.day(number).isoformat()].fate is Fate.ACCEPTED


def test_12_the_whole_file_becomes_the_next_revision(night: Night) -> None:
    from support import orders

    day = night.day("12 half uploaded")
    night.tiny.write(orders(day), "orders", day)
    report = ingest(night.settings, "tiny", day, day, lambda _: None)
    (found,) = [item for item in report.outcomes if item.table == "orders"]
    assert (found.fate, found.revision) == (Fate.ACCEPTED, 2)
    ledger = Ledger.open(night.settings, "tiny")
    ledger.fetch()
    assert load_manifest(ledger).accepted("orders", day.isoformat()).revision == 2


def test_12_a_file_that_is_still_being_written_is_tried_again(
    settings: Settings, tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, still = lake_folder._copy, [tiny_model.path("orders", tiny_model.first)]

    def slow(file: Any, target: Path, cap: int) -> Any:
        result = copy(file, target, cap)
        while still:
            with still.pop().open("ab") as upload:
                upload.write(b" and more")
        return result

    monkeypatch.setattr(lake_folder, "_copy", slow)
    place = lake_folder.FolderPlace(tiny_model.lake, ("orders", f"{tiny_model.first}.parquet"))
    with pytest.raises(PassingFault, match="changed while it was being read") as caught:
        lake_folder.fetch(place, settings.home / "copy", 10**6)
    assert caught.value.exit_code == 75
    assert lake_folder.fetch(place, settings.home / "copy", 10**6).bytes == place.path.stat().st_size


def said_of(data: pa.Table, key: str = "id") -> list[tuple[str, str]]:
    table = Table(role="static", uri="x.parquet", key=[key])
    found = judge_values(table, (), frozenset(), data, None) + judge_rounded(table.key, EVERYTHING, data, data)
    return [(item.severity, item.sentence) for item in found]


@pytest.mark.parametrize(("kind", "bits"), [(pa.float64(), 53), (pa.float32(), 24)])
def test_20_ids_that_were_rounded_are_refused(kind: pa.DataType, bits: int) -> None:
    ids = pa.array([float(2**bits + 2 * number) for number in range(5)], pa.float64()).cast(kind)
    ((severity, sentence),) = said_of(pa.table({"id": ids}))
    assert severity == "critical"
    assert f"id: 5 of 5 whole numbers came as {kind} and are beyond 2^{bits}: digits lost" in sentence
    ((severity, _),) = said_of(pa.table({"id": [1, 2, 3, 4, 5], "other": ids}))
    assert severity == "warning"


@pytest.mark.parametrize(
    "ids", [pa.array([2**53 + 1, 2**60], pa.int64()), pa.array([1.0, 2.0**52]), pa.array([1e30, 0.5])]
)
def test_20_what_kept_its_digits_is_fine(ids: pa.Array) -> None:
    assert said_of(pa.table({"id": ids})) == []


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("  rounds: 60", "  rounds: 60\n  weight: paid"),
        ("  rounds: 60", "  rounds: 60\n  sample_weight: -1"),
        ("  rounds: 60", "  rounds: 60\n  class_weight: -1"),
        ("booster: {", "booster: {scale_pos_weight: -1, "),
    ],
)
def test_36_a_model_yaml_can_ask_for_no_weight_but_balanced_classes(
    tiny_model: TinyModel, place: str, key: str
) -> None:
    tiny_model.edit(place, key)
    with pytest.raises(ConfigError, match=r"model\.yaml line \d+: training\."):
        load_model(tiny_model.folder)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=5))
def test_36_weights_of_classes_are_never_negative(counts: list[int]) -> None:
    training = Training(class_weight="balanced")
    survey = Survey(sum(counts), tuple(counts), Columns((), {}))
    assert all(weight >= 0 for weight in survey.weights(training))


EVENTS = Table(role="events", uri="x/{date}.parquet", key=["id"], time="at", time_zone=NEW_YORK)
SPRING, AUTUMN = date(2024, 3, 10), date(2024, 11, 3)


def instants(first: datetime, count: int, minutes: int = 30) -> pa.Table:
    at = [first + timedelta(minutes=minutes * number) for number in range(count)]
    return pa.table({"id": list(range(count)), "at": pa.array(at, pa.timestamp("us", "UTC"))})


@pytest.mark.parametrize(
    ("day", "begin", "hours"),
    [(SPRING, datetime(2024, 3, 10, 5, tzinfo=UTC), 23), (AUTUMN, datetime(2024, 11, 3, 4, tzinfo=UTC), 25)],
)
def test_43_every_instant_belongs_to_one_day(day: date, begin: datetime, hours: int) -> None:
    """The hour that does not exist lacks in no day, the hour that comes twice is in its day twice, as two instants."""
    data = instants(begin - timedelta(days=1), 2 * 72)
    belongs = [0] * data.num_rows
    for shift in (-1, 0, 1):
        on = day + timedelta(days=shift)
        for number in range(data.num_rows):
            belongs[number] += not judge_values(EVENTS, (), frozenset(), data.slice(number, 1), on)
    first, after = 48, 48 + 2 * hours
    assert belongs[first:after] == [1] * (2 * hours)
    assert judge_values(EVENTS, (), frozenset(), data.slice(first, 2 * hours), day) == []
    for outside in (data.slice(first - 1, 2), data.slice(after - 1, 2)):
        (finding,) = judge_values(EVENTS, (), frozenset(), outside, day)
        assert "1 of 2 event times are outside" in finding.sentence


def test_43_local_times_without_a_zone_are_found_out() -> None:
    """Wall-clock times are UTC when they do not say otherwise: the evening of such a day is the next one's."""
    naive = pa.array([datetime(2024, 3, 10, hour) for hour in (0, 1, 3, 4, 23)], pa.timestamp("us"))
    (finding,) = judge_values(EVENTS, (), frozenset(), pa.table({"id": range(5), "at": naive}), SPRING)
    assert "4 of 5 event times are outside 2024-03-10 (America/New_York)" in finding.sentence


def test_48_a_folder_that_is_a_link_is_not_gone_through(settings: Settings, tiny_model: TinyModel) -> None:
    (tiny_model.lake / "orders").rename(tiny_model.lake / "elsewhere")
    (tiny_model.lake / "orders").symlink_to("elsewhere")
    report = ingest(settings, "tiny", tiny_model.first, tiny_model.first, lambda _: None)
    fates = {item.table: (item.fate, "; ".join(item.reasons)) for item in report.outcomes}
    assert fates["orders"][0] is Fate.REFUSED
    assert "symbolic link is on the way" in fates["orders"][1]
    assert fates["skies"][0] is Fate.ACCEPTED


@pytest.mark.parametrize("part", ["", "model.yaml", "features.py", "expectations.yaml"])
def test_48_a_model_folder_of_links_is_refused(tiny_model: TinyModel, tmp_path: Path, part: str) -> None:
    path = tiny_model.folder / part
    path.rename(tmp_path / "kept")
    path.symlink_to(tmp_path / "kept")
    with pytest.raises(ConfigError, match="is a symbolic link"):
        load_model(tiny_model.folder)
