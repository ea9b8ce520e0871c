"""Evidence spoilt in every way that a seeded hand thinks of: none is promoted, all are refused, recorded and told.

363 mutations a run (of each of 11 files 18 ways to spoil its bytes, and 15 nodes made something else), each through
`promote` itself against a ledger, with a dvc.lock that knows of it; about a minute of one core.
EVERGREEN_MUTATIONS=3000 draws more nodes.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stories
import yaml
from ledger_writers import Bare
from stories import Story

from pipelines.errors import ExitCode, InputError
from pipelines.ledger import Ledger, broken, decisions
from pipelines.release.promote import promote

GATES, METRICS, SLICES = "out/evaluate/gates.json", "out/evaluate/metrics.json", "out/evaluate/slices.json"
SIGNATURE = "out/train/signature.json"
IN_GIT = (GATES, METRICS, "params.yaml", "model/model.yaml", "dvc.yaml", "dvc.lock", "code.json", "run.json")
FILES = (*IN_GIT, SLICES, SIGNATURE, "champion/champion.json")
NODES = int(os.environ.get("EVERGREEN_MUTATIONS", "165")) // len(FILES)
SECONDS = 5.0
SEED = 16
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**30,
    1e308,
    "",
    "x",
    "\x00",
    "No",
    "../../x",
    [],
    {},
    [[]],
    {"": 1},
)
BOMB = b"".join(
    [b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n".encode() for n in range(1, 9)]
)
Spoil = Callable[[bytes], bytes]


SPOILT: dict[str, Spoil] = {
    "truncated": lambda content: content[: len(content) // 2],
    "a third": lambda content: content[: len(content) // 3],
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "null": lambda _: b"null",
    "a list": lambda _: b"[]",
    "text": lambda _: b'"x"',
    "a number": lambda _: b"1",
    "no keys": lambda _: b"{}",
    "nested": lambda _: b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}",
    "nested flow": lambda _: b"[" * 100_000,
    "nested block": lambda _: b"- " * 100_000 + b"x",
    "nested maps": lambda _: b'{"a":' * 100_000,
    "alias bomb": lambda _: BOMB,
    "numbers": lambda _: b'{"x": 1e999, "y": NaN, "z": ' + b"9" * 5000 + b"}",
    "large": lambda content: content + b" " * (50 << 20),
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A champion, and a challenger whose gates passed and who waits for a person."""
    return stories.waiting(tmp_path_factory).copy(tmp_path_factory.mktemp("mutated"))


class Forger:
    """Writes a spoilt copy of the waiting run's tag, over and over; whom it is judged by believes dvc.lock."""

    def __init__(self, story: Story) -> None:
        self.settings, self.run = story.settings, str(story.reports[1]["run"])
        self.bare = Bare(Path(self.settings.ledgers) / "tiny.git")
        self.tag = f"refs/tags/runs/{self.run}"
        self.honest = self.bare.git("rev-parse", self.tag).decode().strip()
        self.lock: dict[str, Any] = yaml.safe_load(self.show("dvc.lock"))
        self.files = {path: self.show(path) for path in (*IN_GIT, "champion/champion.json")}
        self.files |= {SLICES: self.out("evaluate", SLICES), SIGNATURE: self.inside("train", "out/train", SIGNATURE)}

    def show(self, path: str) -> bytes:
        return self.bare.git("show", f"{self.tag}:{path}")

    def out(self, stage: str, path: str) -> bytes:
        (found,) = [out for out in self.lock["stages"][stage]["outs"] if out["path"] == path]
        return self.object(found["md5"])

    def inside(self, stage: str, folder: str, path: str) -> bytes:
        listed = {f"{folder}/{item['relpath']}": item["md5"] for item in json.loads(self.out(stage, folder))}
        return self.object(listed[path])

    def object(self, md5: str) -> bytes:
        return (self.settings.home / "remote" / "files" / "md5" / md5[:2] / md5[2:]).read_bytes()

    def forge(self, path: str, content: bytes) -> None:
        """Put `content` there, and its hash into dvc.lock where that knows such a file."""
        files: dict[str, bytes | None] = {path: content}
        if path != "dvc.lock":
            lock = json.loads(json.dumps(self.lock))
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            for stage in lock["stages"].values():
                for item in (*stage["deps"], *stage["outs"]):
                    if item["path"] == path:
                        item |= {"md5": md5, "size": len(content)}
            self.parameters(path, content, lock)
            files["dvc.lock"] = yaml.safe_dump(lock, sort_keys=False).encode()
        self.bare.put(self.honest, files, self.tag)

    def parameters(self, path: str, content: bytes, lock: dict[str, Any]) -> None:
        """What dvc.lock repeats of a file's keys is what stands there now, where that can be read at all."""
        try:
            value = yaml.load(content, yaml.CSafeLoader) if len(content) < 100_000 and b"[[[" not in content else None
        except (yaml.YAMLError, ValueError, UnicodeDecodeError):
            return
        for stage in lock["stages"].values():
            for key in stage.get("params", {}).get(path, {}):
                inner = value
                for part in key.split("."):
                    inner = inner.get(part) if isinstance(inner, dict) else None
                stage["params"][path][key] = inner


