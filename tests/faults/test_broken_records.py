"""One bad record stops nothing: a half-written or forged run is named, recorded once, skipped, ended by a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import stories
from ledger_writers import Bare
from stories import Story

from pipelines.audit.explain import explain
from pipelines.audit.history import history
from pipelines.config import names
from pipelines.doctor.base import Mark
from pipelines.doctor.records import readable
from pipelines.errors import InputError, IntegrityError, NothingToDo, UnreadableRecord
from pipelines.ledger import Ledger, broken, challengers, decisions, outbox
from pipelines.ledger.reader import GATES, JUDGED, REQUEST
from pipelines.release.promote import promote
from pipelines.release.reconcile import reconcile
from pipelines.retention.plan import Grace
from pipelines.retention.sweep import apply, open_all, plan
from pipelines.runs import opening
from pipelines.runs.request import Request
from pipelines.runs.status import fleet, render

BAD = names.run_id(date(2024, 2, 8), datetime(2099, 1, 1, tzinfo=UTC), "bad")  # the newest of all
NOW = Grace(young=timedelta(0), shelf=timedelta(0))
Spoil = Callable[[bytes], bytes | None]
HALF_WRITTEN: dict[str, Spoil] = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "missing": lambda _: None,
    "a list": lambda _: b"[]",
    "a number": lambda _: b"7",
    "null": lambda _: b"null",
    "other keys": lambda _: b'{"gates": 1, "request": 1, "champion": 1}',
    "text for true": lambda content: content.replace(b'"passed": true', b'"passed": "yes"').replace(b"null", b'"x"'),
    "not UTF-8": lambda content: content[:-3] + b'\xff"\n',
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "NaN": lambda content: content.replace(b"{", b'{"x": NaN, ', 1),
    "beyond floats": lambda content: content.replace(b"{", b'{"x": 1e999, ', 1),
    "a huge integer": lambda content: content.replace(b"{", b'{"x": ' + b"9" * 5000 + b", ", 1),
    "a key twice": lambda content: content.replace(b"{", b'{"x": 1, "x": 2, ', 1),
    "half a surrogate pair": lambda content: content.replace(b"{", b'{"x": "\\ud800", ', 1),
    "nested deep": lambda content: content.replace(b"{", b'{"x": ' + b"[" * 900 + b"]" * 900 + b", ", 1),
    "nested deeper": lambda content: content.replace(b"{", b'{"x": ' + b"[" * 200_000, 1),
    "zeros": lambda content: bytes(len(content)),
}
CASES = [
    *((GATES, kind) for kind in HALF_WRITTEN),
    *((path, kind) for path in (REQUEST, JUDGED) for kind in ("truncated", "empty", "a list", "other keys")),
]


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def crowned(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A champion as of day 30, in a place of its own, beside the ledger of another model."""
    story = stories.crowned(tmp_path_factory).copy(tmp_path_factory.mktemp("broken"))
    Ledger.open(story.settings, "other", create=True)
    return story


