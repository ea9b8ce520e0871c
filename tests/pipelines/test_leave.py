"""A command ends at once, with everything done that is due, and says what it always said."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEFORE = "import atexit, sys, threading, time\nfrom pipelines import leave\n"


def ended(code: str, **how) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BEFORE + code], text=True, check=False, timeout=60, **how)


@pytest.mark.parametrize(
    ("last", "code"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(4)", 4), ("sys.exit(75)", 75), ("sys.exit(256 + 3)", 3)],
)
def test_its_exit_code_is_the_one_it_ended_with(last, code):
    said = ended(f"with leave.shortly():\n    print('x' * 100_000)\n    {last}", capture_output=True)
    assert (said.returncode, len(said.stdout), said.stderr) == (code, 100_001, "")


def test_nothing_is_taken_apart():
    kept = "class Kept:\n    def __del__(self): print('taken apart')\nkept = Kept()\n"
    assert ended(kept + "with leave.shortly(): pass", capture_output=True).stdout == ""
    assert ended(kept, capture_output=True).stdout == "taken apart\n"


def test_threads_are_waited_for_and_what_is_due_at_the_exit_is_done():
    code = (
        "def late():\n    time.sleep(0.3)\n    print('thread')\n"
        "with leave.shortly():\n    atexit.register(print, 'exit')\n    threading.Thread(target=late).start()"
    )
    assert ended(code, capture_output=True).stdout == "thread\nexit\n"


def test_a_reason_and_an_unexpected_error_are_told():
    reason = ended("with leave.shortly(): sys.exit('no')", capture_output=True)
    assert (reason.returncode, reason.stderr) == (1, "no\n")
    error = ended("with leave.shortly(): 1 / 0", capture_output=True)
    assert error.returncode == 1
    assert error.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_output_that_cannot_be_written_is_not_lost_in_silence():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        said = ended("with leave.shortly(): print('result', end='')", stdout=full, stderr=subprocess.PIPE, env={})
    assert said.returncode == 120
    assert "No space left on device" in said.stderr
