"""Processes that outlive us: started in a session of their own, known again by pid and start time, stopped whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from pipelines.storage import files

STOP_SECONDS = 10.0
TAIL_BYTES = 4000
ROUNDS = 5
REAP_SECONDS = 1.0
# Start times are read from the kernel in hundredths of a second: the same process always gives the same number.
SAME = 0.05
# Those that this very process has started: they stay zombies until it has asked for their exit status.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Record:
    """A process of ours. A pid alone may by now belong to somebody else; with its start time it cannot."""

    name: str
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The live process, or None when it has ended."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < SAME
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def start(name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, folder: Path) -> Record:
    """Start `argv` detached from us, its output appended to `log`, working in `folder`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # What has ended by itself, or was killed by somebody else, is a zombie until it is asked how.
    for pid in [pid for pid, child in _CHILDREN.items() if child.poll() is not None]:
        del _CHILDREN[pid]
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
        )
    _CHILDREN[child.pid] = child
    return Record(name, child.pid, psutil.Process(child.pid).create_time())


def tree(records: Iterable[Record]) -> list[psutil.Process]:
    """The live processes of `records` and everything they started, also what has lost its parent since."""
    found: dict[int, psutil.Process] = {}
    for record in records:
        process = record.process()
        members = _session(record) if process is None else [process, *_children(process), *_session(record)]
        found |= {member.pid: member for member in members}
    return list(found.values())


def stop(records: Sequence[Record]) -> int:
    """End `records` and all below them, politely first; returns how many processes that were."""
    family = tree(records)
    for process in family:
        _signal(process, signal.SIGTERM)
    psutil.wait_procs(family, timeout=STOP_SECONDS)
    ended = {process.pid for process in family}
    # A scheduler told to stop replaces the workers that were told so too: look again until nothing is left.
    for _ in range(ROUNDS):
        late = tree(records)
        if not late:
            break
        for process in late:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(late, timeout=STOP_SECONDS)
        ended |= {process.pid for process in late}
    _reap(records)
    return len(ended)


def kill(record: Record) -> bool:
    """End the one process of `record` at once, as a crash would do; what it has started lives on. False: it had ended.

    Its exit status is asked for here: nobody else knows it, once the process is started again under another pid.
    """
    process = record.process()
    if process is not None:
        process.kill()
        process.wait(STOP_SECONDS)
    _reap([record])
    return process is not None


def save(path: Path, records: Mapping[str, Record]) -> None:
    """Remember `records` in `path`, readable by its owner alone."""
    write_private(path, files.json_bytes({name: asdict(record) for name, record in records.items()}))


def load(path: Path) -> dict[str, Record]:
    """The records in `path`; none when it was never written."""
    if not path.exists():
        return {}
    stored: dict[str, dict[str, Any]] = files.read_json(path)
    return {name: Record(**fields) for name, fields in stored.items()}


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step, never readable by anybody but its owner."""
    with files.atomic_file(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)


def tail(log: Path, lines: int = 5) -> str:
    """The last `lines` lines of `log` as one, for an error message."""
    if not log.exists():
        return "no output"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:]) or "no output"


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _session(record: Record) -> list[psutil.Process]:
    """The members of the session that the record's process opened; the kernel keeps its number while any is alive."""
    try:
        if abs(psutil.Process(record.pid).create_time() - record.started) >= SAME:
            return []
    except psutil.NoSuchProcess:
        pass
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == record.pid and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _reap(records: Iterable[Record]) -> None:
    for record in records:
        child = _CHILDREN.pop(record.pid, None)
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(REAP_SECONDS)
