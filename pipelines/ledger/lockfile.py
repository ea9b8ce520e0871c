"""Reads `dvc.yaml` and `dvc.lock` of a commit without DVC: whether a stage's entry is unchanged, and its outs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pipelines.config import plain_yaml
from pipelines.errors import InputError, IntegrityError, shorten
from pipelines.ledger.git import Ledger

_ABSENT = object()


@dataclass(frozen=True)
class Out:
    """One output of a stage: its path, md5 (`….dir` of a folder; empty before it was made), whether DVC keeps it."""

    stage: str
    path: str
    md5: str
    cached: bool


class Pipeline:
    """The stages and lock entries of one commit of a run."""

    def __init__(self, ledger: Ledger, commit: str) -> None:
        self.ledger, self.commit = ledger, commit
        found = ledger.read_many((commit, name) for name in ("dvc.yaml", "dvc.lock"))
        self._files = {path: content for (_, path), content in found.items()}
        self._documents: dict[str, Any] = {}
        self.stages: Mapping[str, Any] = _section(found[commit, "dvc.yaml"], "dvc.yaml")
        self.lock: Mapping[str, Any] = _section(found[commit, "dvc.lock"], "dvc.lock")

    def read(self, path: str) -> bytes | None:
        """The bytes of a file of the commit, asked of Git once; None: it has no such file."""
        self._bring([path])
        return self._files[path]

    def finished(self, stage: str) -> bool:
        """Whether the lock holds `stage` with today's command, dependencies, parameters and outs."""
        entry = self.lock.get(stage)
        definition = self._definition(stage)
        if entry is None or entry.get("cmd") != definition["cmd"]:
            return False
        outs = self.outs(stage)
        made = {out.path: out.md5 for out in self.needs(stage) if out.md5}
        deps, params = definition.get("deps", []), _params(definition)
        # All at once: every question to Git is a process.
        in_git = {out.path for out in outs if not out.cached} | {file for file, _ in params}
        self._bring(in_git.union(deps).difference(made))
        return (
            _holds(entry.get("deps", []), {path: made.get(path) or self._md5(path) for path in deps})
            and self._params_hold(entry, params)
            and {out.path for out in outs if out.md5} == {path for path, _ in _outs(definition)}
            and all(out.cached or self._md5(out.path) == out.md5 for out in outs)
        )

    def outs(self, stage: str) -> list[Out]:
        """The outs of `stage`, in the order of `dvc.yaml`."""
        locked = {item["path"]: str(item.get("md5", "")) for item in (self.lock.get(stage) or {}).get("outs", [])}
        return [Out(stage, path, locked.get(path, ""), cached) for path, cached in _outs(self._definition(stage))]

    def needs(self, stage: str) -> list[Out]:
        """The outs of earlier stages that `stage` depends on."""
        wanted = set(self._definition(stage).get("deps", []))
        return [out for name in self.stages if name != stage for out in self.outs(name) if out.path in wanted]

    def out_of(self, path: str) -> Out | None:
        """The out that is `path` or the folder around it; None: no stage makes it."""
        found = (out for name in self.stages for out in self.outs(name))
        return next((out for out in found if path == out.path or path.startswith(f"{out.path}/")), None)

    def _definition(self, stage: str) -> Mapping[str, Any]:
        if stage not in self.stages:
            raise InputError(f"{shorten(repr(stage))} is no stage", where="dvc.yaml", remedy=", ".join(self.stages))
        definition: Mapping[str, Any] = self.stages[stage]
        return definition

    def _params_hold(self, entry: Mapping[str, Any], wanted: set[tuple[str, str]]) -> bool:
        locked = {(file, key): value for file, keys in entry.get("params", {}).items() for key, value in keys.items()}
        return set(locked) == wanted and all(locked[file, key] == _at(self._parsed(file), key) for file, key in wanted)

    def _bring(self, paths: Iterable[str]) -> None:
        unknown = [path for path in paths if path not in self._files]
        if unknown:
            found = self.ledger.read_many((self.commit, path) for path in unknown)
            self._files |= {path: content for (_, path), content in found.items()}

    def _parsed(self, path: str) -> Any:
        if path not in self._documents:
            self._documents[path] = _document(self.read(path), path)
        return self._documents[path]

    def _md5(self, path: str) -> str | None:
        content = self.read(path)
        return None if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()


def _holds(locked: Iterable[Mapping[str, Any]], deps: Mapping[str, str | None]) -> bool:
    return {item["path"]: item.get("md5") for item in locked} == deps


def _params(definition: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(file, key) for item in definition.get("params", []) for file, keys in item.items() for key in keys}


def _outs(definition: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for kind in ("outs", "metrics", "plots"):
        for item in definition.get(kind, []):
            if isinstance(item, str):
                yield item, True
            else:
                yield from ((path, (options or {}).get("cache", True)) for path, options in item.items())


def _section(content: bytes | None, path: str) -> Mapping[str, Any]:
    stages = (_document(content, path) or {}).get("stages") or {}
    if not isinstance(stages, dict):
        raise IntegrityError("has no stages", where=path, remedy="mend the run's branch or begin a new run")
    return stages


def _document(content: bytes | None, path: str) -> Any:
    if content is None:
        return {}
    try:
        return json.loads(content) if path.endswith(".json") else plain_yaml.load(content)
    except (ValueError, yaml.YAMLError) as error:
        raise IntegrityError(shorten(str(error), 120), where=path, remedy="begin a new run") from None


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value
