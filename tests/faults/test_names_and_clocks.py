"""Names and texts from outside, and clocks that are wrong (cases 49, 50, 56 and 69)."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import stories
from support import TinyModel

from pipelines.config import names
from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, InputError, LeaseHeld
from pipelines.ledger import lease, requests
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import load_manifest
from pipelines.night.decide import decide
from pipelines.night.ingest import ingest
from pipelines.night.monitor import monitor
from pipelines.runs.contract import run_step
from pipelines.runs.request import Request
from pipelines.storage.lake import Source

LOOKALIKES = ("tiny\0", "tiny\n", "tiny\r", "tiny\u202e", "tin\u0443", "\uff54iny", "tiny\u200b", "tıny", "tiny ", "")
SCRIPTS = (
    "{{ macros.__class__ }}",
    "{% raw %}{{ 7 * 7 }}{% endraw %}",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "' || touch pwned || '",
    "--help",
    "!!python/object/apply:os.system ['touch pwned']",
)


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.mark.parametrize("text", LOOKALIKES, ids=ascii)
def test_49_a_name_that_only_looks_right_is_refused_everywhere(
    settings: Settings, tiny_model: TinyModel, text: str
) -> None:
    for check in (names.model_name, names.table_name, names.day, names.check_run_id):
        with pytest.raises(ConfigError) as caught:
            check(text)
        assert caught.value.line().isprintable()
    with pytest.raises(ConfigError):
        find_model(settings.models, text)
    with pytest.raises(InputError):
        run_step(settings, text, "2024-01-01-20240101T000000Z-abcdef", "snapshot", "{}", quiet)
    assert {path.name for path in settings.models.iterdir()} == {"tiny"}


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "a\x1b[2Jb", "a\u2028b", "a\u202eb"], ids=ascii)
def test_49_texts_that_are_kept_hold_no_signs_that_do_things(
    settings: Settings, tiny_model: TinyModel, text: str
) -> None:
    for field in ("note", "key"):
        with pytest.raises(ConfigError):
            Request.from_json(json.dumps({field: text}))
    ledger = Ledger.open(settings, "tiny", create=True)
    for asked in ((text, "drift"), ("key", text)):
        with pytest.raises(ConfigError):
            requests.ask(ledger, *asked, "somebody")
    assert requests.open_requests(ledger) == ()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, TinyModel]:
    """Thirty days of the tiny model, ingested."""
    settings = stories.fresh_settings(tmp_path_factory.mktemp("names"))
    tiny = stories.write_tiny_model(settings, days=32)
    ingest(settings, "tiny", tiny.first, tiny.day(29), quiet)
    return settings, tiny


def test_50_scripts_in_a_parameter_stay_text(begun: tuple[Settings, TinyModel], tmp_path: Path) -> None:
    """One run, by the command line of the tasks, whose note holds them all."""
    settings, tiny = stories.copy(begun[0], tmp_path / "copy"), begun[1]
    note = " ".join(SCRIPTS)
    run = stories.run_id(tiny.day(29), "scripts")
    done = stories.stage(settings, "snapshot", run, {"as_of": str(tiny.day(29)), "note": note})
    assert done.returncode == 0, done.stderr
    ledger = Ledger.open(settings, "tiny")
    kept = json.loads(ledger.read(ledger.head(f"run/{run}"), "run.json"))
    assert kept["request"]["note"] == note
    assert not [path for place in (settings.home, Path.cwd()) for path in place.rglob("pwned")]


@pytest.mark.parametrize("text", SCRIPTS)
@pytest.mark.parametrize("field", ["as_of", "train_days", "promotion", "day", "from"])
def test_50_scripts_are_no_values(settings: Settings, tiny_model: TinyModel, text: str, field: str) -> None:
    step = {"day": "score", "from": "ingest"}.get(field, "snapshot")
    Ledger.open(settings, "tiny", create=True)
    with pytest.raises(ConfigError):
        run_step(settings, "tiny", stories.run_id(tiny_model.last, "x"), step, json.dumps({field: text}), quiet)


@pytest.mark.parametrize("text", SCRIPTS)
def test_50_a_request_keeps_its_reason_as_it_is(settings: Settings, tiny_model: TinyModel, text: str) -> None:
    ledger = Ledger.open(settings, "tiny", create=True)
    assert requests.ask(ledger, text, text, text).reason == text
    (found,) = requests.open_requests(ledger)
    assert (found.key, found.reason, found.by) == (text, text, text)


URLS = (
    "http://169.254.169.254/latest/{date}",
    "https://evil.example/{date}.parquet",
    "file:///etc/passwd-{date}",
    "ftp://evil.example/{date}",
    "//evil.example/share/{date}",
    "s3://{date}.evil.example/x",
    "gopher://evil.example/{date}",
)


@pytest.mark.parametrize("url", URLS)
def test_56_no_url_but_that_of_a_bucket_is_ever_asked(
    settings: Settings, tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise AssertionError("it asks another host")

    monkeypatch.setattr("socket.socket.connect", nobody)
    monkeypatch.setattr("socket.getaddrinfo", nobody)
    tiny_model.edit("uri: orders/{date}.parquet", f"uri: '{url}'")
    table = tiny_model.model.tables["orders"]
    with pytest.raises(InputError):
        Source(settings).fetch(table, str(tiny_model.first), tmp_path / "copy", 1000)


@pytest.mark.parametrize("field", ["mlflow_uri", "lake", "callback", "alert_url", "url"])
def test_56_no_request_names_a_url(settings: Settings, tiny_model: TinyModel, field: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown {field}"):
        Request.from_json(json.dumps({field: "http://evil.example"}))


@pytest.mark.parametrize(
    "line", ["alerts: {urls: ['json://evil.example']}", "alerts: {urls_secret: 'json://evil.example'}"]
)
def test_56_alerts_go_to_no_url_of_a_model_folder(tiny_model: TinyModel, line: str) -> None:
    tiny_model.edit("window:", f"{line}\nwindow:")
    with pytest.raises(ConfigError, match=r"alerts\.urls"):
        load_model(tiny_model.folder)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY_OFF = (timedelta(days=-1), timedelta(days=1))


@pytest.mark.parametrize("off", DAY_OFF, ids=str)
def test_69_a_night_is_the_same_by_a_clock_that_is_a_day_off(
    begun: tuple[Settings, TinyModel], tmp_path: Path, off: timedelta
) -> None:
    """All ages and delays count in the data's days."""
    right, wrong = (stories.copy(begun[0], tmp_path / name) for name in ("right", "wrong"))
    tiny = begun[1]
    evidence = [
        monitor(settings, "tiny", tiny.day(29), quiet, now=now) for settings, now in ((right, NOW), (wrong, NOW + off))
    ]
    assert evidence[0] == evidence[1]
    decisions = [decide(settings, "tiny", tiny.day(29), say=quiet) for settings in (right, wrong)]
    assert decisions[0].summary == decisions[1].summary


