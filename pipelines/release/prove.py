"""Proves that a version can be used again: its bytes are there, are the ones recorded, load, and say what they said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.config.settings import PROJECT, Settings
from pipelines.errors import ExitCode, IntegrityError, shorten
from pipelines.ledger import nights
from pipelines.ledger.git import Ledger
from pipelines.night.predictions import Predictions, features_name, version_name
from pipelines.night.scratch import scratch_folder
from pipelines.night.version import Named, Version
from pipelines.stages.context import Progress
from pipelines.storage.files import json_bytes, write_bytes

MODULE = "pipelines.release.fresh"
SECONDS = 120
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")


def prove(settings: Settings, ledger: Ledger, named: Named, say: Progress) -> dict[str, Any]:
    """Bring `named` anew, have a fresh process verify, load and ask it; what was repeated, for the record.

    It repeats the example in its signature, and the stamped predictions of the newest day that it has scored.

    Raises:
        IntegrityError: something of it is lost, is not what the ledger says, or says something else than it did.
        PassingFault: ledger, remote or predictions cannot be reached.
    """
    with scratch_folder(settings, "prove") as folder:
        Version.bring(settings, ledger, named, folder)
        write_bytes(folder / "ask.json", json_bytes({"sha256": named.model_sha256}), durable=False)
        day = _bring_day(settings, ledger, named, folder, say)
        found = _ask(folder, f"version {named.version}")
    differing = found["example_differing"] + found.get("day_differing", 0)
    where = f"version {named.version}"
    if differing:
        raise IntegrityError(
            f"{differing} of {found['example'] + found['day']} rows score otherwise than recorded",
            where=where,
            remedy="choose another version, and see what changed on this machine",
        )
    if not found["example"] + found["day"]:
        raise IntegrityError(
            "nothing is recorded that it said", where=where, remedy="choose a version that was an example or scored"
        )
    return {"sha256": named.model_sha256, "example_rows": found["example"], "day": day, "day_rows": found["day"]}


def _bring_day(settings: Settings, ledger: Ledger, named: Named, folder: Path, say: Progress) -> str | None:
    """Put rows and stamped predictions of the newest day scored into `folder`; None where there is none of use.

    Predictions are kept for a while only: that they are gone, or damaged, says nothing about the version.
    """
    found = _newest(ledger, str(named.version))
    if found is None:
        return None
    day, record = found
    files = Predictions.open(settings, ledger.model, day, folder / "predictions")
    try:
        said = files.read(version_name(named.version), record["sha256"])
        rows = files.read(features_name(record["features"]))
    except IntegrityError as error:
        say(f"the predictions of {day} prove nothing: {error.line()}")
        return None
    if said is None or rows is None:
        say(f"the predictions of {day} are gone")
        return None
    for name, table in (("said", said.table), ("rows", rows.table)):
        _write(folder / f"{name}.parquet", table)
    return day.isoformat()


def _newest(ledger: Ledger, version: str) -> tuple[date, dict[str, Any]] | None:
    head = ledger.head(nights.BRANCH)
    months = [Path(path).stem for path in ledger.tree(head, "scores")] if head else []
    for month in sorted(months, reverse=True):
        scored = [
            (day, entry[version]) for day, entry in nights.read(ledger, "scores", [month]).items() if version in entry
        ]
        if scored:
            return max(scored, key=lambda item: item[0])
    return None


def _write(path: Path, table: Any) -> None:
    from pipelines.storage.parquet import write_table

    write_table(path, table, durable=False)


def _ask(folder: Path, where: str) -> dict[str, Any]:
    """What the fresh process found; raises IntegrityError where it ended in any other way."""
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    env |= {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-s", "-m", MODULE, str(folder)],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise IntegrityError(f"gave no answer within {SECONDS} s", where=where, remedy="choose another") from None
    if done.returncode != ExitCode.DONE:
        told = (done.stderr.strip() or f"ended with {done.returncode}").rpartition("\n")[2]
        raise IntegrityError(shorten(told, 160), where=where, remedy="choose another version")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
