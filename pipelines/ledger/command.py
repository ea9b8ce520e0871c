"""Runs Git as a child process: no prompt, no user configuration, English messages, bounded time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import PassingFault, shorten

TIMEOUT_SECONDS = 120.0
_AUTHOR = {"NAME": "Evergreen", "EMAIL": "evergreen@localhost"}
_ISOLATION = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
    **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _AUTHOR.items()},
}


class GitFailed(PassingFault):
    """Git ended with an error that its caller did not expect; `output` is all it said."""

    def __init__(self, command: str, output: str) -> None:
        self.output = output
        lines = output.strip().splitlines() or ["no message"]
        told = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])
        super().__init__(
            f"git {command} failed: {shorten(told, 160)}",
            where="ledger",
            remedy="look whether the ledger can be reached and the disk has room",
        )


def git(
    folder: Path | None,
    *arguments: str,
    stdin: bytes = b"",
    extra: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> bytes:
    """Standard output of `git <arguments>` run in `folder`.

    Raises:
        GitFailed: it ended with an error, could not start, or took longer than `timeout` seconds.
    """
    # A GIT_* variable of the caller, as a hook sets them, would point every command at another repository.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**inherited, **_ISOLATION, **(extra or {})},
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitFailed(arguments[0], str(error)) from error
    if done.returncode != 0:
        raise GitFailed(arguments[0], (done.stdout + b"\n" + done.stderr).decode(errors="replace"))
    return done.stdout
