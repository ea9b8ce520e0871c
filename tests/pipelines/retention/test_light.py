"""Retention on a small ledger made by hand: what is marked, what ends, what waits and what comes back."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
import stories
from retention_worlds import age, crown, place, stored

from pipelines.config.retention import Retention
from pipelines.config.settings import Settings
from pipelines.errors import InputError, NothingToDo
from pipelines.ledger import Ledger, champion, decisions, nights, runs, stamps
from pipelines.ledger.refs import delete, every
from pipelines.retention import pins, sweep
from pipelines.retention import plan as planning
from pipelines.retention.kept import fates
from pipelines.retention.plan import Grace, Plan
from pipelines.retention.sweep import apply, open_all, plan
from pipelines.storage.files import json_bytes

NOW = Grace(young=timedelta(0))
FIRST, SECOND, DRY, LEFT = (
    f"2024-01-{day}-20260101T00000{n}Z-abcde{n}" for n, day in enumerate(("20", "28", "24", "26"))
)
NOBODYS = b"bytes of nobody"
SAID = b"what the champion said in its nights"
SHARED = b"the features that two runs have in common"


def quiet(_: str) -> None:
    pass


@dataclass
class World:
    """Champions FIRST and SECOND, a run DRY that nobody needs, one, LEFT, that was given up, and bytes of nobody's."""

    settings: Settings
    ledger: Ledger

    def run(
        self,
        run: str,
        *contents: bytes,
        judged: str | None = None,
        finish: bool = True,
        said: bytes = b"",
        passed: bool = False,
    ) -> None:
        """A run whose lock names objects of these bytes; `said` is what its champion had stamped."""
        lock = "".join(f"- md5: {stored(self.settings, content)}\n" for content in contents).encode()
        standing = {"champion": {"run": judged} if judged else None}
        files = {"dvc.lock": lock, "run.json": b"{}", "champion/champion.json": json.dumps(standing).encode()}
        if passed:
            files["out/evaluate/gates.json"] = json_bytes({"passed": True})
        if said:
            files[stamps.NOTE] = json_bytes({"stamped": {"md5": stored(self.settings, said)}})
        head = self.ledger.head("data")
        made = self.ledger.commit(f"run/{run}", files, "A run", parent=None, base=head)
        if finish:
            self.ledger.tag(f"runs/{run}", made)

    def crown(self, run: str, version: int, kind: Literal["better", "rollback"] = "better") -> None:
        crown(self.ledger, run, version, kind)

    def plan(self, grace: Grace = NOW) -> Plan:
        return plan(self.settings, open_all(self.settings), grace)

    def gc(self, grace: Grace = NOW) -> Plan:
        return apply(self.settings, self.plan(grace), grace, quiet)

    def there(self, content: bytes, where: str = "files") -> bool:
        return place(self.settings, hashlib.md5(content, usedforsecurity=False).hexdigest(), where).is_file()

    def refs(self) -> set[str]:
        return {name for name in every(Ledger.open(self.settings, "tiny")) if "/run" in name}


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> World:
    for module in (planning, sweep):  # MLflow has its part in test_gc.py
        monkeypatch.setattr(module, "removable", lambda *_, **__: [])
    folder = settings.models / "tiny"
    folder.mkdir(parents=True)
    for name in ("features.py", "expectations.yaml"):
        (folder / name).write_text("")
    from support import FEATURES_PY, MODEL_YAML

    (folder / "model.yaml").write_text(MODEL_YAML.strip() + "\nretention: {refused: 0}\n")
    (folder / "features.py").write_text(FEATURES_PY)
    made = World(settings, Ledger.open(settings, "tiny", create=True))
    made.run(FIRST, b"model 1", SHARED)
    made.crown(FIRST, 1)
    made.run(SECOND, b"model 2", judged=FIRST, said=SAID)
    made.crown(SECOND, 2)
    made.run(DRY, b"model 3", SHARED, judged=SECOND)
    made.run(LEFT, b"half a model", finish=False)
    stored(settings, NOBODYS)
    return made


def test_what_is_young_stays(world):
    before = world.refs()
    done = world.gc(Grace())
    assert (done.shelve, done.forget, done.models[0].fates.ended) == ((), (), {})
    assert world.refs() == before
    assert world.there(NOBODYS)


