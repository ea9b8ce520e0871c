"""Bad challengers in front of promotion: forged, stale or unfinished. None is promoted, and the ledger says why.

Whoever can write to the ledger's folder forges here: hooks and roles keep others from getting this far.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stories
import warm
import yaml
from stories import Story

from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, ExitCode
from pipelines.ledger import Ledger, approvals, decisions
from pipelines.ledger import champion as champions
from pipelines.ledger.approvals import Answer
from pipelines.release.promote import promote

GATES, METRICS = "out/evaluate/gates.json", "out/evaluate/metrics.json"
RELEASE, SIGNATURE = "release.json", "signature.json"
Files = dict[str, bytes]


def evergreen(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`evergreen`, however long it takes on a busy machine."""
    return warm.run([stories.EVERGREEN, *arguments], stories.environment(settings))


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A champion as of day 30, and a challenger as of day 38 whose gates passed, and who waits for a person."""
    return stories.waiting(tmp_path_factory)


class Forger:
    """A copy of the story whose ledger folder and bytes are written to directly."""

    def __init__(self, story: Story) -> None:
        self.story, self.settings = story, story.settings
        self.run = str(story.reports[1]["run"])
        self.bare = Path(self.settings.ledgers) / "tiny.git"

    def git(self, *arguments: str, data: bytes = b"", **env: str) -> bytes:
        who = {
            f"GIT_{role}_{what}": "eve@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        done = subprocess.run(
            ["git", "--git-dir", str(self.bare), *arguments],
            input=data,
            env=os.environ | who | env,
            capture_output=True,
            check=True,
        )
        return done.stdout

    def read(self, path: str) -> Any:
        raw = self.git("show", f"refs/tags/runs/{self.run}:{path}")
        return json.loads(raw) if path.endswith(".json") else yaml.safe_load(raw)

    def forge(self, files: Files, lock: dict[str, Any] | None = None) -> None:
        """Put `files` into the run's tag; with `lock` a dvc.lock that knows of them."""
        tag, branch, index = f"refs/tags/runs/{self.run}", f"refs/heads/run/{self.run}", str(self.bare / "forged")
        if lock is not None:
            files = files | {"dvc.lock": yaml.safe_dump(lock, sort_keys=False).encode()}
        self.git("read-tree", tag, GIT_INDEX_FILE=index)
        for path, content in files.items():
            blob = self.git("hash-object", "-w", "--stdin", data=content).decode().strip()
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", GIT_INDEX_FILE=index)
        tree = self.git("write-tree", GIT_INDEX_FILE=index).decode().strip()
        commit = self.git("commit-tree", tree, "-p", tag, "-m", "evaluate of tiny").decode().strip()
        for ref in (tag, branch):
            self.git("update-ref", ref, commit)

    def gates(self, change: Callable[[dict[str, Any]], None], *, hashed: bool) -> None:
        """Change gates.json, and its hash in dvc.lock as well where `hashed`."""
        value = self.read(GATES)
        change(value)
        content = json.dumps(value).encode()
        self.forge({GATES: content}, self.locked({GATES: content}) if hashed else None)

    def locked(self, outs: Files) -> dict[str, Any]:
        """The lock with the hashes of these outs of the evaluate stage."""
        lock: dict[str, Any] = self.read("dvc.lock")
        for out in lock["stages"]["evaluate"]["outs"]:
            if out["path"] in outs:
                content = outs[out["path"]]
                out |= {"md5": _md5(content), "size": len(content)}
        return lock

    def store(self, content: bytes, suffix: str = "") -> str:
        """Keep `content` in the remote and in the cache, as DVC would; its md5."""
        md5 = _md5(content)
        for folder in (self.settings.home / "remote", self.settings.home / "cache"):
            path = folder / "files" / "md5" / md5[:2] / f"{md5[2:]}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return f"{md5}{suffix}"

    def objects(self, md5: str) -> list[Path]:
        """Where cache and remote hold an object."""
        places = (self.settings.home / "remote", self.settings.home / "cache")
        return [path for place in places for path in place.rglob(md5[2:]) if path.parent.name == md5[:2]]

    def trained(self) -> dict[str, str]:
        """File to md5 of what the train stage made."""
        (out,) = [out for out in self.read("dvc.lock")["stages"]["train"]["outs"] if out["path"] == "out/train"]
        (listed, *_) = self.objects(out["md5"])
        return {item["relpath"]: item["md5"] for item in json.loads(listed.read_bytes())}

    def approved(self) -> None:
        """Let a person be deceived: what lies there now is approved."""
        ledger = Ledger.open(self.settings, "tiny")
        found = approvals.gates_sha256(ledger, self.run)
        approvals.record(ledger, Answer(self.run, found, "approve", "ann", ("ann",), "tests", datetime.now(UTC)))


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def forger(waiting: Story, tmp_path: Path) -> Forger:
    return Forger(waiting.copy(tmp_path / "copy"))


