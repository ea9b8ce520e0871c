"""Reads `dvc.yaml` and `dvc.lock` of a commit without DVC: whether a stage's entry is unchanged, and its outs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipelines.errors import InputError, shorten
from pipelines.ledger.git import Ledger
from pipelines.ledger.reader import Fields, of_kind, where_of
from pipelines.storage import bounded

_ABSENT = object()
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?\Z", re.ASCII)
_OUTS = ("outs", "metrics", "plots")


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
        self.stages: Mapping[str, Any] = self._section("dvc.yaml", _check_definition)
        self.lock: Mapping[str, Any] = self._section("dvc.lock", _check_entry)

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
        deps, params = definition.get("deps") or [], _params(definition)
        # All at once: every question to Git is a process.
        in_git = {out.path for out in outs if not out.cached} | {file for file, _ in params}
        self._bring(in_git.union(deps).difference(made))
        return (
            _holds(entry.get("deps") or [], {path: made.get(path) or self._md5(path) for path in deps})
            and self._params_hold(entry, params)
            and {out.path for out in outs if out.md5} == {path for path, _ in _outs(definition)}
            and all(out.cached or self._md5(out.path) == out.md5 for out in outs)
        )

    def outs(self, stage: str) -> list[Out]:
        """The outs of `stage`, in the order of `dvc.yaml`."""
        locked = {item["path"]: str(item.get("md5", "")) for item in (self.lock.get(stage) or {}).get("outs") or []}
        return [Out(stage, path, locked.get(path, ""), cached) for path, cached in _outs(self._definition(stage))]

    def needs(self, stage: str) -> list[Out]:
        """The outs of earlier stages that `stage` depends on."""
        wanted = set(self._definition(stage).get("deps") or [])
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
        locked = {
            (file, key): value for file, keys in (entry.get("params") or {}).items() for key, value in keys.items()
        }
        return set(locked) == wanted and all(locked[file, key] == _at(self._parsed(file), key) for file, key in wanted)

    def _bring(self, paths: Iterable[str]) -> None:
        unknown = [path for path in paths if path not in self._files]
        if unknown:
            found = self.ledger.read_many((self.commit, path) for path in unknown)
            self._files |= {path: content for (_, path), content in found.items()}

    def _parsed(self, path: str) -> Any:
        if path not in self._documents:
            content = self.read(path)
            self._documents[path] = {} if content is None else bounded.parse(content, self._where(path))
        return self._documents[path]

    def _section(self, path: str, check: Callable[[Fields], None]) -> Mapping[str, Any]:
        """The stages in `path`, each of which is what `check` knows."""
        document = self._parsed(path)
        stages = Fields(of_kind({} if document is None else document, dict, self._where(path)), self._where(path)).get(
            "stages", dict, {}
        )
        for name, stage in (stages or {}).items():
            where = f"{self._where(path)}: {shorten(repr(name), 40)}"
            check(Fields(of_kind(stage, dict, where), where))
        return stages or {}

    def _where(self, path: str) -> str:
        return where_of(self.ledger, self.commit, path)

    def _md5(self, path: str) -> str | None:
        content = self.read(path)
        return None if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()


def _holds(locked: Iterable[Mapping[str, Any]], deps: Mapping[str, str | None]) -> bool:
    return {item["path"]: item.get("md5") for item in locked} == deps


def _params(definition: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(file, key) for item in definition.get("params") or [] for file, keys in item.items() for key in keys}


def _outs(definition: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for kind in _OUTS:
        for item in definition.get(kind) or []:
            if isinstance(item, str):
                yield item, True
            else:
                yield from ((path, (options or {}).get("cache", True)) for path, options in item.items())


def _check_definition(stage: Fields) -> None:
    """Raises UnreadableRecord where `stage` is not one of those in our `dvc.yaml`."""
    stage.get("cmd", str)
    for path in stage.get("deps", list, []) or []:
        of_kind(path, str, stage.where, "deps")
    for item in stage.get("params", list, []) or []:
        for file, keys in of_kind(item, dict, stage.where, "params").items():
            for name in (file, *of_kind(keys, list, stage.where, "params")):
                of_kind(name, str, stage.where, "params")
            _check_path(file, stage.where)
    for kind in _OUTS:
        for item in stage.get(kind, list, []) or []:
            for path, options in (item if isinstance(item, dict) else {item: None}).items():
                _check_path(path, stage.where)
                Fields(of_kind(options or {}, dict, stage.where, kind), stage.where).get("cache", bool, True)


def _check_entry(stage: Fields) -> None:
    """Raises UnreadableRecord where `stage` is not what DVC writes into `dvc.lock`."""
    for kind in ("deps", "outs"):
        for item in stage.each(kind) if stage.value.get(kind) is not None else ():
            _check_path(item.get("path", str), stage.where)
            md5 = item.get("md5", str, "")
            if md5 and not _MD5.match(md5):
                raise bounded.unreadable(f"{shorten(repr(md5), 60)} is no md5", stage.where)
    for keys in (stage.get("params", dict, {}) or {}).values():
        of_kind(keys, dict, stage.where, "params")


def _check_path(path: Any, where: str) -> None:
    of_kind(path, str, where, "path")
    if not path or path.startswith("/") or ".." in PurePosixPath(path).parts or any(c in path for c in "\n\0\\"):
        raise bounded.unreadable(f"{shorten(repr(path), 60)} is not a path inside a run", where)


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value