def test_runs_end_and_their_bytes_wait_but_not_those_that_others_need(world):
    planned, before = world.plan(), world.refs()
    assert set(planned.models[0].fates.ended) == {DRY, LEFT}
    assert len(planned.shelve) == 3
    assert world.refs() == before, "a plan changes nothing"
    world.gc()
    assert {name.rpartition("/")[2] for name in world.refs()} == {FIRST, SECOND}
    for gone in (b"model 3", b"half a model", NOBODYS):
        assert not world.there(gone)
        assert world.there(gone, "trash")
    for kept in (b"model 1", b"model 2", SHARED, SAID):
        assert world.there(kept)
    assert not world.gc().forget, "the shelf is kept for a week"
    age(world.settings, 8)
    assert len(world.gc().forget) == 3
    assert not world.there(NOBODYS, "trash")
    assert world.there(SHARED)


def test_what_a_ref_names_again_comes_back(world):
    """The trap: bytes that were old and unmarked, seen by a run, swept, and then named by it."""
    world.gc()
    world.run(DRY[:-1] + "9", b"half a model")
    place(world.settings, hashlib.md5(b"half a model", usedforsecurity=False).hexdigest()).unlink()
    done = world.gc(Grace())
    assert len(done.restore) == 1
    assert world.there(b"half a model")
    assert not world.there(b"half a model", "trash")


def test_a_ref_that_appears_between_the_sweep_and_the_second_look_loses_nothing(world, monkeypatch):
    sweeping = sweep._sweep

    def and_then(*arguments: object) -> None:
        sweeping(*arguments)
        head = world.ledger.head("data")
        lock = f"- md5: {hashlib.md5(NOBODYS, usedforsecurity=False).hexdigest()}\n"
        world.ledger.commit(f"run/{DRY[:-1]}8", {"dvc.lock": lock.encode()}, "Late", parent=None, base=head)

    monkeypatch.setattr(sweep, "_sweep", and_then)
    assert len(world.gc().restore) == 1
    assert world.there(NOBODYS)


def test_a_run_that_became_champion_while_it_ended_gets_its_tag_back(world):
    commit = runs.finished(world.ledger)[DRY]
    planned = world.plan()
    apply(world.settings, planned, NOW, quiet)
    world.ledger.fetch()
    standing = champion.current(world.ledger)
    assert standing is not None
    raced = standing.model_copy(update={"run": DRY, "version": 3})
    world.ledger.commit(
        "champion",
        {champion.PATH: raced.model_dump_json(indent=1).encode()},
        "Raced",
        parent=world.ledger.head("champion"),
    )
    world.gc(Grace())
    world.ledger.fetch()
    assert world.ledger.head(f"runs/{DRY}") == commit
    assert world.there(b"model 3")


def test_every_ledger_counts(world):
    other = Ledger.open(world.settings, "other", create=True)
    oid = stored(world.settings, b"of the other")
    files = {"lake/a/2024-01.dvc": f"outs:\n- md5: {oid}\n".encode()}
    other.commit("data", files, "Ingest", parent=other.head("data"))
    assert [ledger.model for ledger in open_all(world.settings)] == ["other", "tiny"]
    world.gc()
    assert world.there(b"of the other")
    with pytest.raises(InputError, match="every ledger"):
        open_all(world.settings, ["tiny"])


def test_a_directory_that_is_lost_keeps_every_object_and_is_told(world):
    files = {"lake/a/2024-01.dvc": f"outs:\n- md5: {'5' * 32}.dir\n".encode()}
    world.ledger.commit("data", files, "Ingest", parent=world.ledger.head("data"))
    done = world.gc()
    assert "is not there" in done.unsure[0]
    assert "no object is removed, for nobody can tell whether it is needed: tiny: " in done.render()
    assert (done.shelve, done.forget, done.erase) == ((), (), ())
    assert world.there(NOBODYS)
    assert done.models[0].fates.ended  # runs end all the same


def test_the_server_ends_a_run_only_where_the_ledger_says_so_and_never_a_champion(world):
    there = every(world.ledger)
    tags = {run: {f"refs/tags/runs/{run}": there[f"refs/tags/runs/{run}"][0]} for run in (FIRST, SECOND, DRY)}
    with pytest.raises(InputError, match="never deleted"):
        delete(world.ledger, tags[DRY])
    for run in tags:
        world.ledger.commit("decisions", {f"retention/{run}.json": b"{}"}, "End", parent=world.ledger.head("decisions"))
    for run in (FIRST, SECOND):
        with pytest.raises(InputError, match="the champion or the one before"):
            delete(world.ledger, tags[run])
    with pytest.raises(InputError, match="never deleted"):
        delete(world.ledger, {"refs/heads/decisions": world.ledger.head("decisions")})
    delete(world.ledger, tags[DRY])
    assert f"refs/tags/runs/{DRY}" not in world.refs()
    delete(world.ledger, tags[DRY])


