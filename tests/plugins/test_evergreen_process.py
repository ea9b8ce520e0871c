"""The process runtime: what it passes on, what it brings back, and that no stage outlives its task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

RESULT = """
def answer(code, summary, error=''):
    json.dump({'exit_code': code, 'summary': summary, 'error': error}, open(sys.argv[-1], 'w'))
"""


def job(*argv: str):
    from evergreen_runtime import Job

    from pipelines.config.resources import Allowance

    return Job("tiny", "train", "", argv, "evergreen-tiny-train-0", 1, 0, Allowance())


def run(executable: Path, *argv: str):
    from evergreen_process import ProcessRuntime

    lines: list[str] = []
    return ProcessRuntime(executable).run(job(*argv), lines.append), lines


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 10
    while not path.exists() or not path.read_text().strip():
        assert time.monotonic() < deadline, "it never started"
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.parametrize("code", [0, 1, 3, 4, 75, 99])
def test_exit_code_result_and_error_come_back(fake_evergreen, code: int) -> None:
    path = fake_evergreen(
        RESULT
        + f"""
print('noise', flush=True)
answer({code}, {{"run": "x"}}, "it\\nbroke")
sys.stderr.write("10:00 at work\\nevergreen: it broke\\n")
sys.exit({code})"""
    )
    outcome, lines = run(path)
    assert (outcome.code, outcome.summary, outcome.error) == (code, {"run": "x"}, "it broke")
    assert set(lines) == {"noise", "10:00 at work", "evergreen: it broke"}


def test_arguments_are_passed_as_they_are(fake_evergreen, tmp_path: Path) -> None:
    path = fake_evergreen(RESULT + "answer(0, {'argv': sys.argv[1:-1]})")
    evil = '{"note": "$(touch pwned) `id` {{ 7 * 7 }} \\"; rm -rf x"}'
    outcome, _ = run(path, "stage", "train", "--params", evil)
    assert outcome.summary == {"argv": ["stage", "train", "--params", evil, "--result"]}
    assert not (tmp_path / "pwned").exists()


def test_no_setting_of_airflows_reaches_a_models_code(fake_evergreen, monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "hush")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "x")
    monkeypatch.setenv("EVERGREEN_AIRFLOW_PORT", "8080")
    outcome, _ = run(fake_evergreen(RESULT + "answer(0, {'names': [k for k in os.environ if 'AIRFLOW' in k]})"))
    assert outcome.summary == {"names": ["EVERGREEN_AIRFLOW_PORT"]}


def test_without_a_result_the_last_line_on_stderr_says_what_was_wrong(fake_evergreen) -> None:
    outcome, _ = run(fake_evergreen("sys.stderr.write('Traceback\\nMemoryError\\n'); print('{}'); sys.exit(1)"))
    assert (outcome.code, outcome.summary, outcome.error) == (1, None, "MemoryError")


def test_lines_are_printable_and_bounded(fake_evergreen) -> None:
    path = fake_evergreen("sys.stderr.buffer.write(b'a\\x1b[31mb\\xff\\n' + b'z' * 50000 + b'\\n')")
    outcome, lines = run(path)
    assert lines[0] == "a [31mb\ufffd"
    assert all(len(line) <= 16384 for line in lines)
    assert outcome.code == 0


def test_a_process_left_behind_does_not_hold_the_task(fake_evergreen, tmp_path: Path) -> None:
    path = fake_evergreen(
        RESULT
        + f"""
child = subprocess.Popen(['sleep', '30'])
open({str(tmp_path / "pid")!r}, 'w').write(str(child.pid))
answer(0, {{}})"""
    )
    began = time.monotonic()
    outcome, _ = run(path)
    os.kill(pid_in(tmp_path / "pid"), signal.SIGKILL)
    assert outcome.summary == {}
    assert time.monotonic() - began < 10


def test_a_signal_is_told_from_an_exit_code(fake_evergreen) -> None:
    outcome, _ = run(fake_evergreen("os.kill(os.getpid(), signal.SIGKILL)"))
    assert outcome.code == -signal.SIGKILL


def test_stop_ends_the_whole_group_even_a_stubborn_one(fake_evergreen, tmp_path: Path) -> None:
    from evergreen_process import ProcessRuntime

    path = fake_evergreen(
        f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(['sleep', '60'])
open({str(tmp_path / "child")!r}, 'w').write(str(child.pid))
time.sleep(60)"""
    )
    runtime = ProcessRuntime(path)
    threading.Timer(0.1, lambda: (pid_in(tmp_path / "child"), runtime.stop())).start()
    outcome = runtime.run(job(), lambda _: None)
    assert outcome.code == -signal.SIGKILL
    assert gone(pid_in(tmp_path / "child"))


def test_the_stage_dies_with_its_task(fake_evergreen, tmp_path: Path) -> None:
    path = fake_evergreen(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    code = f"""
import pathlib, types, evergreen_process
job = types.SimpleNamespace(argv=[])
evergreen_process.ProcessRuntime(pathlib.Path({str(path)!r})).run(job, print)"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], env=env) as parent:
        stage = pid_in(tmp_path / "pid")
        parent.kill()
    assert gone(stage)
