"""A container's life where the engine, or somebody else, does not behave; with the real engine: tests/stack."""

from __future__ import annotations

import json
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_engine import Answer, FakeEngine, archive, log, state

from pipelines.config import settings as configuration
from pipelines.config.resources import Allowance
from pipelines.errors import ConfigError, PassingFault

NAME = "evergreen-tiny-train-0"
SETTINGS = configuration.load({"EVERGREEN_TASK_IMAGE": "evergreen-tasks:local"})
STAMP = "2026-11-03T10:00:{:012.9f}Z {}"
GOOD = json.dumps({"exit_code": 0, "summary": {"a": 1}, "error": ""}).encode()
MADE, DONE = (201, {"Id": "c0ffee", "Warnings": []}), (204, b"")
GONE = (404, {"message": f"No such container: {NAME}"})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    fake = FakeEngine(tmp_path / "engine.sock")
    fake.on("GET", f"/{NAME}/json", GONE)
    fake.on("POST", "/containers/create", MADE)
    fake.on("POST", "/start", DONE)
    fake.on("POST", "/stop", DONE)
    fake.on("DELETE", "/containers/c0ffee", DONE)
    fake.on("DELETE", f"/containers/{NAME}", DONE)
    fake.on("GET", "/c0ffee/json", state("exited"))
    fake.on("GET", "/logs", log())
    fake.on("GET", "/archive", archive(GOOD))
    with fake.running():
        yield fake


def job(attempt: int = 1):
    from evergreen_runtime import Job

    return Job("tiny", "train", "r", ["stage", "train"], NAME, attempt, 0, Allowance())


def labels(**changed: str) -> dict[str, str]:
    from evergreen_body import labels_of

    return labels_of(job(), "evergreen-tasks:local") | {f"evergreen.{name}": text for name, text in changed.items()}


def run(engine: FakeEngine, **changed: Any):
    from evergreen_container import ContainerRuntime
    from evergreen_engine import connect

    lines: list[str] = []
    with connect(engine.url) as connected:
        return ContainerRuntime(connected, SETTINGS).run(job(**changed), lines.append), lines


def count(engine: FakeEngine, asked: str) -> int:
    return sum(line.startswith(asked) for line in engine.asked)


def test_a_container_is_made_followed_and_removed(engine: FakeEngine) -> None:
    engine.on("GET", "/c0ffee/json", state("running"), state("running"), state("exited"))
    engine.on("GET", "/logs", log(STAMP.format(1, "one")), log(STAMP.format(1, "one"), STAMP.format(2, "two")))
    outcome, lines = run(engine)
    assert (outcome.code, outcome.summary) == (0, {"a": 1})
    assert lines == [f"started container {NAME}", "one", "two"]
    assert engine.asked[-1] == "DELETE /containers/c0ffee"


def test_lines_that_come_out_of_order_are_said_once(engine: FakeEngine) -> None:
    late, early, last = STAMP.format(2.000000001, "late"), STAMP.format(1.999999999, "early"), STAMP.format(9, "last")
    # The client looks at the container before it asks for its log.
    engine.on("GET", "/c0ffee/json", *[state("running")] * 4, state("exited"))
    engine.on("GET", "/logs", log(late), log(late, early), log(early, late, last, "no time at all"))
    assert run(engine)[1][1:] == ["late", "early", "last", "time at all"]


@pytest.mark.parametrize("status", ["running", "created"])
def test_the_same_call_at_work_or_about_to_be_is_taken_over(engine: FakeEngine, status: str) -> None:
    engine.on("GET", f"/{NAME}/json", state(status, labels=labels()))
    outcome, lines = run(engine, attempt=2)
    assert outcome.summary == {"a": 1}
    assert lines[0].startswith(f"re-attached to container {NAME} of try 1")
    assert count(engine, "POST /containers/create") == 0


def test_an_answer_that_nobody_fetched_is_fetched(engine: FakeEngine) -> None:
    engine.on("GET", f"/{NAME}/json", state("exited", 0, labels=labels()))
    outcome, lines = run(engine, attempt=2)
    assert outcome.summary == {"a": 1}
    assert "has ended meanwhile" in lines[0]
    assert count(engine, "POST /containers/create") == 0


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (("running", 0, {"call": "another"}), "runs another call"),
        (("exited", 0, {"call": "another"}), "has ended"),
        (("exited", 75, {}), "has ended"),
        (("exited", 137, {}), "has ended"),
        (("exited", 3, {}), "has ended"),
        (("created", 0, {"call": "another"}), "has ended"),
    ],
)
def test_what_cannot_be_taken_over_is_fenced_off_and_replaced(engine: FakeEngine, found, word: str) -> None:
    status, code, changed = found
    engine.on("GET", f"/{NAME}/json", state(status, code, labels=labels(**changed)))
    _, lines = run(engine, attempt=2)
    assert word in lines[0]
    assert lines[1] == f"started container {NAME}"
    order = [line for line in engine.asked if not line.startswith("GET")]
    assert order[:4] == [
        "POST /containers/c0ffee/stop",
        "DELETE /containers/c0ffee",
        "POST /containers/create",
        "POST /containers/c0ffee/start",
    ]


