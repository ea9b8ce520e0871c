"""A session ends what its tests have left running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
LEAVES = """
import subprocess, sys, threading, time
def test_that_leaves_a_process_with_a_child():
    code = "import subprocess; child = subprocess.Popen(['sleep', '300']); print(child.pid, flush=True); child.wait()"
    global child
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    open({pids!r}, "w").write(f"{{child.pid}} {{child.stdout.readline().decode()}}")
def test_that_leaves_a_thread():
    threading.Thread(target=time.sleep, args=(300,), name="forgotten").start()
def test_that_leaves_a_pool_at_work_and_one_without_work():
    from concurrent.futures import ThreadPoolExecutor
    global idle, busy
    idle, busy = ThreadPoolExecutor(1, "idle"), ThreadPoolExecutor(1, "busy")
    idle.submit(int).result()
    busy.submit(time.sleep, 300)
"""
CONFTEST = """
import sys
sys.path.insert(0, {tests!r})
import leftovers
leftovers.SECONDS = 0.5
from session_hooks import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown, pytest_unconfigure
"""


def session(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.format(tests=str(TESTS)))
    (folder / "test_it.py").write_text(LEAVES.format(pids=str(folder / "pids")))
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}", *words]
    return subprocess.run([*argv, str(folder)], capture_output=True, text=True, timeout=60, check=False, cwd=folder)


def alive(pid: str) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_a_process_and_a_thread_that_outlive_a_session_are_ended_and_named(tmp_path: Path) -> None:
    done = session(tmp_path, "-n", "0")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert "thread forgotten" in done.stdout
    assert "thread busy" in done.stdout
    assert "thread idle" not in done.stdout
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2
    for pid in pids:
        assert f"process {pid}: " in done.stdout
        assert not alive(pid)


def test_of_a_worker_too(tmp_path: Path) -> None:
    done = session(tmp_path, "-n", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    for pid in (tmp_path / "pids").read_text().split():
        assert f"process {pid}: " in done.stdout
        assert not alive(pid)
