"""Detached processes: known again, stopped whole, never confused with another's."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import psutil

from pipelines.services import processes
from pipelines.services.processes import Record

SLEEPER = """
import subprocess, time
subprocess.Popen(["sleep", "60"])
print("up", flush=True)
time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def started(tmp_path: Path, code: str) -> Record:
    log = tmp_path / "it.log"
    record = processes.start("it", [sys.executable, "-c", code], os.environ, log, tmp_path)
    deadline = time.monotonic() + 10
    while "up" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    return record


def test_a_process_is_stopped_with_its_children(tmp_path: Path) -> None:
    record = started(tmp_path, SLEEPER)
    family = processes.tree([record])
    assert len(family) == 2
    assert os.getsid(record.pid) == record.pid != os.getsid(0)
    assert processes.stop([record]) == 2
    assert not [one for one in family if one.is_running()]
    assert record.process() is None


def test_what_lost_its_parent_is_found_by_its_session(tmp_path: Path) -> None:
    record = started(tmp_path, SLEEPER)
    (child,) = [one for one in processes.tree([record]) if one.pid != record.pid]
    psutil.Process(record.pid).kill()
    psutil.Process(record.pid).wait()
    assert record.process() is None
    assert processes.tree([record]) == [child]
    assert processes.stop([record]) == 1
    assert not child.is_running()


def test_one_that_ignores_the_polite_signal_is_killed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
    record = started(tmp_path, STUBBORN)
    processes.stop([record])
    assert record.process() is None


def test_a_killed_one_is_asked_for_its_exit_status(tmp_path: Path) -> None:
    record = started(tmp_path, SLEEPER)
    family = processes.tree([record])
    child = processes._CHILDREN[record.pid]
    assert processes.kill(record)
    assert child.returncode is not None, "Popen.__del__ would warn of it"
    assert [one.pid for one in family if one.is_running()] != [], "what it has started lives on"
    assert not processes.kill(record)
    assert processes.stop([record]) == 1


def test_one_that_ended_by_itself_is_no_zombie_after_the_next_start(tmp_path: Path) -> None:
    record = started(tmp_path, "print('up')")
    child = processes._CHILDREN[record.pid]
    psutil.wait_procs([psutil.Process(record.pid)] if psutil.pid_exists(record.pid) else [], timeout=5)
    processes.stop([started(tmp_path / "next", SLEEPER)])
    assert child.returncode is not None
    assert record.pid not in processes._CHILDREN


def test_a_pid_that_now_belongs_to_another_is_left_alone() -> None:
    another = Record("it", os.getpid(), psutil.Process().create_time() - 100)
    assert another.process() is None
    assert processes.stop([another]) == 0


def test_records_are_kept_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "services.json"
    assert processes.load(path) == {}
    records = {"it": Record("it", 42, 17.25)}
    processes.save(path, records)
    assert processes.load(path) == records
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_tail_of_a_log_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    assert processes.tail(log) == "no output"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    assert processes.tail(log, 2) == "line 98 | line 99"
