"""Going back: drilled with the clock, refused where a version is lost or damaged, by itself where a bound says so."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import stories

from pipelines.errors import EvergreenError, InputError, NothingToDo
from pipelines.ledger import Ledger, decisions, nights, outbox, rollbacks
from pipelines.ledger import champion as champions
from pipelines.ledger.lockfile import Pipeline
from pipelines.night import regress
from pipelines.registry import Registry
from pipelines.release.promote import promote
from pipelines.release.rollback import Asked, automatic, rollback, target

SHOWN = ["row_id", "score", "model_version", "run"]


def quiet(_: str) -> None:
    """Says nothing."""


@pytest.fixture
def promoted(story, challenger, answer):
    """The challenger is champion, version 2, in place of version 1."""
    answer("approve", "ann")
    assert promote(story.settings, "tiny", challenger, quiet).summary["promoted"]
    return story


def head(story) -> str | None:
    return Ledger.open(story.settings, "tiny").head("champion")


def predicted(story, name: str) -> dict:
    out = story.settings.home / name
    day = str(story.tiny.day(39))
    done = stories.evergreen(story.settings, "predict", "tiny", "--date", day, "--out", str(out))
    assert done.returncode == 0, done.stderr
    table = pq.read_table(out)
    return table.select([column for column in table.column_names if column != "scored_at"]).to_pydict()


def test_the_drill(story, challenger, answer, capsys) -> None:
    before = predicted(story, "before.parquet")
    answer("approve", "ann")
    promote(story.settings, "tiny", challenger, quiet)
    assert predicted(story, "between.parquet")["score"] != before["score"]
    began = time.monotonic()
    done = stories.evergreen(story.settings, "rollback", "tiny", "--reason", "drill", "--as", "ann", "--json")
    took = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(f"\nrollback took {took:.1f} s\n")
    assert done.returncode == 0, done.stderr
    assert took <= 60
    told = stories.last_json(done)
    assert (told["version"], told["aliases"]) == (1, "set")
    assert told["proof"]["example_rows"] + told["proof"]["day_rows"] > 0
    assert predicted(story, "after.parquet") == before
    ledger = Ledger.open(story.settings, "tiny")
    one, two, three = champions.history(ledger)[::-1]
    assert [item.version for item in (one, two, three)] == [1, 2, 1]
    assert (three.reason.kind, three.reason.text, three.approver) == ("rollback", "drill", "ann")
    assert (three.previous.version, three.window, three.model_sha256) == (2, one.window, one.model_sha256)
    aliases = Registry.of(story.settings).aliases("tiny")
    assert (aliases["champion"], aliases["previous"]) == (1, 2)
    assert [entry.alert.kind for entry in outbox.waiting(ledger)] == ["rollback"]


def test_the_same_occasion_twice_is_one_rollback(promoted) -> None:
    asked = Asked(None, "worse at night", "ann", key="tiny__rollback/manual__1")
    rollback(promoted.settings, "tiny", asked, quiet)
    after = head(promoted)
    assert rollback(promoted.settings, "tiny", asked, quiet).summary["version"] == 1
    assert head(promoted) == after


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Asked(None, " ", "ann"), "no reason is given"),
        (Asked(2, "because", "ann"), "version 2 is champion already"),
        (Asked(9, "because", "ann"), "version 9 never was champion"),
    ],
)
def test_nonsense_is_refused(promoted, asked: Asked, why: str) -> None:
    before = head(promoted)
    with pytest.raises(InputError, match=why):
        rollback(promoted.settings, "tiny", asked, quiet)
    assert head(promoted) == before


@pytest.mark.parametrize("rejected", [False, True], ids=["waiting", "rejected"])
def test_a_version_that_never_was_champion_comes_by_promotion_alone(story, challenger, answer, rejected: bool) -> None:
    """It passed its gates and is in MLflow; nobody has approved it, or somebody has said no."""
    if rejected:
        answer("reject", "bob")
        assert promote(story.settings, "tiny", challenger, quiet).summary["refused"]
    assert Registry.of(story.settings).tag_of("tiny", 2) == f"runs/{challenger}"
    before = head(story)
    asked = ("--to", "2", "--reason", "I know better")
    for done in (
        stories.evergreen(story.settings, "rollback", "tiny", *asked),
        # As the form of `tiny__rollback` has it done.
        stories.stage(story.settings, "rollback", challenger, {"to": 2, "reason": "I know better", "by": "eve"}),
    ):
        assert (done.returncode, "version 2 never was champion" in done.stderr) == (3, True)
        assert "promote it: `evergreen promote tiny RUN`" in done.stderr
    assert head(story) == before


def add_champion(story, number: int, kind: str = "better", **evidence: object) -> None:
    """A record of the branch alone: what is asked here is which one is chosen."""
    ledger = Ledger.open(story.settings, "tiny")
    at = ledger.head("champion")
    found = champions.at(ledger, at)
    reason = champions.Reason(kind=kind)
    run = stories.run_id(story.tiny.day(38), f"run {number}")
    record = found.model_copy(update={"version": number, "run": run, "reason": reason, "evidence": evidence})
    champions.promote(ledger, record, at)


def chosen(story, to: int | None = None) -> int:
    """The version that a rollback would go to."""
    ledger = Ledger.open(story.settings, "tiny")
    standing, *_ = history = champions.history(ledger)
    return target(ledger.model, standing, history, to).version


def test_a_second_rollback_does_not_bring_the_bad_version_back(promoted) -> None:
    first = rollback(promoted.settings, "tiny", Asked(None, "late every evening", "ann"), quiet)
    assert first.summary["version"] == 1
    after = head(promoted)
    # The same person presses the key again: it is done.
    again = rollback(promoted.settings, "tiny", Asked(None, "late every evening", "ann"), quiet)
    assert (again.summary["version"], "this very rollback" in again.summary["reason"]) == (1, True)
    # Another operator, who does not know of it, asks the same.
    done = stories.evergreen(promoted.settings, "rollback", "tiny", "--reason", "scores are odd", "--as", "bob")
    assert (done.returncode, "version 1 came by a rollback" in done.stderr, "--to" in done.stderr) == (3, True, True)
    assert head(promoted) == after
    # Who names it means it.
    assert rollback(promoted.settings, "tiny", Asked(2, "it was not the model", "bob"), quiet).summary["version"] == 2


def test_after_a_rollback_the_newest_that_nobody_left_is_before(story) -> None:
    for number in (2, 3):
        add_champion(story, number)
    assert chosen(story) == 2
    add_champion(story, 2, "rollback", **{"from": 3})
    assert chosen(story) == 1
    add_champion(story, 4)
    assert chosen(story) == 2
    add_champion(story, 2, "rollback", **{"from": 4})
    assert (chosen(story), chosen(story, to=3)) == (1, 3)
    # One that was left, and that somebody has chosen again by name, counts again.
    add_champion(story, 3, "rollback", **{"from": 2})
    add_champion(story, 5)
    add_champion(story, 6)
    add_champion(story, 5, "rollback", **{"from": 6})
    assert chosen(story) == 3


def bytes_of(story) -> list[Path]:
    """Where cache and remote keep the model of version 1."""
    ledger = Ledger.open(story.settings, "tiny")
    out = next(out for out in Pipeline(ledger, f"runs/{story.reports[0]['run']}").outs("train"))
    places = [story.settings.cache, Path(story.settings.dvc_remote)]
    listing = next(path for place in places for path in place.rglob(out.md5[2:]) if path.is_file())
    md5 = next(item["md5"] for item in json.loads(listing.read_bytes()) if item["relpath"] == "release.json")
    return [path for place in places for path in place.rglob(md5[2:])]


@pytest.mark.parametrize("how", ["lost", "corrupt"])
def test_a_lost_or_corrupt_version_refuses_and_changes_nothing(promoted, how: str) -> None:
    before, found = head(promoted), bytes_of(promoted)
    assert len(found) == 2
    for path in found:
        content = path.read_bytes()
        path.chmod(0o644)
        path.unlink()
        if how == "corrupt":
            path.write_bytes(content.replace(b"0", b"1", 1))
    with pytest.raises(EvergreenError):
        rollback(promoted.settings, "tiny", Asked(None, "because", "ann"), quiet)
    assert head(promoted) == before
    aliases = Registry.of(promoted.settings).aliases("tiny")
    assert (aliases["champion"], aliases["previous"]) == (2, 1)


def matured(story, *, ours: float, theirs: float, days: int = 3) -> Ledger:
    """Nights after the champion, whose labels have come: mean losses of version 2 and of version 1."""
    ledger = Ledger.open(story.settings, "tiny")
    standing = champions.current(ledger)
    values = {}
    for number in range(1, days + 1):
        day = standing.window.as_of + timedelta(days=number)
        pair = {"2": {"labelled": 200, "loss_sum": 200 * ours}, "1": {"labelled": 200, "loss_sum": 200 * theirs}}
        values["quality", day] = pair
        values["scores", day] = {"2": {"role": "champion", "at": f"2026-03-01T00:00:{number:02}+00:00"}}
    nights.write(ledger, values, "Quality")
    return ledger


@pytest.fixture
def watched(promoted):
    """Automatic rollback is on."""
    more = "monitoring: {shadow: previous}\nrollback: {automatic: on, worse_by: 0.1}\n"
    path = promoted.tiny.folder / "model.yaml"
    path.write_text(path.read_text() + more)
    return promoted


def test_a_breach_is_asked_for_once_and_carried_out_by_the_promoter(watched) -> None:
    ledger = matured(watched, ours=0.7, theirs=0.6)
    model = watched.tiny.model
    assert regress.look(ledger, model, "http://airflow/night", quiet)
    assert regress.look(ledger, model, "http://airflow/night", quiet)
    assert len(decisions.find(ledger, rollbacks.ASKED)) == 1
    assert head(watched) == ledger.head("champion")  # the night itself moves nothing
    due = rollbacks.due(ledger)
    assert (due["champion"], due["evidence"]["rows"]) == (2, 600)
    assert "16.7% over the 0.6 of version 1" in due["sentence"]
    done = automatic(watched.settings, "tiny", quiet)
    assert done.summary["version"] == 1
    ledger.fetch()
    standing = champions.current(ledger)
    assert (standing.version, standing.approver, standing.reason.kind) == (1, "automatic", "rollback")
    assert rollbacks.due(ledger) is None
    assert [entry.alert.severity for entry in outbox.waiting(ledger)] == ["failure", "warning"]
    # Not to and fro: what came by a rollback stays.
    assert not regress.look(matured(watched, ours=0.9, theirs=0.1), model, "", quiet)
    with pytest.raises(NothingToDo):
        automatic(watched.settings, "tiny", quiet)


@pytest.mark.parametrize(
    "quality",
    [{"ours": 0.65, "theirs": 0.6}, {"ours": 0.9, "theirs": 0.6, "days": 2}, {"ours": 0.5, "theirs": 0.6}],
    ids=["within the bound", "too few days", "better"],
)
def test_no_breach_asks_for_nothing(watched, quality) -> None:
    assert not regress.look(matured(watched, **quality), watched.tiny.model, "", quiet)


def test_a_forged_request_is_checked_against_the_numbers(watched) -> None:
    ledger = matured(watched, ours=0.5, theirs=0.6)
    rollbacks.ask(ledger, champions.current(ledger), {}, "trust me")
    with pytest.raises(NothingToDo, match="its bound is not breached"):
        automatic(watched.settings, "tiny", quiet)
    assert champions.current(Ledger.open(watched.settings, "tiny")).version == 2
    assert rollbacks.due(Ledger.open(watched.settings, "tiny")) is None


def test_off_is_off(promoted) -> None:
    ledger = matured(promoted, ours=0.9, theirs=0.1)
    assert not regress.look(ledger, promoted.tiny.model, "", quiet)
    assert datetime.now(UTC) > champions.current(ledger).since