def refused(forger: Forger) -> str:
    """Why promotion says no; the champion is who it was, and the decision is on record."""
    forger.approved()
    before = Ledger.open(forger.settings, "tiny").head("champion")
    done = promote(forger.settings, "tiny", forger.run, lambda _: None)
    ledger = Ledger.open(forger.settings, "tiny")
    assert done.exit_code is ExitCode.REFUSED
    assert ledger.head("champion") == before
    told = decisions.last_refusal(ledger)
    assert told is not None
    assert (told["run"], told["by"]) == (forger.run, "promote")
    assert told["reason"] == done.summary["reason"]
    return str(told["reason"])


def test_00_the_honest_one_is_promoted(forger: Forger) -> None:
    forger.approved()
    done = promote(forger.settings, "tiny", forger.run, lambda _: None)
    assert done.summary["promoted"], done.summary


def better(gates: dict[str, Any]) -> None:
    gates["gates"][0]["sentence"] = "as good as can be"


def refusing(gates: dict[str, Any]) -> None:
    gates["gates"][0]["passed"] = False


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(gates: dict[str, Any]) -> None:
        gates["gates"] = [gate for gate in gates["gates"] if not gate["name"].startswith(name)]

    return change


def said(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    """The answer of that name says something else."""

    def change(gates: dict[str, Any]) -> None:
        (found,) = [gate for gate in gates["gates"] if gate["name"] == name]
        found |= values

    return change


def nonsense(gates: dict[str, Any]) -> None:
    gates["gates"] = [{"name": "magic", "passed": True}]


def only_trying(gates: dict[str, Any]) -> None:
    for gate in gates["gates"]:
        gate["mode"] = "dry_run"


def other_bytes(gates: dict[str, Any]) -> None:
    gates["model_sha256"] = "5" * 64


@pytest.mark.parametrize(
    ("change", "hashed", "why"),
    [
        (better, False, "not those that stage evaluate hashed"),
        (refusing, True, "says passed: True, though sanity:trial refused"),
        (nonsense, True, "holds no answers"),
        (without("floors"), True, "no answer of floors:auc"),
        (without("slices"), True, "no answer of slices:segments"),
        (without("overlap"), True, "no answer of overlap:champion, overlap:days"),
        (without("leakage"), True, "no answer of leakage:single_feature"),
        (without("calibration:bias"), True, "no answer of calibration:bias"),
        (without("robustness"), True, "no answer of robustness:missing"),
        (said("leakage:single_feature", observed=0.999), True, "passed with 0.999, its bound is 0.98"),
        (said("calibration:error", threshold=0.9), True, "has the bound 0.9, model.yaml says 0.2"),
        (said("floors:auc", observed=0.99), True, "floors:auc passed with 0.99, bound 0.55; by metrics.json"),
        (said("baseline", threshold=0.01), True, "baseline passed with"),
        (said("champion", observed=-0.3), True, "champion passed with -0.3"),
        (said("champion", threshold=5.0), True, "bound 5.0; by metrics.json and model.yaml it is champion passed"),
        (only_trying, True, "is dry_run there, on in model.yaml"),
        (other_bytes, True, "names another model than signature"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_forged_gate_file_is_found(
    forger: Forger, change: Callable[[dict[str, Any]], None], hashed: bool, why: str
) -> None:
    forger.gates(change, hashed=hashed)
    assert why in refused(forger)


def test_gates_that_were_loosened_for_one_run_are_found(forger: Forger) -> None:
    params = forger.read("params.yaml")
    params["gates"]["floors"] = {}
    lock = forger.read("dvc.lock")
    lock["stages"]["evaluate"]["params"]["params.yaml"]["gates"] = params["gates"]
    forger.forge({"params.yaml": yaml.safe_dump(params, sort_keys=True).encode()}, lock)
    assert "not those of its model.yaml" in refused(forger)


def test_gates_that_were_loosened_for_one_run_in_every_file_of_it_are_found(forger: Forger) -> None:
    """The promoter has a model folder of its own, and believes that."""
    params = forger.read("params.yaml")
    params["gates"]["champion"]["margin"] = 0.7
    model = forger.git("show", f"refs/tags/runs/{forger.run}:model/model.yaml")
    assert b"margin: 0.5" in model
    gates = forger.read(GATES)
    said("champion", threshold=0.7)(gates)
    content = json.dumps(gates).encode()
    lock = forger.locked({GATES: content})
    lock["stages"]["evaluate"]["params"]["params.yaml"]["gates"] = params["gates"]
    forger.forge(
        {
            GATES: content,
            "params.yaml": yaml.safe_dump(params, sort_keys=True).encode(),
            "model/model.yaml": model.replace(b"margin: 0.5", b"margin: 0.7"),
        },
        lock,
    )
    reason = refused(forger)
    assert "changed since it was judged: champion.margin was 0.7, is 0.5; retrain" in reason


@pytest.mark.parametrize(
    ("hashed", "why"),
    [
        (False, "not those that stage evaluate hashed"),
        (True, "by metrics.json and model.yaml it is floors:auc passed with 0.99"),
    ],
)
def test_metrics_that_were_made_better_are_found(forger: Forger, hashed: bool, why: str) -> None:
    metrics = forger.read(METRICS)
    metrics["challenger"]["auc"] = 0.99
    files = {METRICS: json.dumps(metrics).encode()}
    forger.forge(files, forger.locked(files) if hashed else None)
    assert why in refused(forger)


def test_57_bytes_that_were_spoilt_in_the_store_are_found(forger: Forger) -> None:
    for path in forger.objects(forger.trained()[RELEASE]):
        path.chmod(0o644)
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.unlink()
        path.write_bytes(bytes(raw))
    reason = refused(forger)
    assert "does not hold" in reason


def test_58_a_pickle_in_the_models_place_is_found_with_every_hash_forged(forger: Forger) -> None:
    trained = forger.trained()
    bomb = pickle.dumps({"learner": {}})
    (listed,) = {path.read_bytes() for path in forger.objects(trained[SIGNATURE])}
    sha256 = hashlib.sha256(bomb).hexdigest()
    said = json.dumps(json.loads(listed) | {"model_sha256": sha256}).encode()
    trained |= {RELEASE: forger.store(bomb), SIGNATURE: forger.store(said)}
    entries = [{"md5": md5, "relpath": path} for path, md5 in sorted(trained.items())]
    folder = forger.store(json.dumps(entries).encode(), ".dir")
    gates = json.dumps(forger.read(GATES) | {"model_sha256": sha256}).encode()
    lock = forger.locked({GATES: gates})
    for entry in (*lock["stages"]["train"]["outs"], *lock["stages"]["evaluate"]["deps"]):
        if entry["path"] == "out/train":
            entry["md5"] = folder
    forger.forge({GATES: gates}, lock)
    assert "is a pickle, which is never loaded" in refused(forger)


def test_a_run_that_was_judged_against_another_champion_is_refused(forger: Forger) -> None:
    ledger = Ledger.open(forger.settings, "tiny")
    standing = champions.current(ledger)
    assert standing is not None
    other = standing.model_copy(update={"run": stories.run_id(forger.story.tiny.day(36), "other"), "version": 7})
    champions.promote(ledger, other, ledger.head("champion"))
    assert "which is not champion now" in refused(forger)


def test_older_data_are_refused(forger: Forger) -> None:
    ledger = Ledger.open(forger.settings, "tiny")
    standing = champions.current(ledger)
    assert standing is not None
    first, last = standing.window.test
    window = standing.window.model_copy(update={"test": (first, last + timedelta(days=90))})
    champions.promote(ledger, standing.model_copy(update={"version": 7, "window": window}), ledger.head("champion"))
    assert "knows data up to" in refused(forger)


def test_an_unfinished_run_is_refused(forger: Forger) -> None:
    forger.git("update-ref", "-d", f"refs/tags/runs/{forger.run}")
    with pytest.raises(EvergreenError, match="is not finished"):
        promote(forger.settings, "tiny", forger.run, lambda _: None)


def test_a_gate_file_edited_in_the_workspace_gets_no_version(forger: Forger) -> None:
    """A run that its gates refuse, whose workspace says otherwise when it comes to be registered."""
    forger.story.tiny.edit("floors: {auc: 0.55}", "floors: {auc: 0.999}")
    done = evergreen(forger.settings, "run", "tiny", "--as-of", str(forger.story.tiny.day(39)), "--json")
    assert done.returncode == ExitCode.REFUSED, done.stderr
    run = stories.last_json(done)["run"]
    workspace = forger.settings.workspaces / "tiny" / run
    path = workspace / GATES
    path.write_text(json.dumps(json.loads(path.read_text()) | {"passed": True}))
    for step in ("register", "promote"):
        again = evergreen(forger.settings, "stage", step, "--model", "tiny", "--run", run)
        assert again.returncode == ExitCode.REFUSED, again.stderr + again.stdout
    standing = champions.current(Ledger.open(forger.settings, "tiny"))
    assert standing is not None
    assert standing.version == 1
    shutil.rmtree(workspace)
