"""A whole process, measured from outside: wall time, processor time and the peak memory of its largest process."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pipelines.config.settings import PROJECT

TAIL = 1500


@dataclass(frozen=True)
class Timed:
    """What one process took, and what it printed."""

    wall: float
    cpu: float
    peak_bytes: int
    code: int
    output: str

    def json(self) -> dict[str, Any]:
        """The JSON object on its last line of output."""
        found: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return found

    def facts(self) -> dict[str, Any]:
        """The measurement, for a results file."""
        return {
            "wall_s": round(self.wall, 3),
            "cpu_s": round(self.cpu, 3),
            "peak_gb": round(self.peak_bytes / 1e9, 3),
            "exit": self.code,
        }


def timed(argv: Sequence[str], env: Mapping[str, str], log: Path, codes: Iterable[int] = (0,)) -> Timed:
    """Run `argv` in the project's folder; its error output goes to `log`.

    Peak memory is that of the largest process of its tree (wait4 counts children that were waited for).

    Raises:
        SystemExit: it ended with another code than `codes`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    answer = log.with_suffix(".out")
    with log.open("wb") as errors, answer.open("wb") as output:
        began = time.monotonic()
        child = subprocess.Popen(list(argv), env=dict(env), cwd=PROJECT, stdout=output, stderr=errors)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in codes:
        tail = log.read_text(errors="replace")[-TAIL:]
        raise SystemExit(f"{' '.join(argv[:4])} ended with {child.returncode}; {log} ends:\n{tail}")
    peak = used.ru_maxrss * 1024
    return Timed(wall, used.ru_utime + used.ru_stime, peak, child.returncode, answer.read_text(errors="replace"))


def middle(runs: Sequence[Timed]) -> float:
    """The median wall time in seconds."""
    return median(run.wall for run in runs)


def medians(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of every name that all of `parts` have, in the first one's order."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: round(median(part[name] for part in parts), 3) for name in names}
