"""The drift report: from two files of ten million rows each, and from what nights have stored."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from statistics import median

from benchmarks.drift_data import COLUMNS, lay_out
from benchmarks.homes import demo_lake
from benchmarks.report import Result, Target
from benchmarks.timing import Timed, middle, timed
from pipelines.config import settings as configuration
from pipelines.config.settings import child_environment

# Evidently 0.7's DataDriftPreset over nine columns of two times a million rows took 11.4 s on this kind of machine.
EVIDENTLY_SECONDS, EVIDENTLY_ROWS = 11.4, 1_000_000
FASTER = 30


def drift(work: Path, repeats: int, rows: int) -> Result:
    """Time both reports, compare the measures with scipy's, and count false alarms."""
    folder = work / "drift"
    pair = [str(path) for path in lay_out(demo_lake(work), folder, rows)]
    shutil.rmtree(folder / "home", ignore_errors=True)

    def job(*words: str) -> Timed:
        settings = configuration.load({"EVERGREEN_HOME": str(folder / "home")})
        argv = [sys.executable, "-m", "benchmarks.drift_job", *words]
        return timed(argv, child_environment(settings), folder / f"{words[0]}.log")

    job("keep", *pair)
    whole = [job("files", *pair) for _ in range(repeats)]
    stored = [job("stored").json() for _ in range(repeats)]
    theirs = EVIDENTLY_SECONDS * rows / EVIDENTLY_ROWS
    agreed, rates = job("agree", *pair).json(), job("rates").json()
    alarms = max(rate["of 0.1"] for rate in rates.values())
    targets = [
        Target(f"drift of {len(COLUMNS)} columns, {rows:,} rows against as many", middle(whole), theirs / FASTER, "s"),
        Target("the same from stored profiles", median(item["seconds"] for item in stored), 0.2, "s"),
        Target("largest difference from scipy's measures", max(agreed.values()), 1e-3, ""),
        Target("alarms in 1,000 trials without drift, at 100, 10,000 and 1,000,000 rows", alarms, 1, ""),
        Target("times faster than Evidently's preset, extrapolated", theirs / middle(whole), None, "x"),
        Target("its largest process", max(run.peak_bytes for run in whole) / 1e9, None, "GB"),
    ]
    notes = [
        f"Evidently 0.7: {EVIDENTLY_SECONDS} s for two times a million rows, so {theirs:.0f} s. Whole processes, files"
        f" read with their checksums, no profile known before; processor time {median(r.cpu for r in whole):.1f} s.",
        "Stored: 90 days against 7, from an open ledger to the report.",
    ]
    detail = {"files": [run.facts() for run in whole], "stored": stored[0], "scipy": agreed, "rates": rates}
    return Result("drift", targets, {}, notes, detail)