def test_a_stranger_of_the_same_name_is_left_alone(engine: FakeEngine) -> None:
    engine.on("GET", f"/{NAME}/json", state("running", labels={"com.example": "1"}))
    with pytest.raises(ConfigError, match="no task of ours"):
        run(engine)
    assert not [line for line in engine.asked if not line.startswith("GET")]


def test_who_loses_the_race_for_the_name_takes_over_the_winners(engine: FakeEngine) -> None:
    engine.on("GET", f"/{NAME}/json", GONE, state("running", labels=labels()))
    engine.on("POST", "/containers/create", (409, {"message": "The container name is already in use"}))
    outcome, lines = run(engine)
    assert outcome.summary == {"a": 1}
    assert lines[0].startswith("re-attached")


def test_who_is_removed_before_it_starts_begins_again(engine: FakeEngine) -> None:
    engine.on("POST", "/start", GONE, DONE)
    assert run(engine)[0].summary == {"a": 1}
    assert count(engine, "POST /containers/create") == 2


def test_a_race_without_an_end_is_a_passing_fault(engine: FakeEngine) -> None:
    engine.on("POST", "/containers/create", (409, {"message": "The container name is already in use"}))
    with pytest.raises(PassingFault, match="taken again and again"):
        run(engine)


@pytest.mark.parametrize(
    ("asked", "answer", "kind", "words"),
    [
        ("/evergreen-tasks:local/json", (404, {"message": "No such image: x"}), ConfigError, "make images"),
        ("/containers/create", (403, {"message": "refused: Privileged"}), ConfigError, "socket proxy"),
        ("/containers/create", (400, {"message": "Range of CPUs is from 0.01 to 2.00"}), ConfigError, "resources"),
        ("/containers/create", (500, {"message": "disk full"}), PassingFault, "disk full"),
        ("/start", (404, {"message": "network evergreen-tasks not found"}), ConfigError, "EVERGREEN_DOCKER_NETWORK"),
        ("/start", (500, {"message": "could not select device driver"}), ConfigError, "ask for no GPU"),
        ("/start", (500, {"message": "runc failed"}), PassingFault, "runc failed"),
        ("/start", (0, b""), PassingFault, "does not answer"),
    ],
)
def test_a_refusal_and_a_fault_are_told_apart(engine: FakeEngine, asked: str, answer: Answer, kind, words) -> None:
    engine.on("GET" if "image" in asked or asked.endswith("json") else "POST", asked, answer)
    with pytest.raises(kind, match=words):
        run(engine)
    if asked == "/start":
        assert engine.asked[-1] == "DELETE /containers/c0ffee"


def test_a_moments_absence_of_the_engine_is_waited_out(engine: FakeEngine) -> None:
    engine.on("GET", "/c0ffee/json", state("running"), (0, b""), (502, {"message": "proxy"}), state("exited"))
    outcome, _ = run(engine)
    assert outcome.summary == {"a": 1}


def test_a_longer_absence_is_the_next_trys_and_leaves_the_container(engine: FakeEngine, monkeypatch) -> None:
    import evergreen_container

    monkeypatch.setattr(evergreen_container, "PATIENCE_SECONDS", 0.5)
    engine.on("GET", "/c0ffee/json", state("running"), (0, b""))
    with pytest.raises(PassingFault, match="does not answer"):
        run(engine)
    assert count(engine, "DELETE") == 0


def test_no_engine_at_all_is_a_passing_fault() -> None:
    from evergreen_engine import connect

    with pytest.raises(PassingFault, match="does not answer"), connect("tcp://127.0.0.1:1"):
        pass


def test_a_container_that_an_engine_took_along_is_tried_again(engine: FakeEngine) -> None:
    engine.on("GET", "/c0ffee/json", state("running"), (0, b""), state("exited", 255))
    engine.on("GET", "/archive", (404, {"message": "Could not find the file"}))
    with pytest.raises(PassingFault, match=r"was killed \(exit code 255\)"):
        run(engine)
    assert engine.asked[-1] == "DELETE /containers/c0ffee"


def test_a_container_that_somebody_removed_is_tried_again(engine: FakeEngine) -> None:
    engine.on("GET", "/c0ffee/json", state("running"), (404, {"message": "No such container"}))
    with pytest.raises(PassingFault, match="taken away"):
        run(engine)


