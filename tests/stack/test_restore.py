"""A backup as docs/operate.md tells it: everything is wiped, restored, and the champion reproduces byte for byte.

test_with_celery.py goes on with the restored model.
"""

from __future__ import annotations

import json
from concurrent.futures import Future
from multiprocessing.pool import ThreadPool
from pathlib import Path

from stack.machine import probes
from stack.machine.place import timed, wait_for
from stack.machine.stack import Retrained, Stack
from stack.machine.stories import KEPT as MODEL

STORE = "evergreen-store"
BATCH = 1000  # so many S3 deletes at once


def test_wiped_and_restored_it_reproduces(stack: Stack, keeping: Future[Retrained], tmp_path: Path) -> None:
    run = keeping.result().run
    before = probes.refs(stack.compose, MODEL)
    champion = probes.champion(stack.compose, MODEL)
    with timed("backup"):
        stack.task("backup", MODEL, "--to", "/evergreen/backup")
        objects = saved(stack, tmp_path)
    with timed("wipe"):
        ledger = stack.compose.container("ledger").id
        stack.docker.docker("stop", "--time", "5", ledger)
        stack.in_volumes(f"import shutil; shutil.rmtree('/ledgers/{MODEL}.git')")
        stack.forget()
        for at in range(0, len(objects), BATCH):
            batch = {"Objects": [{"Key": key} for key in objects[at : at + BATCH]]}
            stack.machine.s3().delete_objects(Bucket=STORE, Delete=batch)
        assert probes.keys(stack.machine, STORE) == []
    with timed("restore"):
        with ThreadPool(8) as pool:
            pool.map(lambda key: stack.machine.s3().upload_file(str(tmp_path / key), STORE, key), objects)
        evergreen = ["restore", f"/evergreen/backup/{MODEL}.bundle", "--root", "/ledgers"]
        stack.in_volumes(f"import sys; sys.argv[1:] = {evergreen!r}; from pipelines.cli.main import main; main()")
        stack.docker.docker("start", ledger)
        wait_for(stack.compose.settled, "every service is healthy", 60, 1)
    assert probes.refs(stack.compose, MODEL) == before
    assert probes.champion(stack.compose, MODEL) == champion
    with timed("reproduce"):
        told = stack.task("reproduce", MODEL, str((champion or {})["version"]), "--json")
    assert json.loads(told.strip().splitlines()[-1])["identical"]
    assert probes.finished(stack.compose, MODEL) == [run]


def saved(stack: Stack, folder: Path) -> list[str]:
    """The objects of the DVC remote, copied into a folder."""
    keys = probes.keys(stack.machine, STORE)
    for parent in {(folder / key).parent for key in keys}:
        parent.mkdir(parents=True, exist_ok=True)
    with ThreadPool(8) as pool:
        pool.map(lambda key: stack.machine.s3().download_file(STORE, key, str(folder / key)), keys)
    return keys
