"""All checks together: in parallel, bounded, none hiding another; and the command as its user meets it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import stories

from pipelines.config.settings import Settings
from pipelines.doctor.base import Check, Mark, Result, fail, ok, public, warn
from pipelines.doctor.run import AT_ONCE, examine, run
from pipelines.errors import ConfigError, ExitCode, PassingFault


def quiet(line: str) -> None:
    raise AssertionError(f"nothing was to be said: {line}")


def raising(error: Exception):
    def look():
        raise error

    return look


def test_a_healthy_home_is_ok_everywhere_and_left_as_it_was(home: Settings) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.home.rglob("*") if path.is_file()}
    done = stories.evergreen(home, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines[:-1] if not line.startswith("ok    ")] == []
    assert lines[-1] == f"{len(lines) - 1} ok, 0 warn, 0 FAIL"
    for name in ("settings", "secrets", "models", "lake", "DVC remote", "predictions", "ledger tiny", "MLflow", "disk"):
        assert any(line[6:].startswith(f"{name} ") for line in lines), name
    assert {path: path.stat().st_mtime_ns for path in home.home.rglob("*") if path.is_file()} == before


def test_json_says_the_same_and_the_exit_code(home: Settings) -> None:
    Path(home.lake).rename(home.home / "elsewhere")
    done = stories.evergreen(home, "doctor", "--json")
    told = stories.last_json(done)
    assert done.returncode == told["exit_code"] == 3
    wrong = [item for item in told["checks"] if item["mark"] != "ok"]
    assert [item["name"] for item in wrong] == ["lake"]
    assert wrong[0]["remedy"]
    assert wrong[0]["passing"] is False
    assert all(set(item) == {"name", "mark", "found", "remedy", "passing", "seconds"} for item in told["checks"])


def test_a_passing_fault_alone_ends_with_75(home: Settings, nobody: str) -> None:
    done = stories.evergreen(home, "doctor", EVERGREEN_MLFLOW_URI=nobody)
    assert done.returncode == 75, done.stdout
    assert "FAIL  MLflow" in done.stdout
    assert "warn  clock MLflow" in done.stdout


def test_settings_that_cannot_be_read_are_the_only_line(home: Settings) -> None:
    done = stories.evergreen(home, "doctor", EVERGREEN_LEASE_SECONDS="soon")
    assert done.returncode == 3
    first, last = done.stdout.splitlines()
    assert first.startswith("FAIL  settings  EVERGREEN_LEASE_SECONDS: 'soon' is not usable (0.0 s); set a whole number")
    assert last == "0 ok, 0 warn, 1 FAIL"


def test_nothing_that_is_shown_holds_a_login(home: Settings, nobody: str) -> None:
    canary = "canary-7d31"
    address = nobody.replace("//", f"//user:{canary}@")
    environ = stories.environment(home) | {
        "EVERGREEN_MLFLOW_URI": address,
        "EVERGREEN_LEDGERS": address,
        "EVERGREEN_S3_ENDPOINT": address,
        "EVERGREEN_LAKE": "s3://bucket/lake",
        "EVERGREEN_RUNTIME": "docker",
        "EVERGREEN_TASK_IMAGE": "evergreen-tasks:none",
        "EVERGREEN_DOCKER_HOST": address.replace("http", "tcp"),
    }
    said: list[str] = []
    report = examine(environ, said.append)
    shown = report.render() + json.dumps(report.to_json()) + "".join(said)
    assert canary not in shown
    assert "EVERGREEN_LEDGERS" in shown
    assert "holds a password" in shown


def test_checks_run_at_once_but_not_all_of_them() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def look():
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.15)
        with lock:
            now -= 1
        return ok("fine")

    began = time.monotonic()
    report = run([Check(str(number), look) for number in range(2 * AT_ONCE)], quiet)
    assert time.monotonic() - began < 1.5
    assert most == AT_ONCE
    assert [item.name for item in report.results] == [str(number) for number in range(2 * AT_ONCE)]
    assert report.exit_code is ExitCode.DONE


def test_a_check_that_hangs_is_left_alone_and_told_of() -> None:
    release, said = threading.Event(), []
    slow = Check("slow", lambda: ok(str(release.wait(60))), seconds=2.5)
    report = run([slow, Check("quick", lambda: ok("fine"))], said.append)
    release.set()
    assert report.exit_code is ExitCode.PASSING
    assert [(item.name, item.mark) for item in report.results] == [("slow", Mark.FAIL), ("quick", Mark.OK)]
    assert report.results[0].found == "no answer within 2 s"
    assert said == ["still looking at slow (2 s)"]


@pytest.mark.parametrize(
    ("error", "found", "passing"),
    [
        (ConfigError("is wrong", where="here", remedy="mend it"), "here: is wrong", False),
        (PassingFault("is away"), "is away", True),
        (FileNotFoundError(2, "No such file", "/nowhere"), "/nowhere: No such file", False),
        (KeyError("x"), "the check broke: KeyError('x')", False),
    ],
)
def test_what_a_check_raises_is_what_it_found(error: Exception, found: str, passing: bool) -> None:
    report = run([Check("it", raising(error)), Check("other", lambda: ok("fine"))], quiet)
    wrong, fine = report.results
    assert (wrong.mark, wrong.found, wrong.passing, fine.mark) == (Mark.FAIL, found, passing, Mark.OK)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([ok("")], 0),
        ([warn("", ""), ok("")], 0),
        ([fail("", "", passing=True), warn("", "")], 75),
        ([fail("", "", passing=True), fail("", "")], 3),
    ],
)
def test_exit_codes(findings, code: int) -> None:
    assert run([Check("x", lambda found=found: found) for found in findings], quiet).exit_code == code


def test_lines_are_bounded_and_of_one_line() -> None:
    line = Result.of("name", fail("x\n" * 500, "http://u:p@host/ " * 100), 1.0).line(4)
    assert len(line) < 420
    assert "\n" not in line
    assert "u:p" not in line


def test_addresses_are_shown_without_their_logins() -> None:
    assert public("https://u:p@host:1/path?key=secret") == "https://host:1/path"
    assert public("/folder/x") == "/folder/x"
