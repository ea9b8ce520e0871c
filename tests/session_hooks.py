"""Hooks of pytest that end what outlives a session, in this process and in those of pytest-xdist, and name it."""

from __future__ import annotations

import os
import sys
from typing import Any

import leftovers
import pytest

_KEY = "left_running"
_found: list[str] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Wherever tests have run; a controller of pytest-xdist has only its workers, which say it to it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = leftovers.end(leftovers.SECONDS)
        return
    if getattr(session.config.option, "dist", "no") == "no":
        _found.extend(leftovers.end(leftovers.SECONDS))
    if _found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker has ended."""
    _found.extend(getattr(node, "workeroutput", {}).get(_KEY, ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name them: whoever started one should have ended it."""
    if _found:
        terminalreporter.section("left running by tests, and ended now", red=True)
        for line in _found:
            terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A thread cannot be ended from outside, so that the process is, once all has been said."""
    session = config.pluginmanager.getplugin("session")
    if any(line.startswith("thread ") for line in _found) and not hasattr(config, "workeroutput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(getattr(session, "exitstatus", pytest.ExitCode.TESTS_FAILED)))
