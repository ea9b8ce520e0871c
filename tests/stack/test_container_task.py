"""The container task on a real engine, with a script that plays the stages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLAYED = Path(__file__).with_name("played")
BASE = os.environ.get("EVERGREEN_TEST_BASE") or "evergreen-base:bookworm-2"
RUN = "2024-01-20-20260102T030405Z-0123ab"
# All that these tests make on the engine begins so.
OURS = "d-played"


@dataclass
class Played:
    """The engine, an image that plays stages, and a way to run tasks on them."""

    host: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def docker(self, *words: str, check: bool = True) -> str:
        env = os.environ | {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(["docker", *words], check=False, capture_output=True, text=True, env=env)
        assert not check or done.returncode == 0, done.stderr[-1000:]
        return done.stdout.strip()

    def begin(self, *cases: dict[str, Any], **settings: str) -> subprocess.Popen[str]:
        """A task process at work on `cases`."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW"))} | {
            "EVERGREEN_TASK_IMAGE": OURS,
            "EVERGREEN_DOCKER_HOST": self.host,
            "EVERGREEN_DOCKER_NETWORK": OURS,
            "EVERGREEN_TASK_VOLUME": OURS,
            "EVERGREEN_PROMOTE_VOLUME": f"{OURS}-promote",
            "AIRFLOW_HOME": "/tmp/evergreen-played",
            "CANARY_SECRET": "hush",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
            **settings,
        }
        argv = [sys.executable, str(PLAYED / "task.py"), json.dumps(cases)]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        self.started.append(child)
        return child

    def run(self, *cases: dict[str, Any], **settings: str) -> tuple[list[dict[str, Any]], str]:
        """How every case ended, and all that was logged."""
        return ended(self.begin(*cases, **settings))

    def container(self, name: str = "", running: bool = True, seconds: float = 30) -> dict[str, Any]:
        """The one container whose name holds `name`, as soon as it runs and has written a line."""
        deadline = time.monotonic() + seconds
        while True:
            listed = self.docker("ps", "-aq", "--filter", f"name=evergreen-tiny-.*{name}").split()
            found = json.loads(self.docker("inspect", *listed, check=False) or "[]") if listed else []
            if len(found) == 1 and (not running or "10:00" in self.docker("logs", found[0]["Id"], check=False)):
                one: dict[str, Any] = found[0]
                return one
            assert time.monotonic() < deadline, f"no container: {found}"
            time.sleep(0.1)

    def left(self) -> str:
        return self.docker("ps", "-aq", "--filter", "name=evergreen-tiny-")


def ended(child: subprocess.Popen[str]) -> tuple[list[dict[str, Any]], str]:
    output, _ = child.communicate(timeout=120)
    found = [json.loads(line.removeprefix("ENDED ")) for line in output.splitlines() if line.startswith("ENDED ")]
    return found, output


def case(dag_run: str, attempt: int = 1, stage: str = "train", **params: Any) -> dict[str, Any]:
    return {"dag_run": dag_run, "attempt": attempt, "stage": stage, "params": params}


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Played]:
    """`EVERGREEN_TEST_DOCKER_HOST`, or the engine of the test machine, with what the tasks need."""
    host = os.environ.get("EVERGREEN_TEST_DOCKER_HOST") or request.getfixturevalue("machine").docker.address
    made = Played(host)
    made.docker("build", "-q", "--build-arg", f"BASE={BASE}", "-t", OURS, str(PLAYED))
    made.docker("network", "create", OURS, check=False)
    yield made
    made.docker("network", "rm", OURS)
    made.docker("volume", "rm", OURS, f"{OURS}-promote", check=False)
    made.docker("image", "rm", OURS)


@pytest.fixture
def played(engine: Played) -> Iterator[Played]:
    """The engine, and afterwards nothing of this test on it."""
    yield engine
    for child in engine.started:
        child.kill()
        child.communicate()
    engine.started.clear()
    left = engine.left()
    if left:
        engine.docker("rm", "-f", *left.split())


def test_exit_codes_become_airflows_words_and_no_container_stays(played: Played) -> None:
    codes = [0, 4, 3, 75, 99, 1]
    found, _ = played.run(*(case("codes", code=code) for code in codes))
    assert [end.get("raised") for end in found] == [
        None,
        None,
        "AirflowFailException",
        "AirflowException",
        "AirflowSkipException",
        "AirflowException",
    ]
    assert [end.get("returned") for end in found[:2]] == [RUN, RUN]
    assert {end["message"] for end in found[2:5]} == {"tiny train: a: b; do c"}
    assert found[5]["message"].endswith("(ended with exit code 1)")
    assert not played.left()