def test_a_run_says_why_it_stays(world):
    later, week = datetime.now(UTC) + timedelta(days=30), timedelta(days=7)
    kept = fates(world.ledger, Retention(refused=0), later, week).kept
    assert kept == {FIRST: "the champion before", SECOND: "champion"}
    assert fates(world.ledger, Retention(refused=1), later, week).kept[DRY].startswith("one of the newest 1")
    assert set(fates(world.ledger, Retention(refused=0), datetime.now(UTC), week).kept.values()) >= {
        "younger than a week"
    }


def test_the_run_that_may_be_the_shadow_stays(world):
    """A newer run that has passed, and after a rollback the champion that was taken back."""
    newer = "2024-02-04-20260101T000004Z-abcde4"
    world.run(newer, b"model 5", judged=SECOND, passed=True)
    assert world.plan().models[0].fates.kept[newer] == "the newest challenger"
    world.crown(newer, 3)
    assert world.plan().models[0].fates.kept[newer] == "champion"
    world.crown(SECOND, 2, "rollback")
    world.crown(FIRST, 1, "rollback")
    kept = fates(world.ledger, Retention(refused=0, champions_days=1), later(), timedelta(0)).kept
    assert kept[newer] == "the newest challenger"


def later() -> datetime:
    return datetime.now(UTC) + timedelta(days=40)


def test_a_former_champion_stays_while_its_predictions_are_kept(world):
    for number, run in enumerate(("2024-02-05-20260101T000004Z-abcde4", "2024-02-12-20260101T000005Z-abcde5"), 3):
        world.run(run)
        world.crown(run, number)
    scored = date(2024, 1, 21)
    nights.write(
        world.ledger,
        {
            ("scores", scored): {"1": {"run": FIRST, "role": "champion", "at": "2026-01-01"}},
            ("scores", scored + timedelta(days=9)): {"2": {"run": SECOND, "role": "shadow", "at": "2026-01-01"}},
        },
        "Nights",
    )
    rules, later, week = Retention(refused=0, champions_days=30), datetime.now(UTC) + timedelta(days=400), timedelta(7)

    def stays(newest: date | None) -> str | None:
        return fates(world.ledger, rules, later, week, newest).kept.get(FIRST)

    last = scored + timedelta(days=rules.predictions_days)
    assert stays(last) == stays(None) == "its predictions of 2024-01-21 are kept"
    assert stays(last + timedelta(days=1)) is None
    assert SECOND not in fates(world.ledger, rules, later, week, last).kept, "a shadow's predictions keep nobody"


def test_a_pinned_run_stays_with_its_reason_until_it_is_let_go(world):
    pins.pin(world.ledger, DRY, "the audit of May", "clerk")
    assert world.plan().models[0].fates.kept[DRY] == "pinned: the audit of May"
    with pytest.raises(NothingToDo):
        pins.pin(world.ledger, DRY, "again", "clerk")
    pins.unpin(world.ledger, DRY, "it is over", "clerk")
    assert DRY in world.plan().models[0].fates.ended
    told = {item["kind"]: (item["reason"], item["by"]) for item in decisions.find(world.ledger)}
    assert told == {"pin": ("the audit of May", "clerk"), "unpin": ("it is over", "clerk")}
    for run, reason in ((DRY, " "), ("2024-01-01-20260101T000000Z-ffffff", "why")):
        with pytest.raises(InputError):
            pins.pin(world.ledger, run, reason, "clerk")


def test_a_model_that_cannot_be_read_keeps_all_its_runs(world):
    (world.settings.models / "tiny" / "model.yaml").write_text("title: [")
    item = world.plan().models[0]
    assert not item.fates.ended
    assert item.broken
    assert item.fates.kept[LEFT] == "its model.yaml cannot be read"


def test_old_predictions_and_samples_of_ended_runs_go(world):
    root = Path(world.settings.predictions) / "tiny"
    names = (
        "date=2021-01-01/version-1.parquet",
        f"reference/{DRY}.parquet",
        f"reference/{SECOND}.parquet",
        "notes.txt",
    )
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    world.gc()
    assert [(root / name).exists() for name in names] == [True, False, True, True], "no day is old without data"


def test_the_command_wants_to_be_told_which(world):
    neither = stories.evergreen(world.settings, "gc")
    assert neither.returncode == 3
    assert "--dry-run or --apply" in neither.stderr


def test_a_killed_move_to_the_shelf_is_young_where_it_was(world):
    """The time is written first: whatever the moment, nothing on the shelf is older than its being put there."""
    old = time.time() - 30 * 86_400
    for path in Path(world.settings.dvc_remote).rglob("*"):
        if path.is_file():
            os.utime(path, (old, old))
    done = world.gc()
    assert len(done.shelve) == 3
    assert not world.gc(Grace(young=timedelta(0), shelf=timedelta(minutes=5))).forget
