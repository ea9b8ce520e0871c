"""Runs: opened as a branch on top of a commit of `data`, closed as a tag that never moves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.config import names, plain_yaml
from pipelines.config.load import FOLDER_FILES, MAX_BYTES
from pipelines.config.params import RunParams
from pipelines.config.settings import PROJECT, Settings
from pipelines.errors import ConfigError, InputError, PushRefused, UnreadableRecord
from pipelines.ledger import champion, code, lease, reader, server, stamps
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import build_window, load_manifest
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

Stamped = Callable[[champion.Champion | None], bytes]
# What an id stands for: opening it again must bring the same. The champion may have moved since, the first stays.
_IDENTITY = ("params.yaml", "dvc.yaml", "run.json", "window.json", *(f"model/{name}" for name in FOLDER_FILES))


@dataclass(frozen=True)
class Run:
    """A run in the ledger: its branch's head (or its tag's commit), what was asked, and whether it is finished."""

    id: str
    head: str
    finished: bool
    request: Mapping[str, Any]

    @property
    def branch(self) -> str:
        """The branch it is written on."""
        return f"run/{self.id}"

    @property
    def tag(self) -> str:
        """The tag it ends as."""
        return f"runs/{self.id}"

    @property
    def key(self) -> str:
        """The recipe's key."""
        return str(self.request.get("key", ""))


def open_run(
    settings: Settings,
    ledger: Ledger,
    run_id: str,
    params: RunParams,
    request: Mapping[str, Any],
    model_folder: Path,
    data_commit: str | None = None,
    *,
    project: Path = PROJECT,
    stamped: Stamped | None = None,
) -> Run:
    """Begin run `run_id` on top of `data_commit` (default: the head of `data`), or return it where it was begun before.

    `stamped` gives the contents of `champion/stamped.json` for the champion that the run is to be judged against.

    Raises:
        InputError: the id was begun with another recipe, data, code or request.
        PassingFault: the ledger cannot be reached.
    """
    names.check_run_id(run_id)
    ledger.fetch()
    begun = find(ledger, run_id)
    base = data_commit or (_base(ledger, begun) if begun else ledger.head("data"))
    if base is None:
        raise InputError("there are no data yet", where=ledger.url, remedy=f"`evergreen ingest {ledger.model}` first")
    standing = champion.current(ledger)
    files = _files(settings, ledger, run_id, params, request, model_folder, base, project, standing)
    if begun is None:
        files[stamps.NOTE] = stamped(standing) if stamped else stamps.NOTHING
        try:
            ledger.commit(f"run/{run_id}", files, f"Begin run {run_id} of {ledger.model}\n", parent=None, base=base)
        except PushRefused:
            ledger.fetch()  # begun by somebody else meanwhile: theirs must be the same
        begun = find(ledger, run_id)
    if begun is None:
        raise PushRefused(f"run {run_id} could not be begun", where=ledger.url, remedy="try again")
    _compare(ledger, begun, files)
    return begun


def find(ledger: Ledger, run_id: str) -> Run | None:
    """Run `run_id` when the ledger was last fetched, finished or not; None: no such run.

    Raises:
        UnreadableRecord: its `run.json` is not what opening a run writes.
    """
    tagged, branch = ledger.head(f"runs/{run_id}"), ledger.head(f"run/{run_id}")
    head = tagged or branch
    if head is None:
        return None
    return Run(run_id, head, tagged is not None, reader.request_of(reader.record(ledger, head, reader.REQUEST)))


def finish(ledger: Ledger, run_id: str, fencing: int | None = None) -> str:
    """Tag the head of the run's branch `runs/<run_id>` and return it; a finished run stays as it is.

    Raises:
        InputError: no such run.
        LeaseHeld: `fencing` is given and is no longer the lease's number.
    """
    if fencing is not None:
        lease.check(ledger, run_id, fencing)
    else:
        ledger.fetch()
    run = find(ledger, run_id)
    if run is None:
        raise InputError(f"there is no run {run_id}", where=ledger.url, remedy="copy its id from `evergreen status`")
    if not run.finished:
        ledger.tag(run.tag, run.head)
    return run.head


def finished(ledger: Ledger) -> dict[str, str]:
    """Run id to commit of all finished runs, the oldest as-of day first, as of the last fetch."""
    return _by_id(ledger.tags("runs/"), "runs/")


def unfinished(ledger: Ledger) -> dict[str, str]:
    """Run id to commit of all runs that were begun and not finished, as of the last fetch."""
    done = finished(ledger)
    begun = _by_id(ledger.branches("run/"), "run/")
    return {run_id: commit for run_id, commit in begun.items() if run_id not in done}


def find_same(ledger: Ledger, key: str) -> Run | None:
    """The newest finished run (by the time it was begun) of the recipe with this key; None: there is none."""
    return next(iter(all_same(ledger, key)), None)