def test_inspect_of_a_live_container_shows_the_confinement(played: Played) -> None:
    child = played.begin(case("live", seconds=8))
    found = played.container("train")
    host, config, labels = found["HostConfig"], found["Config"], found["Config"]["Labels"]
    assert (host["ReadonlyRootfs"], host["Privileged"], host["CapDrop"], host["CapAdd"]) == (True, False, ["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["MemorySwap"]) == (256 * 2**20, 256 * 2**20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, 512)
    assert host["Tmpfs"] == {"/tmp": f"rw,noexec,nosuid,nodev,mode=1777,size={64 * 2**20}"}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "2", "max-size": "10m"}}
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == (OURS, "private", "")
    assert (host["RestartPolicy"]["Name"], host["AutoRemove"], host["Binds"]) == ("no", False, None)
    assert [(mount["Type"], mount["Name"], mount["Destination"]) for mount in found["Mounts"]] == [
        ("volume", OURS, "/evergreen")
    ]
    assert list(found["NetworkSettings"]["Networks"]) == [OURS]
    assert config["User"] == "10001:10001"
    assert config["Cmd"][:6] == ["stage", "train", "--model", "tiny", "--run", RUN]
    assert (labels["evergreen.task"], labels["evergreen.model"], labels["evergreen.stage"]) == ("1", "tiny", "train")
    assert (labels["evergreen.run"], labels["evergreen.try"]) == (RUN, "1")
    assert 3500 < int(labels["evergreen.deadline"]) - time.time() < 3600
    assert "hush" not in json.dumps(found)
    status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Uid:\t10001\t10001" in status
    assert ended(child)[0] == [{"returned": RUN}]


def test_only_tmp_and_the_volume_can_be_written(played: Played) -> None:
    paths = ["/x", "/usr/x", "/home/x", "/dev/x", "/proc/sys/x", "/tmp/x", "/evergreen/x"]
    _, output = played.run(case("write", write=paths, env=True))
    wrote = [path for path in paths if f"wrote {path}" in output]
    assert wrote == ["/tmp/x", "/evergreen/x"]
    assert "hush" not in output


def test_promote_has_a_volume_of_its_own(played: Played) -> None:
    played.run(case("one", write=["/evergreen/of-tasks"]))
    child = played.begin(case("two", stage="promote", seconds=3))
    (mount,) = played.container("promote")["Mounts"]
    assert mount["Name"] == f"{OURS}-promote"
    assert ended(child)[0] == [{"returned": RUN}]


def test_a_killed_workers_container_is_found_by_the_next_try(played: Played) -> None:
    child = played.begin(case("kill", seconds=12))
    before = played.container("train")
    child.send_signal(signal.SIGKILL)
    child.wait()
    found, output = played.run(case("kill", attempt=2, seconds=12))
    assert found == [{"returned": RUN}]
    assert "re-attached to container" in output
    assert output.count("line 0") == 1
    assert output.index("line 0") < output.index("line 11")
    assert played.docker("ps", "-aq", "--filter", f"id={before['Id']}") == ""
    assert not played.left()


def test_what_ended_while_nobody_watched_is_not_run_again(played: Played) -> None:
    child = played.begin(case("unwatched", seconds=2))
    before = played.container("train")
    child.send_signal(signal.SIGKILL)
    child.wait()
    played.docker("wait", before["Id"])
    found, output = played.run(case("unwatched", attempt=2, seconds=2))
    assert found == [{"returned": RUN}]
    assert "has ended meanwhile" in output
    assert "started container" not in output


def test_another_call_of_the_same_name_is_fenced_off(played: Played) -> None:
    child = played.begin(case("fence", seconds=60, child=True))
    before = played.container("train")
    child.send_signal(signal.SIGKILL)
    child.wait()
    began = time.monotonic()
    found, output = played.run(case("fence", attempt=2, code=4))
    assert found == [{"returned": RUN}]
    assert "runs another call" in output
    assert time.monotonic() - began < 30
    assert not Path(f"/proc/{before['State']['Pid']}").exists()


def test_two_tasks_of_one_call_share_one_container(played: Played) -> None:
    first, second = (played.begin(case("both", seconds=6)) for _ in range(2))
    played.container("train")
    ends = [ended(child) for child in (first, second)]
    assert sum("started container" in output for _, output in ends) == 1
    assert sum("re-attached" in output for _, output in ends) == 1
    # One of them removes the container, under the other's eyes perhaps: then that one is tried again.
    assert [{"returned": RUN}] in [found for found, _ in ends]


