"""`evergreen erase`: rows leave partitions and predictions and stay away when the lake brings them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import stories
from retention_worlds import place
from stories import Story
from support import TinyModel, write_tiny_model

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, InputError, PassingFault
from pipelines.ledger import Ledger, decisions, nights
from pipelines.ledger.data import Arrival, publish
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.ledger.objects import open_objects
from pipelines.ledger.store import Store
from pipelines.ledger.suppression import Suppression
from pipelines.night.ingest import ingest
from pipelines.night.predictions import Predictions
from pipelines.retention.erase import Erased, erase
from pipelines.retention.plan import Grace
from pipelines.retention.sweep import apply, open_all, plan
from pipelines.storage.files import sha256_file

ORDER, OTHER = "20240103-00007", "20240104-00001"


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, TinyModel]:
    """Six days of the tiny model, taken in from its lake; look, do not touch."""
    settings = stories.fresh_settings(tmp_path_factory.mktemp("erase"))
    tiny = write_tiny_model(settings, days=6)
    take_in(settings, tiny)
    return settings, tiny


@pytest.fixture
def lake(ingested: tuple[Settings, TinyModel], tmp_path: Path) -> tuple[Settings, TinyModel]:
    """A copy of them that may be changed."""
    settings, tiny = stories.copy(ingested[0], tmp_path / "copy"), ingested[1]
    return settings, replace(tiny, folder=settings.models / "tiny", lake=Path(settings.lake))


@pytest.fixture
def home(settings: Settings) -> tuple[Settings, TinyModel]:
    """Six days of orders, published as they are: for what does not ask the lake again."""
    tiny = write_tiny_model(settings, days=6)
    ledger = Ledger.open(settings, "tiny", create=True)
    arrivals = [arrival(tiny.lake / "orders" / f"{tiny.day(number)}.parquet") for number in range(6)]
    publish(settings, ledger, arrivals, "Ingest")
    return settings, tiny


def arrival(file: Path) -> Arrival:
    size, rows = file.stat().st_size, pq.read_metadata(file).num_rows
    sha256 = sha256_file(file)
    item = Partition("orders", file.stem, 0, "", sha256, "", rows, size, "lake", "etag", "accepted", "suite")
    return Arrival(item, file, {"rows": rows})


def take_in(settings: Settings, tiny: TinyModel) -> set[str]:
    report = ingest(settings, tiny.name, tiny.day(0), tiny.day(5), quiet)
    return {item.fate.value for item in report.outcomes}


def take_out(settings: Settings, key: str = ORDER, *, do: bool = True, table: str = "orders", **more: str) -> Erased:
    reason = more.get("reason", "asked by letter of 3 May")
    return erase(settings, "tiny", table, [key], reason, "clerk", quiet, apply=do)


def manifest(settings: Settings) -> Manifest:
    return load_manifest(Ledger.open(settings, "tiny"))


def orders(settings: Settings, day: date) -> list[str]:
    """The orders of a day as a run would read them."""
    item = manifest(settings).accepted("orders", day.isoformat())
    assert item is not None
    return pq.read_table(place(settings, item.md5))["order_id"].to_pylist()


def test_nothing_changes_without_apply(home):
    settings, tiny = home
    before = Ledger.open(settings, "tiny").head("data")
    told = take_out(settings, do=False)
    assert [item["rows"] for item in told.partitions] == [1]
    assert not told.applied
    assert Ledger.open(settings, "tiny").head("data") == before
    assert ORDER in orders(settings, tiny.day(2))


def test_rows_leave_and_do_not_come_back_from_the_lake(lake):
    settings, tiny = lake
    rows = len(orders(settings, tiny.day(2)))
    old = manifest(settings).accepted("orders", "2024-01-03")
    take_out(settings)
    left = orders(settings, tiny.day(2))
    assert ORDER not in left
    assert len(left) == rows - 1
    item = manifest(settings).accepted("orders", "2024-01-03")
    assert (item.revision, item.rows) == (2, rows - 1)
    blank = next(p for p in manifest(settings) if p.sha256 == old.sha256)
    assert (blank.path, blank.md5, blank.accepted) == ("", "", False)
    # The source still has the row; it is the same partition to us, and a repaired one is cleared, too.
    assert take_in(settings, tiny) == {"unchanged"}
    source = tiny.lake / "orders" / "2024-01-03.parquet"
    table = pq.read_table(source)
    delay = pc.add(table["delay"], pa.scalar(1, pa.int32()))
    pq.write_table(table.set_column(table.column_names.index("delay"), "delay", delay), source)
    take_in(settings, tiny)
    assert ORDER not in orders(settings, tiny.day(2))
    assert manifest(settings).accepted("orders", "2024-01-03").revision == 3


def test_two_erasures_one_after_the_other_leave_what_ingest_makes_of_the_source(lake):
    settings, tiny = lake
    for key in ("20240103-00007", "20240103-00010", "order_id=20240103-00099"):
        take_out(settings, key)
    assert take_in(settings, tiny) == {"unchanged"}
    assert manifest(settings).accepted("orders", "2024-01-03").revision == 4


def test_a_column_that_is_no_key_reaches_every_day(lake):
    settings, tiny = lake
    told = take_out(settings, "shop=north", table="orders")
    assert len(told.partitions) == 6
    assert take_in(settings, tiny) == {"unchanged"}


def test_the_record_holds_hashes_never_the_key(home):
    settings, _ = home
    done = take_out(settings)
    ledger = Ledger.open(settings, "tiny")
    told = decisions.find(ledger, "erasure")[0]
    assert (told["by"], told["reason"]) == ("clerk", "asked by letter of 3 May")
    assert told["partitions"][0]["partition"] == "2024-01-03"
    assert len(told["key_hash"]) == 64
    assert told["erasure"] == done.erasure
    for branch in ("data", "decisions"):
        for path in ledger.tree(ledger.head(branch)):
            if path.startswith(("erased/", "suppressed", "decisions/", "manifest/")):
                assert ORDER.encode() not in ledger.read(branch, path)


def test_the_same_again_changes_nothing(home):
    settings, _ = home
    take_out(settings)
    ledger = Ledger.open(settings, "tiny")
    heads = {branch: ledger.head(branch) for branch in ("data", "decisions")}
    again = take_out(settings, reason="once more")
    assert again.partitions == ()
    ledger.fetch()
    assert {branch: ledger.head(branch) for branch in heads} == heads


def test_gc_removes_the_old_bytes_at_once_and_nothing_else(home):
    settings, _ = home
    old = manifest(settings).accepted("orders", "2024-01-03")
    take_out(settings)
    there = {item.oid for item in open_objects(settings).listed()}
    cached = settings.cache / "files" / "md5" / old.md5[:2] / old.md5[2:]
    assert cached.is_file()
    apply(settings, plan(settings, open_all(settings), Grace()), Grace(), quiet)
    assert there - {item.oid for item in open_objects(settings).listed()} == {old.md5}
    assert not list(open_objects(settings).shelved())
    assert not cached.exists()


def test_bytes_that_another_ledger_needs_stay_until_it_erases_them_too(home):
    settings, _ = home
    old = manifest(settings).accepted("orders", "2024-01-03")
    other = Ledger.open(settings, "other", create=True)
    content = Ledger.open(settings, "tiny").read("data", "manifest/orders/2024-01.json")
    other.commit("data", {"manifest/orders/2024-01.json": content}, "The same bytes", parent=other.head("data"))
    take_out(settings)
    planned = plan(settings, open_all(settings), Grace())
    assert not planned.erase
    assert place(settings, old.md5).is_file()


def test_what_was_judged_before_an_erasure_is_not_published_after_it(home):
    settings, _ = home
    ledger = Ledger.open(settings, "tiny")
    item = next(item for item in manifest(settings) if item.partition == "2024-01-05" and item.table == "orders")
    take_out(settings)
    bad = replace(item, verdict="quarantined", path="", md5="", sha256="0" * 64)
    with pytest.raises(PassingFault, match="erased meanwhile"):
        publish(settings, ledger, [Arrival(bad)], "Late")
    publish(settings, ledger, [Arrival(bad)], "Late", suppressed=Suppression.load(ledger).content)


def test_predictions_lose_the_rows_and_their_records_follow(home, tmp_path):
    settings, tiny = home
    day, ledger = tiny.day(2), Ledger.open(settings, "tiny")
    ids = orders(settings, day)
    files = Predictions.open(settings, "tiny", day, tmp_path / "scratch")
    scored = files.keep("version-1.parquet", pa.table({"order_id": ids, "score": [0.5] * len(ids)}))
    files.keep("features-abc.parquet", pa.table({"row_id": range(len(ids)), "key.order_id": ids}))
    entry = {"sha256": scored.sha256, "rows": len(ids), "at": "2026-01-01T00:00:00+00:00"}
    nights.write(ledger, {("scores", day): {"1": entry}}, "Score")
    # By a column that predictions do not have: the keys of its events lead to them.
    told = take_out(settings, "product=cake")
    assert "date=2024-01-03/version-1.parquet" in told.predictions
    assert "date=2024-01-03/features-abc.parquet" in told.predictions
    left = orders(settings, day)
    assert 0 < len(left) < len(ids)
    for name, column in (("version-1", "order_id"), ("features-abc", "key.order_id")):
        path = Path(settings.predictions) / "tiny" / f"date={day}" / f"{name}.parquet"
        assert pq.read_table(path)[column].to_pylist() == left
    kept = nights.days(Ledger.open(settings, "tiny"), "scores", day, day)[day]["1"]
    path = Path(settings.predictions) / "tiny" / f"date={day}" / "version-1.parquet"
    assert (kept["sha256"], kept["rows"]) == (sha256_file(path), len(left))


@pytest.mark.parametrize(
    ("table", "key", "error"),
    [
        ("nobody", ORDER, ConfigError),
        ("orders", "customer=7", ConfigError),
        ("orders", "19990101-00000", InputError),
    ],
)
def test_a_key_that_leads_nowhere_is_refused(home, table, key, error):
    with pytest.raises(error):
        take_out(home[0], key, table=table)
    assert Suppression.load(Ledger.open(home[0], "tiny")).content is None


def test_an_erasure_needs_a_reason(home):
    with pytest.raises(InputError, match="empty"):
        take_out(home[0], reason=" ")


def test_old_revisions_lose_their_bytes_and_the_one_in_use_stays(lake):
    settings, tiny = lake
    source = tiny.lake / "orders" / "2024-01-03.parquet"
    table = pq.read_table(source)
    pq.write_table(table.filter(pc.not_equal(table["order_id"], ORDER)), source)
    take_in(settings, tiny)
    first, second = [item for item in manifest(settings) if (item.table, item.partition) == ("orders", "2024-01-03")]
    take_out(settings)
    again = [item for item in manifest(settings) if (item.table, item.partition) == ("orders", "2024-01-03")]
    assert [item.md5 for item in again] == ["", second.md5]
    assert again[0].sha256 == first.sha256
    store = Store.open(settings, settings.home / "look", scm=False)
    assert store.cached(second.md5).is_file()
    store.close()


def objects_of(story: Story, report: Mapping[str, Any], month: str) -> set[str]:
    """The object that holds the features of this month in this run."""
    store = Store.open(story.settings, story.settings.home / "look", scm=False)
    out = Pipeline(Ledger.open(story.settings, "tiny"), f"runs/{report['run']}").out_of("out/features/data")
    found = {md5 for name, md5 in store.folder(out.md5).items() if Path(name).stem == month}
    store.close()
    return found


@pytest.mark.slow
def test_who_was_trained_on_the_rows_is_named_and_their_feature_tables_go_once_no_first_night_needs_them(story):
    settings, tiny = story.settings, story.tiny
    day = tiny.day(25)
    item = manifest(settings).accepted("orders", day.isoformat())
    order = orders(settings, day)[0]
    first, second, dry = (objects_of(story, report, f"{day:%Y-%m}") for report in story.reports)
    told = take_out(settings, order)
    assert set(told.versions) >= {report["run"] for report in story.reports}
    assert told.champion
    assert set(told.waiting) == {report["run"] for report in story.reports[:2]}, "no night yet, of neither"

    def there() -> set[str]:
        return {item.oid for item in open_objects(settings).listed()}

    apply(settings, plan(settings, open_all(settings), Grace()), Grace(), quiet)
    assert not there() & ({item.md5} | dry - first - second)
    assert there() >= first | second, "what a first night reads stays for it"
    scored = stories.evergreen(settings, "score", "tiny", "--date", str(tiny.day(39)), "--shadow", "previous")
    assert scored.returncode == 0, scored.stderr
    assert take_out(settings, order).waiting == ()
    apply(settings, plan(settings, open_all(settings), Grace()), Grace(), quiet)
    assert not there() & (first | second | dry)
