"""What the runtimes share: which one is chosen, and what counts as a result."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from fake_engine import FakeEngine

from pipelines.config.settings import Runtime, Settings
from pipelines.errors import ConfigError

GOOD = {"exit_code": 0, "summary": {"a": 1}, "error": ""}


def test_without_an_image_auto_is_the_process(settings: Settings) -> None:
    from evergreen_runtime import chosen

    assert chosen() is Runtime.PROCESS


def test_with_an_image_and_no_engine_auto_is_the_process(settings: Settings, tmp_path: Path, monkeypatch) -> None:
    from evergreen_runtime import chosen

    monkeypatch.setenv("EVERGREEN_TASK_IMAGE", "evergreen-tasks:local")
    monkeypatch.setenv("EVERGREEN_DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert chosen() is Runtime.PROCESS


@pytest.mark.parametrize(("image", "taken"), [("evergreen-tasks:local", "docker"), ("evergreen-tasks:gone", "process")])
def test_auto_is_docker_where_the_engine_has_the_image(
    settings: Settings, tmp_path: Path, monkeypatch, image: str, taken: str
) -> None:
    import evergreen_runtime

    with FakeEngine(tmp_path / "engine.sock").running() as engine:
        monkeypatch.setenv("EVERGREEN_TASK_IMAGE", image)
        monkeypatch.setenv("EVERGREEN_DOCKER_HOST", engine.url)
        engine.on("GET", "/evergreen-tasks%3Alocal/json", (200, {"Id": "sha256:abc"}))
        evergreen_runtime._there.cache_clear()
        assert evergreen_runtime.chosen().value == taken


def test_an_engine_that_does_not_answer_is_not_waited_for(settings: Settings, tmp_path: Path, monkeypatch) -> None:
    import time

    from evergreen_runtime import chosen

    monkeypatch.setenv("EVERGREEN_TASK_IMAGE", "evergreen-tasks:local")
    monkeypatch.setenv("EVERGREEN_DOCKER_HOST", f"unix://{tmp_path}/deaf.sock")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        deaf.listen()
        began = time.monotonic()
        assert chosen() is Runtime.PROCESS
        assert time.monotonic() - began < 3
        assert chosen() is Runtime.PROCESS, "asked once a process"


@pytest.mark.parametrize("name", ["process", "docker", "kubernetes"])
def test_what_is_named_is_not_questioned(settings: Settings, monkeypatch, name: str) -> None:
    from evergreen_runtime import chosen

    monkeypatch.setenv("EVERGREEN_RUNTIME", name)
    assert chosen().value == name


def test_an_unknown_runtime_is_refused(settings: Settings, monkeypatch) -> None:
    from evergreen_runtime import chosen

    monkeypatch.setenv("EVERGREEN_RUNTIME", "abacus")
    with pytest.raises(ConfigError, match="EVERGREEN_RUNTIME"):
        chosen()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[1]",
        b"not json",
        b"[" * 8000,
        b"\xff\xfe",
        json.dumps(GOOD | {"summary": {"x": "y" * 9000}}).encode(),
        json.dumps(GOOD | {"summary": []}).encode(),
        json.dumps(GOOD | {"exit_code": 75}).encode(),
    ],
    ids=range(9),
)
def test_only_a_small_object_that_fits_the_exit_code_is_a_result(data: bytes) -> None:
    from evergreen_runtime import outcome_of

    outcome = outcome_of(0, data, "evergreen: the last line")
    assert (outcome.summary, outcome.error) == (None, "the last line")


def test_an_error_is_one_bounded_printable_line() -> None:
    from evergreen_runtime import outcome_of

    told = GOOD | {"exit_code": 3, "error": "a\x1b[31m\nb" + "c" * 5000}
    outcome = outcome_of(3, json.dumps(told).encode(), "last")
    assert outcome.error.startswith("a [31m bccc")
    assert len(outcome.error) == 300