@pytest.mark.parametrize("code", [137, 143])
def test_a_container_that_somebody_killed_is_tried_again(engine: FakeEngine, code: int) -> None:
    engine.on("GET", "/c0ffee/json", state("exited", code))
    with pytest.raises(PassingFault, match="was killed"):
        run(engine)
    assert engine.asked[-1] == "DELETE /containers/c0ffee"


@pytest.mark.parametrize("code", [137, 1])
def test_out_of_memory_is_said_with_what_to_change(engine: FakeEngine, code: int) -> None:
    engine.on("GET", "/c0ffee/json", state("exited", code, oom=True))
    outcome, _ = run(engine)
    assert (outcome.code, outcome.summary) == (code, None)
    assert outcome.error == "out of memory: it may use 4GiB; raise resources.train.memory in model.yaml"


def test_a_busy_engine_says_a_moment_later_that_it_was_memory(engine: FakeEngine) -> None:
    engine.on("GET", "/c0ffee/json", state("exited", 137), state("exited", 137), state("exited", 137, oom=True))
    outcome, _ = run(engine)
    assert (outcome.code, outcome.error.partition(":")[0]) == (137, "out of memory")


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"message": "Could not find the file"}),
        archive(GOOD, tarfile.SYMTYPE),
        archive(GOOD, tarfile.DIRTYPE),
        archive(GOOD, tarfile.FIFOTYPE),
        archive(GOOD, copies=2),
        archive(b'{"exit_code": 0, "summary": {"x": "' + b"y" * 9000 + b'"}}'),
        archive(b" " * 100_000 + GOOD),
        archive(b"\x80\x04\x95K.", copies=1),
        archive(json.dumps({"exit_code": 75, "summary": {}, "error": "an earlier try's"}).encode()),
        (200, (b"no tar", {"X-Docker-Container-Path-Stat": "e30="})),
    ],
    ids=["none", "link", "folder", "pipe", "two", "large", "huge", "pickle", "stale", "no tar"],
)
def test_only_one_small_ordinary_file_is_a_result(engine: FakeEngine, answer: Answer) -> None:
    engine.on("GET", "/archive", answer)
    engine.on("GET", "/logs", log(STAMP.format(1, "the last line")))
    outcome, _ = run(engine)
    assert (outcome.code, outcome.summary, outcome.error) == (0, None, "the last line")


def test_a_result_is_kept_though_the_container_cannot_be_removed(engine: FakeEngine) -> None:
    engine.on("DELETE", "/containers/c0ffee", (500, {"message": "device busy"}))
    outcome, lines = run(engine)
    assert outcome.summary == {"a": 1}
    assert lines[-1].startswith("left for the reaper")


def test_a_removal_under_way_is_waited_for(engine: FakeEngine) -> None:
    engine.on("DELETE", "/containers/c0ffee", (409, {"message": "removal of container c0ffee is already in progress"}))
    engine.on("GET", "/c0ffee/json", state("exited"), state("exited"), (404, {"message": "No such container"}))
    assert run(engine)[0].summary == {"a": 1}


def test_stopping_ends_the_wait_and_the_container(engine: FakeEngine) -> None:
    from evergreen_container import ContainerRuntime
    from evergreen_engine import Engine, connect

    engine.on("GET", "/c0ffee/json", state("running"))
    with connect(engine.url) as connected, connect(engine.url) as other:
        runtime = ContainerRuntime(connected, SETTINGS)
        spare: list[Engine] = [other]
        stopping = threading.Timer(0.5, lambda: runtime.stop(spare.pop))
        stopping.start()
        began = time.monotonic()
        with pytest.raises(PassingFault, match="Airflow stopped the task"):
            runtime.run(job(), lambda _: None)
        assert time.monotonic() - began < 3
        stopping.join()
    assert [line for line in engine.asked if not line.startswith("GET")][-2:] == [
        f"POST /containers/{NAME}/stop",
        f"DELETE /containers/{NAME}",
    ]


def test_a_task_that_was_stopped_before_it_started_starts_nothing(engine: FakeEngine) -> None:
    from evergreen_container import ContainerRuntime
    from evergreen_engine import connect

    with connect(engine.url) as connected:
        runtime = ContainerRuntime(connected, SETTINGS)
        engine.on("POST", "/containers/create", lambda: (runtime.stop(lambda: connected), MADE)[1])
        with pytest.raises(PassingFault, match="stopped"):
            runtime.run(job(), lambda _: None)
    assert count(engine, "POST /containers/c0ffee/start") == 0
    assert "DELETE /containers/c0ffee" in engine.asked
