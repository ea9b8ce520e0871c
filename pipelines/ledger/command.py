"""Runs Git as a child process: no prompt, no user configuration, English messages, bounded time."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pipelines.errors import PassingFault, UnreadableRecord, shorten

TIMEOUT_SECONDS = 120.0
QUIET_SECONDS = 60
_AUTHOR = {"NAME": "Evergreen", "EMAIL": "evergreen@localhost"}
_ISOLATION = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",  # not even the desktop's SSH_ASKPASS
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # an object is what its name says
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # not `ext`, which is any program
    "GIT_SSH_COMMAND": "ssh",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": ":",
    "GIT_SEQUENCE_EDITOR": ":",
    "LC_ALL": "C",
    **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _AUTHOR.items()},
}


# What a repository's own configuration may not say: each of these names a program, or leads to one. Those with a name
# of their own in them (filter.*, include.*, url.*) cannot be listed; `checkout` writes the configuration anew.
_NEVER = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", os.devnull),
    ("core.attributesFile", os.devnull),
    ("core.excludesFile", os.devnull),
    ("core.alternateRefsCommand", ""),
    ("core.askPass", ""),
    ("core.gitProxy", ""),
    ("core.untrackedCache", "false"),
    ("credential.helper", ""),
    ("diff.external", ""),
    ("gpg.program", "gpg"),
    ("gpg.ssh.program", "ssh-keygen"),
    ("gpg.x509.program", "gpgsm"),
    ("gc.recentObjectsHook", ""),
)


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


def credentials(file: Path | None) -> dict[str, str]:
    """For `extra` of `git`: what talks to a server over HTTP, and takes the login from `file` when it is asked for.

    Only the name of `file` is in the environment. The lines `username=` and `password=` are what Git's helpers speak.
    """
    config = [
        ("http.followRedirects", "false"),  # a login goes to the server that was named, and nowhere else
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", str(QUIET_SECONDS)),
    ]
    if file is not None:
        config.append(("credential.helper", f'!f() {{ test "$1" = get && cat {shlex.quote(str(file))}; }}; f'))
    return configuration(config)


def configuration(config: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Git configuration as environment variables, which no file and no command line shows."""
    pairs = list(config)
    keys = {f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in enumerate(pairs)}
    values = {f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(pairs)}
    return {"GIT_CONFIG_COUNT": str(len(pairs)), **keys, **values}


def _with_never(extra: Mapping[str, str]) -> dict[str, str]:
    """`extra`, its configuration after ours: of two that say one thing the later counts."""
    count = int(extra.get("GIT_CONFIG_COUNT", "0"))
    own = [(extra[f"GIT_CONFIG_KEY_{n}"], extra[f"GIT_CONFIG_VALUE_{n}"]) for n in range(count)]
    return {**extra, **configuration([*_NEVER, *own])}


def git(
    folder: Path | None,
    *arguments: str,
    stdin: bytes = b"",
    extra: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
    holds: Collection[int] = (),
) -> bytes:
    """Standard output of `git <arguments>` run in `folder`; it inherits the descriptors `holds`.

    Raises:
        GitFailed: it ended with an error, could not start, or took longer than `timeout` seconds.
    """
    # A GIT_* variable of the caller, as a hook sets them, would point every command at another repository.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**inherited, **_ISOLATION, **_with_never(extra or {})},
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            pass_fds=holds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitFailed(arguments[0], str(error)) from error
    if done.returncode != 0:
        raise GitFailed(arguments[0], (done.stdout + b"\n" + done.stderr).decode(errors="replace"))
    return done.stdout


def blobs(answer: bytes, count: int) -> Iterator[bytes | UnreadableRecord | None]:
    """The `count` files in an answer of `git cat-file --batch`: None for what is missing, an error for what is none."""
    at = 0
    for _ in range(count):
        end = answer.index(b"\n", at)
        header, at = answer[at:end], end + 1
        if header.endswith((b" missing", b" ambiguous")):
            yield None
            continue
        _, kind, size = header.rsplit(b" ", 2)
        if kind == b"blob":
            yield answer[at : at + int(size)]
        else:
            yield UnreadableRecord(f"a {kind.decode()} where a file should be", where="ledger")
        at += int(size) + 1
