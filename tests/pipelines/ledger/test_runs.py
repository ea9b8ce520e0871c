"""Runs: begun once, closed once, found again by their recipe."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import yaml

from pipelines.config.params import RunParams
from pipelines.errors import ConfigError, InputError, LeaseHeld
from pipelines.ledger import lease, runs

RUN, OTHER = "2024-02-05-20260101T000000Z-abcdef", "2024-02-05-20260102T000000Z-123456"


@pytest.fixture
def stocked(world):
    world.publish(*world.days(40))
    return world


def test_a_run_holds_all_that_its_results_depend_on(stocked):
    run = stocked.open_run(note="try", promotion="auto")
    ledger = stocked.ledger
    assert ledger.is_ancestor(ledger.head("data"), run.head)
    assert RunParams.model_validate(yaml.safe_load(ledger.read(run.head, "params.yaml"))) == stocked.params()
    held = ledger.tree(run.head)
    for path in ("dvc.yaml", "code.json", "window.json", "champion/champion.json", "model/features.py", ".dvc/config"):
        assert path in held
    asked = json.loads(ledger.read(run.head, "run.json"))
    assert asked == {"run": RUN, "request": {"note": "try", "promotion": "auto", "key": run.key}}
    assert json.loads(ledger.read(run.head, "champion/champion.json")) == {"champion": None}
    assert json.loads(ledger.read(run.head, "champion/stamped.json")) == {"stamped": None}
    assert len(json.loads(ledger.read(run.head, "window.json"))["partitions"]) == 70


def test_begun_twice_it_is_one_run(stocked):
    first = stocked.open_run(note="a")
    assert stocked.open_run(note="a") == first
    stocked.publish(*stocked.days(1, start=41))  # newer data leave a begun run on its own
    assert stocked.open_run(note="a") == first


def test_begun_many_times_at_once_it_is_one_run(stocked):
    with ThreadPoolExecutor(6) as pool:
        heads = {run.head for run in pool.map(lambda _: replace(stocked, ledger=stocked.fresh()).open_run(), range(8))}
    assert len(heads) == 1


def test_the_same_id_for_something_else_is_refused(stocked):
    run = stocked.open_run(note="a")
    with pytest.raises(InputError, match=r"another run\.json"):
        stocked.open_run(note="b")
    stocked.tiny.edit("title: Orders", "title: All orders")
    with pytest.raises(InputError, match=r"another model/model\.yaml"):
        stocked.open_run(note="a")
    stocked.tiny.edit("title: All orders", "title: Orders")
    newer = stocked.publish(stocked.arrival("orders", stocked.tiny.day(20), b"corrected"))
    with pytest.raises(InputError, match=r"another .*window\.json"):
        stocked.open_run(data_commit=newer, note="a")
    assert stocked.fresh().head(f"run/{RUN}") == run.head


@pytest.mark.parametrize("run_id", ["../x", "x", f"{RUN}/..", f"{RUN}\n", "2024-02-30-20260101T000000Z-abcdef", ""])
def test_ids_that_are_none_are_refused(stocked, run_id):
    with pytest.raises(ConfigError):
        stocked.open_run(run_id)
    assert stocked.fresh().branches() == {}


def test_a_model_folder_with_a_link_is_refused(stocked):
    params, file = stocked.params(), stocked.tiny.folder / "features.py"
    file.rename(file.with_name("elsewhere.py"))
    file.symlink_to("elsewhere.py")
    with pytest.raises(ConfigError, match=r"features\.py is not an ordinary file"):
        runs.recipe_of(stocked.settings, stocked.ledger, params, stocked.tiny.folder, project=stocked.project)


def test_finished_unfinished_and_found_again(stocked):
    one, two = stocked.open_run(), stocked.open_run(OTHER)
    assert one.key == two.key
    assert set(runs.unfinished(stocked.ledger)) == {RUN, OTHER}
    assert runs.find_same(stocked.ledger, one.key) is None
    commit = runs.finish(stocked.ledger, RUN)
    assert runs.finish(stocked.ledger, RUN) == commit
    assert runs.unfinished(stocked.ledger) == {OTHER: two.head}
    assert runs.find_same(stocked.ledger, one.key).id == RUN
    runs.finish(stocked.ledger, OTHER)
    found = runs.find_same(stocked.fresh(), one.key)
    assert (found.id, found.finished) == (OTHER, True)  # begun later
    assert runs.find_same(stocked.ledger, "0" * 64) is None


def test_only_the_holder_of_the_lease_finishes(stocked):
    stocked.open_run()
    number = lease.acquire(stocked.ledger, RUN, 600)
    with pytest.raises(LeaseHeld):
        runs.finish(stocked.ledger, RUN, number + 1)
    runs.finish(stocked.ledger, RUN, number)


def test_no_such_run(stocked):
    with pytest.raises(InputError, match="there is no run"):
        runs.finish(stocked.ledger, RUN)


def test_the_key_changes_with_what_counts_and_with_nothing_else(stocked):
    def key():
        return runs.recipe_of(
            stocked.settings, stocked.ledger, stocked.params(), stocked.tiny.folder, project=stocked.project
        )

    first = key()
    assert first == stocked.open_run(note="x").key
    stocked.tiny.edit("title: Orders", "title: All orders")
    stocked.publish(*stocked.days(1, start=45))  # outside the window
    assert key() == first
    stocked.tiny.edit("learning_rate: 0.15", "learning_rate: 0.2")
    second = key()
    stocked.tiny.edit("days=7", "days=8", "features.py")
    third = key()
    stocked.publish(stocked.arrival("orders", stocked.tiny.day(20), b"corrected"))
    assert len({first, second, third, key()}) == 4