def all_same(ledger: Ledger, key: str) -> list[Run]:
    """The finished runs of the recipe with this key, the newest (by the time it was begun) first.

    A run whose `run.json` cannot be read is of no recipe: `broken.runs` names it.
    """
    runs = finished(ledger)
    found = reader.records(ledger, ((commit, reader.REQUEST) for commit in runs.values()))
    requests = {run_id: request_or_none(found[commit, reader.REQUEST]) for run_id, commit in runs.items()}
    same = [
        Run(run_id, runs[run_id], True, request)
        for run_id, request in requests.items()
        if request is not None and request.get("key") == key
    ]
    return sorted(same, key=lambda run: run.id[11:], reverse=True)


def request_or_none(found: reader.Record) -> dict[str, Any] | None:
    """What was asked for, by a run's `run.json`; None where it cannot be read."""
    try:
        return reader.request_of(found)
    except UnreadableRecord:
        return None


def recipe_key(
    params: RunParams, window: Mapping[str, Any], code_json: Mapping[str, Any], model_files: Mapping[str, bytes]
) -> str:
    """One hash over all that a run's model depends on: parameters, the window's bytes, code, features, expectations.

    The commit and image around the code are left out: the stage hashes hold what of them matters.
    """
    parts = {
        "params": params.model_dump(mode="json"),
        "window": {
            **window,
            "partitions": [[p["path"], p["sha256"], p["verdict"], p["suite"]] for p in window["partitions"]],
        },
        "stages": code_json["stages"],
        "lock": code_json["lock_sha256"],
        "files": {
            name: hashlib.sha256(content).hexdigest() for name, content in model_files.items() if name != "model.yaml"
        },
    }
    return hashlib.sha256(json_bytes(parts)).hexdigest()


def recipe_of(
    settings: Settings,
    ledger: Ledger,
    params: RunParams,
    model_folder: Path,
    data_commit: str | None = None,
    *,
    project: Path = PROJECT,
) -> str:
    """The recipe's key as `open_run` would store it, for `find_same`."""
    window = build_window(load_manifest(ledger, data_commit), params)
    return recipe_key(params, window, code.describe(settings, project), _model_files(model_folder))


def _files(
    settings: Settings,
    ledger: Ledger,
    run_id: str,
    params: RunParams,
    request: Mapping[str, Any],
    model_folder: Path,
    base: str,
    project: Path,
    standing: champion.Champion | None,
) -> dict[str, bytes]:
    window = build_window(load_manifest(ledger, base), params)
    code_json = code.describe(settings, project)
    model_files = _model_files(model_folder)
    key = recipe_key(params, window, code_json, model_files)
    return {
        **server.first_files(ledger.model, settings.dvc_remote),
        "params.yaml": plain_yaml.dump(params.model_dump(mode="json")).encode(),
        "dvc.yaml": (project / "dvc.yaml").read_bytes(),
        "code.json": json_bytes(code_json),
        "window.json": json_bytes(window),
        "run.json": json_bytes({"run": run_id, "request": {**request, "key": key}}),
        "champion/champion.json": json_bytes({"champion": standing.model_dump(mode="json") if standing else None}),
        **{f"model/{name}": content for name, content in model_files.items()},
    }


def _model_files(folder: Path) -> dict[str, bytes]:
    files = {}
    for name in FOLDER_FILES:
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"{name} is not an ordinary file of at most {MAX_BYTES} bytes",
                where=folder.name,
                remedy="`evergreen check` tells what a model folder needs",
            )
        files[name] = path.read_bytes()
    return files


def _compare(ledger: Ledger, run: Run, files: Mapping[str, bytes]) -> None:
    standing = ledger.read_many((run.head, path) for path in (*_IDENTITY, "code.json"))
    differing = [path for path in _IDENTITY if standing[run.head, path] != files[path]]
    old, new = (
        bounded.parse(content or b"{}", reader.where_of(ledger, run.head, "code.json"))
        for content in (standing[run.head, "code.json"], files["code.json"])
    )
    if not isinstance(old, dict) or old.get("stages") != new.get("stages"):
        differing.append("code.json")
    if differing:
        raise InputError(
            f"run {run.id} was begun with another {', '.join(differing)}",
            where=run.branch,
            remedy="begin a new run; an id stands for one recipe",
        )


def _base(ledger: Ledger, run: Run) -> str | None:
    """The commit of `data` a run was begun on: the newest one in its past that holds no `run.json`."""
    for commit in ledger.log(run.tag if run.finished else run.branch):
        if ledger.read(commit, "run.json") is None:
            return commit
    return None


def _by_id(refs: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Run id to commit of these refs. What has another name is no run, and nothing of ours can ask for it."""
    return {run: commit for name, commit in refs.items() if names.is_run_id(run := name.removeprefix(prefix))}