def test_a_stopped_task_leaves_no_container_within_five_seconds(played: Played) -> None:
    child = played.begin(case("stop", seconds=60, child=True))
    before = played.container("train")
    began = time.monotonic()
    child.send_signal(signal.SIGTERM)
    found, _ = ended(child)
    assert time.monotonic() - began < 5
    assert found == [{"raised": "AirflowException", "message": found[0]["message"]}]
    assert "Airflow stopped the task" in found[0]["message"]
    assert not played.left()
    assert not Path(f"/proc/{before['State']['Pid']}").exists()


def test_a_killed_container_is_tried_again_whatever_the_try(played: Played) -> None:
    child = played.begin(case("dead", attempt=5, seconds=60))
    os.kill(played.container("train")["State"]["Pid"], signal.SIGKILL)
    found, _ = ended(child)
    assert found[0]["raised"] == "AirflowException"
    assert "was killed" in found[0]["message"]
    assert not played.left()


def test_out_of_memory_is_named_and_retried_once(played: Played) -> None:
    found, _ = played.run(case("memory", eat=600), case("memory", attempt=2, eat=600))
    words = "out of memory: it may use 256MiB; raise resources.train.memory in model.yaml"
    assert [words in end["message"] for end in found] == [True, True]
    assert [end["raised"] for end in found] == ["AirflowException", "AirflowFailException"]


def test_no_more_processes_than_allowed(played: Played) -> None:
    _, output = played.run(case("pids", processes=600) | {"allowance": {"pids": 64}})
    assert "could not start process" in output


@pytest.mark.parametrize(
    "params",
    [{"link": True, "result": ""}, {"result": "x" * 9000}, {"result": "x" * 100_000}, {"result": None}],
    ids=["link", "large", "huge", "none"],
)
def test_only_a_small_file_is_a_result(played: Played, params: dict[str, Any]) -> None:
    found, _ = played.run(case("result", **params))
    assert found[0]["raised"] == "AirflowException"
    assert "left no result" in found[0]["message"]


def test_what_is_missing_is_named(played: Played) -> None:
    missing = {
        "EVERGREEN_TASK_IMAGE": f"{OURS}:none",
        "EVERGREEN_DOCKER_NETWORK": f"{OURS}-none",
        "EVERGREEN_DOCKER_HOST": "tcp://127.0.0.1:1",
    }
    found = {name: played.run(case("missing"), **{name: value})[0][0] for name, value in missing.items()}
    assert [end["raised"] for end in found.values()] == [
        "AirflowFailException",
        "AirflowFailException",
        "AirflowException",
    ]
    assert "make images" in found["EVERGREEN_TASK_IMAGE"]["message"]
    assert "EVERGREEN_DOCKER_NETWORK" in found["EVERGREEN_DOCKER_NETWORK"]["message"]
    too_much, _ = played.run(case("cpus") | {"allowance": {"cpus": 1000.0}}, case("gpu") | {"allowance": {"gpus": 1}})
    assert "see `resources` in model.yaml" in too_much[0]["message"]
    assert {end["raised"] for end in too_much} == {"AirflowFailException"}
    assert not played.left()


def test_the_reaper_goes_by_the_label_alone(played: Played) -> None:
    late = str(int(time.time()) - 5)
    for name, label in (("ours", "evergreen.task=1"), ("theirs", "com.example=1")):
        labels = ("--label", label, "--label", f"evergreen.deadline={late}")
        options = ("--name", f"evergreen-tiny-{name}", "--network", OURS, *labels, "--entrypoint", "sleep", OURS)
        played.docker("run", "-d", *options, "600")
    code = (
        "import sys, time, evergreen_engine, evergreen_reaper\n"
        "with evergreen_engine.connect(sys.argv[1]) as engine:\n"
        "    ours = [task for task in engine.tasks() if task['Names'] == ['/evergreen-tiny-ours']]\n"
        # Other tests may share this engine: only ours may go.
        "    engine.__class__.tasks = lambda _: ours\n"
        "    print(evergreen_reaper.reap(engine, time.time(), print))\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])}
    argv = [sys.executable, "-W", "ignore", "-c", code, played.host]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env=env)
    assert "removing evergreen-tiny-ours: past its deadline" in done.stdout
    assert (
        played.docker("ps", "-a", "--format", "{{.Names}}", "--filter", "name=evergreen-tiny-")
        == "evergreen-tiny-theirs"
    )