@pytest.fixture(scope="module")
def forger(story: Story) -> Forger:
    return Forger(story)


def nodes(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from nodes(value[key], (*at, key))


def with_node(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """`value` with `new` at a place (`...`: without what is there)."""
    if not at:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    if len(at) == 1 and new is ...:
        del copied[at[0]]
    else:
        copied[at[0]] = with_node(value[at[0]], at[1:], new)
    return copied


def refused(forger: Forger, what: str) -> str:
    """Why promotion says no, within seconds, on record, the champion as before."""
    ledger = Ledger.open(forger.settings, "tiny")
    before = ledger.head("champion")
    began = time.monotonic()
    done = promote(forger.settings, "tiny", forger.run, lambda _: None)
    assert time.monotonic() - began < SECONDS, what
    assert done.exit_code is ExitCode.REFUSED, what
    assert done.summary["promoted"] is False
    ledger.fetch()
    assert ledger.head("champion") == before
    assert len(str(done.summary["reason"])) < 1000
    return str(done.summary["reason"])


@pytest.mark.parametrize("path", FILES)
def test_bytes_that_are_no_such_file_are_refused_and_recorded(forger: Forger, path: str) -> None:
    for kind, spoil in SPOILT.items():
        forger.forge(path, spoil(forger.files[path]))
        reason = refused(forger, f"{path}: {kind}")
        assert "its evidence does not hold" in reason or "its gates refused" in reason, (path, kind, reason)
    (told,) = decisions.find(Ledger.open(forger.settings, "tiny"), decisions.REFUSAL, limit=1)
    assert (told["run"], told["by"]) == (forger.run, "promote")
    broken.find(Ledger.open(forger.settings, "tiny"))


@pytest.mark.parametrize("path", FILES)
def test_a_node_that_is_something_else_is_never_a_traceback(forger: Forger, path: str) -> None:
    """What changes nothing that is proven (a sentence, say) waits for a person, as the honest one does."""
    dice = random.Random(f"{SEED} {path}")  # noqa: S311 - chance that is the same every time
    content = forger.files[path]
    value = json.loads(content) if path.endswith(".json") else yaml.safe_load(content)
    places = list(nodes(value))
    for _ in range(NODES):
        at, new = dice.choice(places), dice.choice((*ODD, ...))
        changed = with_node(value, at, new if at or new is not ... else None)
        if changed == value:
            continue
        text = json.dumps(changed) if path.endswith(".json") else yaml.safe_dump(changed, sort_keys=False)
        forger.forge(path, text.encode())
        began = time.monotonic()
        ledger = Ledger.open(forger.settings, "tiny")
        before = ledger.head("champion")
        done = outcome(forger)
        assert time.monotonic() - began < SECONDS, (path, at, new)
        ledger.fetch()
        assert ledger.head("champion") == before, (path, at, new)
        assert done in (int(ExitCode.REFUSED), int(ExitCode.INPUT)), (path, at, new)


def outcome(forger: Forger) -> int:
    """The exit code of promoting what nobody has approved: what is left to say once its evidence holds."""
    try:
        return int(promote(forger.settings, "tiny", forger.run, lambda _: None).exit_code)
    except InputError as error:
        if error.what != "nobody has approved it":
            raise
        return int(error.exit_code)
