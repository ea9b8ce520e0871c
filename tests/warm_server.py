"""A process that has imported what `evergreen` imports, and forks for every command: half of one's time is imports.

`python -P tests/warm_server.py ADDRESS` has ended when callers are heard at that address; what it leaves behind serves
them until nobody stays. Started by warm.py, which says how both talk.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import select
import socket
import struct
import sys
import threading
import time
import warnings
from contextlib import suppress

# What a retraining has imported when it ends. OpenBLAS and jemalloc start threads of their own, and see to forks.
LIBRARIES = (
    "dvc.repo",
    "dvc_data.index",
    "duckdb",
    "great_expectations.expectations",
    "ibis.backends.sql.compilers",
    "matplotlib.figure",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.xgboost",
    "pandas",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "xgboost",
)
STAY = b"stay"
NOBODY_SECONDS = 60  # whoever started it may have been killed before it said that it stays
OURS = (
    "pipelines.cli.main",
    "pipelines.ledger.code",
    "pipelines.runs.chain",
    "pipelines.runs.stage",
    "pipelines.card.publish",
    "pipelines.imports",
)


def load() -> None:
    """Import everything, and keep the collector from going through it again and again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*OURS, *LIBRARIES):
            importlib.import_module(name)
        # Which code a stage is: half a second of parsing, and nobody changes the project while its tests run.
        sys.modules["pipelines.ledger.code"].stage_hashes()
    sys.modules["pipelines.imports"].set_aside()
    assert threading.active_count() == 1, f"a fork would lose these threads: {threading.enumerate()}"


def serve(door: socket.socket) -> list[str]:
    """Answer callers while anybody stays; returns, in a child, with the command it is to become."""
    guests: set[socket.socket] = set()
    running: dict[int, tuple[int, socket.socket]] = {}  # who waits for which child, by the child's descriptor
    deadline = time.monotonic() + NOBODY_SECONDS
    while guests or running or time.monotonic() < deadline:
        ready, _, _ = select.select([door, *guests, *running], [], [], NOBODY_SECONDS)
        for guest in guests.intersection(ready):
            guests.remove(guest)  # it says nothing, so it has left
            guest.close()
        for ended in running.keys() & ready:
            tell(ended, *running.pop(ended))
        if door not in ready:
            continue
        caller, _ = door.accept()
        message, files, _, _ = socket.recv_fds(caller, 1 << 20, 2)
        if not ours(caller) or not message:
            caller.close()
        elif message == STAY:
            guests.add(caller)
            deadline = 0.0  # from now on it is known who stays
        elif child := os.fork():
            running[os.pidfd_open(child)] = (child, caller)
            say(caller, child)
        else:
            forget(running, door, caller, *guests)
            return become(json.loads(message), files)
        for file in files:
            os.close(file)
    os._exit(0)


def forget(running: dict[int, tuple[int, socket.socket]], *lines: socket.socket) -> None:
    """Close what is the server's alone."""
    for descriptor, (_, caller) in running.items():
        os.close(descriptor)
        caller.close()
    for line in lines:
        line.close()


def tell(descriptor: int, child: int, caller: socket.socket) -> None:
    """The wait status of a child that has ended, to who has asked for it."""
    os.close(descriptor)
    _, status = os.waitpid(child, 0)
    with caller:
        say(caller, status)


def say(caller: socket.socket, number: int) -> None:
    """Say it, if anybody is there still: a test may have been killed."""
    with suppress(BrokenPipeError):
        caller.send(str(number).encode())


def ours(caller: socket.socket) -> bool:
    """Whether it is the same user: an address without a file has no permissions."""
    _, user, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(user == os.getuid())


def become(asked: dict[str, object], files: list[int]) -> list[str]:
    """Take on the environment, the folder and the output of whoever asked."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, *files)):
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", buffering=1) for number in (1, 2))  # noqa: SIM115, PTH123
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    os.chdir(asked["folder"])
    return asked["argv"]


if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        try:
            listening.bind(f"\0{sys.argv[1]}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sys.exit()  # another process of the session was quicker
        listening.listen(64)
        if os.fork():
            os._exit(0)
        load()
        sys.argv = serve(listening)
    from pipelines.cli.main import main

    sys.exit(main())