def test_69_a_file_of_tomorrow_is_as_good_as_one_of_today(settings: Settings, tiny_model: TinyModel) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    for table in ("orders", "skies"):
        os.utime(tiny_model.path(table, tiny_model.first), (tomorrow, tomorrow))
    ingest(settings, "tiny", tiny_model.first, tiny_model.first, quiet)
    ledger = Ledger.open(settings, "tiny")
    ledger.fetch()
    assert load_manifest(ledger).accepted("orders", str(tiny_model.first)) is not None


def test_69_who_takes_a_lease_by_a_fast_clock_is_the_only_one_who_publishes(
    settings: Settings, tiny_model: TinyModel
) -> None:
    """A clock a day ahead sees the lease as expired: it takes over, and the number shuts the other out."""
    ledger = Ledger.open(settings, "tiny", create=True)
    first, second = (stories.run_id(date(2024, 1, 20), key) for key in ("first", "second"))
    number = lease.acquire(ledger, first, 3600, now=NOW)
    with pytest.raises(LeaseHeld):
        lease.acquire(ledger, second, 3600, now=NOW + timedelta(minutes=1))
    taken = lease.acquire(ledger, second, 3600, now=NOW + timedelta(days=1))
    assert taken == number + 1
    for late in (lambda: lease.check(ledger, first, number), lambda: lease.renew(ledger, first, number, 3600, now=NOW)):
        with pytest.raises(LeaseHeld):
            late()
    lease.check(ledger, second, taken)


def test_69_a_slow_clock_waits_and_takes_nothing_from_anybody(settings: Settings, tiny_model: TinyModel) -> None:
    ledger = Ledger.open(settings, "tiny", create=True)
    first, second = (stories.run_id(date(2024, 1, 20), key) for key in ("first", "second"))
    number = lease.acquire(ledger, first, 3600, now=NOW)
    with pytest.raises(LeaseHeld):
        lease.acquire(ledger, second, 3600, now=NOW - timedelta(days=1))
    lease.renew(ledger, first, number, 3600, now=NOW + timedelta(minutes=30))
    lease.check(ledger, first, number)