@pytest.fixture
def bare(crowned: Story) -> Iterator[Bare]:
    """The tiny model's ledger; what a test writes there is gone after it."""
    bare = Bare(Path(crowned.settings.ledgers) / "tiny.git")
    before = bare.git("for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
    yield bare
    for line in bare.git("for-each-ref", "--format=%(refname)").decode().splitlines():
        bare.git("update-ref", "-d", line)
    for line in before:
        bare.git("update-ref", *line.split(" "))


def good(story: Story) -> str:
    return str(story.reports[0]["run"])


def spoilt(story: Story, bare: Bare, path: str, kind: str, prefix: str = "tags/runs/") -> None:
    """Add a run that is the champion's, but for this file."""
    tag = f"refs/tags/runs/{good(story)}"
    content = bare.git("show", f"{tag}:{path}")
    changed = HALF_WRITTEN[kind](content)
    assert changed != content
    bare.put(tag, {path: changed}, f"refs/{prefix}{BAD}")


@pytest.mark.parametrize(("path", "kind"), CASES, ids=lambda value: value.rpartition("/")[2].replace(" ", "_"))
def test_a_run_that_cannot_be_read_stops_nobody(crowned: Story, bare: Bare, path: str, kind: str) -> None:
    settings = crowned.settings
    spoilt(crowned, bare, path, kind)
    ledger = Ledger.open(settings, "tiny")
    assert list(broken.find(ledger)) == [f"runs/{BAD}"]
    # status
    (entry,) = fleet(settings)["models"]
    assert entry["champion"]["run"] == good(crowned)
    assert [line for line in entry["unreadable"] if line.startswith(f"run {BAD} cannot be read: {path}")]
    assert f"run {BAD} cannot be read: " in render(fleet(settings))
    # doctor
    found = readable(settings, "tiny")
    assert (found.mark, f"run {BAD}: {path}" in found.found) == (Mark.WARN, True)
    # run
    same = opening.plan(settings, ledger, Request.of(as_of=str(crowned.tiny.day(stories.AS_OF))))
    again = opening.earlier(ledger, same)
    assert again is not None
    assert again.run_id == good(crowned)
    other = opening.plan(settings, ledger, Request.of(as_of=str(crowned.tiny.day(38))))
    assert (opening.earlier(ledger, other), opening.resumable(ledger, other)) == (None, None)
    # reconcile
    assert challengers.newest(challengers.judged(ledger)) in (good(crowned), BAD if path != GATES else good(crowned))
    report = reconcile(settings, "tiny", quiet, repair=False)
    assert f"run {BAD} cannot be read" in report.findings[0].what
    # gc
    done = apply(settings, plan(settings, open_all(settings), NOW), NOW, quiet)
    assert [item.ledger.model for item in done.models] == ["other", "tiny"]
    assert (done.unsure, done.shelve) == ((), ())
    # history, and what comes from the champion
    assert [reign.champion.run for reign in history(Ledger.open(settings, "tiny"))] == [good(crowned)]
    assert explain(settings, "tiny", 1)["broken"] == []
    # promote
    refused = promote(settings, "tiny", BAD, quiet)
    assert int(refused.exit_code) == 4
    assert "its evidence does not hold" in refused.summary["reason"]


@pytest.mark.parametrize("kind", ["truncated", "a list", "nested deep"])
@pytest.mark.parametrize("path", [REQUEST, JUDGED])
def test_an_unfinished_run_that_cannot_be_read_is_not_taken_up(
    crowned: Story, bare: Bare, path: str, kind: str
) -> None:
    spoilt(crowned, bare, path, kind, "heads/run/")
    ledger = Ledger.open(crowned.settings, "tiny")
    same = opening.plan(crowned.settings, ledger, Request.of(as_of=str(crowned.tiny.day(stories.AS_OF))))
    assert opening.resumable(ledger, same) is None
    assert list(broken.find(ledger)) == [f"run/{BAD}"]
    made = plan(crowned.settings, open_all(crowned.settings), NOW)
    assert "it cannot be read" in made.models[1].fates.kept[BAD]
    broken.discard(ledger, BAD, "the machine died", "ann")
    assert broken.find(ledger) == {}


@pytest.mark.parametrize("name", ["2024-02-08", "x", f"{BAD}.old", "9999-99-99-20260101T000000Z-abcdef"])
def test_a_tag_that_is_no_runs_is_told_and_stops_nobody(crowned: Story, bare: Bare, name: str) -> None:
    bare.put(f"refs/tags/runs/{good(crowned)}", {}, f"refs/tags/runs/{name}")
    ledger = Ledger.open(crowned.settings, "tiny")
    assert broken.find(ledger) == {f"runs/{name}": "its name is no run's"}
    (entry,) = fleet(crowned.settings)["models"]
    assert entry["unreadable"] == [f"run {name} cannot be read: its name is no run's"]
    reconcile(crowned.settings, "tiny", quiet, repair=False)
    assert plan(crowned.settings, open_all(crowned.settings), NOW).shelve == ()


@pytest.mark.parametrize("what", ["blob", "tree", "annotated tag"])
def test_a_tag_that_leads_to_no_commit_stops_nobody(crowned: Story, bare: Bare, what: str) -> None:
    tag = f"refs/tags/runs/{good(crowned)}"
    if what == "annotated tag":
        head = bare.git("rev-parse", tag).decode().strip()
        text = f"object {head}\ntype commit\ntag x\ntagger e <e@e> 1 +0000\n\nx\n"
        leads = bare.git("mktag", data=text.encode()).decode().strip()
    else:
        leads = bare.git("rev-parse", f"{tag}^{{tree}}" if what == "tree" else f"{tag}:{GATES}").decode().strip()
    bare.git("update-ref", f"refs/tags/runs/{BAD}", leads)
    ledger = Ledger.open(crowned.settings, "tiny")
    assert len(broken.find(ledger)) == (what == "blob")
    assert fleet(crowned.settings)["models"][0]["champion"]["run"] == good(crowned)
    reconcile(crowned.settings, "tiny", quiet, repair=False)
    assert plan(crowned.settings, open_all(crowned.settings), NOW).shelve == ()
    assert promote(crowned.settings, "tiny", BAD, quiet).summary["promoted"] is False


def test_a_folder_where_a_file_should_be_stops_nobody(crowned: Story, bare: Bare) -> None:
    tag = f"refs/tags/runs/{good(crowned)}"
    bare.put(tag, {GATES: None, f"{GATES}/x": b"{}"}, f"refs/tags/runs/{BAD}")
    ledger = Ledger.open(crowned.settings, "tiny")
    assert broken.find(ledger) == {f"runs/{BAD}": f"{GATES} a tree where a file should be"}
    assert opening.earlier(
        ledger, opening.plan(crowned.settings, ledger, Request.of(as_of=str(crowned.tiny.day(stories.AS_OF))))
    )


def test_it_is_told_once_and_no_more_after_somebody_has_set_it_aside(crowned: Story, bare: Bare) -> None:
    settings = crowned.settings
    spoilt(crowned, bare, GATES, "truncated")
    for _ in range(3):
        report = reconcile(settings, "tiny", quiet, repair=True)
        assert [item.kind for item in report.findings] == ["broken"]
    ledger = Ledger.open(settings, "tiny")
    refusals = [item for item in decisions.find(ledger, decisions.REFUSAL) if item["run"] == BAD]
    assert [item["by"] for item in refusals] == ["reader"]
    assert [entry.alert.title for entry in outbox.waiting(ledger)] == ["tiny: runs of the ledger cannot be read"]
    with pytest.raises(InputError, match="is empty"):
        broken.discard(ledger, BAD, " ", "ann")
    with pytest.raises(InputError, match="finished and can be read"):
        broken.discard(ledger, good(crowned), "no reason", "ann")
    with pytest.raises(InputError, match="there is no run"):
        broken.discard(ledger, stories.run_id(date(2024, 2, 8), "none"), "no reason", "ann")
    done = stories.evergreen(settings, "discard", "tiny", BAD, "--reason", "the disk was full", "--json")
    assert done.returncode == 0, done.stderr
    assert "gates.json" in stories.last_json(done)["fault"]
    with pytest.raises(NothingToDo, match="aside already"):
        broken.discard(Ledger.open(settings, "tiny"), BAD, "again", "ann")
    assert reconcile(settings, "tiny", quiet, repair=True).findings == ()
    (entry,) = fleet(settings)["models"]
    assert (entry["unreadable"], entry["last_run"]["outcome"]) == ([], "set aside")
    assert promote(settings, "tiny", BAD, quiet).exit_code == 4


@pytest.mark.parametrize("path", ["params.yaml", "model/model.yaml"])
def test_a_run_whose_gates_passed_and_whose_records_cannot_be_read_is_ended_too(
    crowned: Story, bare: Bare, path: str
) -> None:
    settings = crowned.settings
    bare.put(f"refs/tags/runs/{good(crowned)}", {path: b"a: &a [x]\nb: *a\n"}, f"refs/tags/runs/{BAD}")
    # Told as what it is, and the challenger stays who it was.
    (before,) = reconcile(settings, "tiny", quiet, repair=False).findings
    assert before.kind == "broken"
    assert f"run {BAD} cannot be read: {path}" in before.what
    ledger = Ledger.open(settings, "tiny")
    assert path in broken.discard(ledger, BAD, "forged", "ann")["fault"]
    ledger.fetch()
    assert reconcile(settings, "tiny", quiet, repair=False).findings == ()
    assert challengers.newest(challengers.judged(ledger)) == good(crowned)
    assert challengers.newest_passed(ledger, [good(crowned), BAD])[0] == good(crowned)  # type: ignore[index]


def test_what_an_unreadable_run_names_stays_until_it_is_set_aside(crowned: Story, bare: Bare) -> None:
    settings = crowned.settings
    with (settings.models / "tiny" / "model.yaml").open("a") as model:
        model.write("retention: {refused: 0}\n")
    spoilt(crowned, bare, GATES, "truncated")
    made = plan(settings, open_all(settings), NOW)
    tiny = next(item for item in made.models if item.ledger.model == "tiny")
    assert "it cannot be read: " in tiny.fates.kept[BAD]
    broken.discard(Ledger.open(settings, "tiny"), BAD, "seen", "ann")
    made = plan(settings, open_all(settings), NOW)
    tiny = next(item for item in made.models if item.ledger.model == "tiny")
    assert list(tiny.fates.ended) == [BAD]


BRANCHES = {
    "champion": "champion.json",
    "lease": "lease.json",
    "data": "manifest/orders/2024-01.json",
    "nights": "scores/2024-02.json",
    "decisions": "decisions/2026-01/20260101T000000000000Z-pin-0123456789abcdef.json",
}


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"a": ' * 5000, b'{"days": [1]}'])
def test_a_bad_record_of_one_model_is_an_error_of_its_own_and_stops_no_other(
    crowned: Story, bare: Bare, branch: str, content: bytes
) -> None:
    settings, ref = crowned.settings, f"refs/heads/{branch}"
    there = bare.git("for-each-ref", ref).decode().strip()
    bare.put(ref if there else None, {BRANCHES[branch]: content}, ref)
    (entry,) = fleet(settings)["models"]
    if branch in ("champion", "data"):
        assert entry["unreadable"], entry
    if branch != "nights" or content != b"{}":
        found = readable(settings, "tiny")
        assert (found.mark, BRANCHES[branch] in found.found or branch in found.found) == (Mark.WARN, True), found
    if branch == "champion":
        assert "champion     cannot be read" in render(fleet(settings))
        assert "none yet" not in render(fleet(settings))
        with pytest.raises(UnreadableRecord, match=r"champion\.json cannot be read"):
            promote(settings, "tiny", good(crowned), quiet)
    # Of the model itself all runs stay; the other goes on.
    made = plan(settings, open_all(settings), NOW)
    other, tiny = made.models
    assert (other.broken, tiny.fates.ended, made.shelve) == ("", {}, ())
    if branch in ("champion", "lease", "data", "decisions") and content != b"{}":
        assert tiny.broken, tiny
    for command in (lambda: reconcile(settings, "tiny", quiet, repair=False), lambda: plan_of(crowned)):
        try:
            command()
        except IntegrityError as error:
            assert error.where  # noqa: PT017 - some of these branches neither of them reads


def plan_of(story: Story) -> None:
    """What `evergreen run` looks at before it begins."""
    ledger = Ledger.open(story.settings, "tiny")
    planned = opening.plan(story.settings, ledger, Request.of(as_of=str(story.tiny.day(38))))
    opening.earlier(ledger, planned)
    opening.resumable(ledger, planned)


def test_a_lost_list_of_a_run_keeps_all_objects_and_its_end_frees_them(crowned: Story, bare: Bare) -> None:
    settings, tag = crowned.settings, f"refs/tags/runs/{good(crowned)}"
    lock = bare.git("show", f"{tag}:dvc.lock").decode()
    first = lock.index(".dir")
    forged = lock[: first - 32] + "5" * 32 + lock[first:]
    bare.put(tag, {"dvc.lock": forged.encode()}, f"refs/tags/runs/{BAD}")
    made = plan(settings, open_all(settings), NOW)
    assert "5" * 32 in made.unsure[0]
    assert made.shelve == made.forget == made.erase == ()
    done = stories.evergreen(settings, "gc", "--dry-run")
    assert done.returncode == 3
    assert "no object is removed" in done.stdout
    done = stories.evergreen(settings, "discard", "tiny", BAD, "--reason", "its bytes are lost")
    assert done.returncode == 0, done.stderr
    assert plan(settings, open_all(settings), NOW).unsure == ()
