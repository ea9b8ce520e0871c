"""Results as JSON, one file a benchmark, and the table over all of them in `README.md`."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ORDER = ("real", "repeat", "large", "dag", "night", "drift", "replay", "help", "dags")
HEAD = """# Benchmarks

Written by `make bench` (`python -m benchmarks.run`): whole processes timed from outside, the two sides of a ratio
alternating, medians. Nothing asserts on time. The yardstick is `benchmarks/bare.py`.

| benchmark | what | measured | target | met | date, load before |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Target:
    """One number and what it should at most be; without a bound it is only told."""

    what: str
    measured: float
    bound: float | None
    unit: str

    @property
    def met(self) -> bool | None:
        """Whether the bound is kept; None without one."""
        return None if self.bound is None else self.measured <= self.bound


@dataclass(frozen=True)
class Result:
    """What one benchmark found. `times` has named lists of seconds by step, which become tables."""

    name: str
    targets: Sequence[Target]
    times: Mapping[str, Mapping[str, float]]
    notes: Sequence[str]
    detail: Mapping[str, Any]


def write(folder: Path, result: Result, load: float) -> None:
    """Put `result` into `folder` and make the table anew; `load` is the machine's load before it."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "name": result.name,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(),
        "load_before": load,
        "targets": [asdict(target) | {"met": target.met} for target in result.targets],
        "times": result.times,
        "notes": list(result.notes),
        "detail": result.detail,
    }
    (folder / f"{result.name}.json").write_text(json.dumps(document, indent=1, default=str) + "\n")
    (folder / "README.md").write_text(_page(folder))


def machine() -> dict[str, str]:
    """The machine in a few words."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} x {models[0] if models else platform.machine()}",
        "memory": f"{int(memory) / 2**20:.0f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _page(folder: Path) -> str:
    found = [json.loads((folder / f"{name}.json").read_text()) for name in ORDER if (folder / f"{name}.json").exists()]
    rows = [_row(document, target) for document in found for target in document["targets"]]
    machines = sorted({", ".join(document["machine"].values()) for document in found})
    parts = [HEAD + "\n".join(rows), *(f"Machine: {text}." for text in machines)]
    parts += [part for document in found if (part := _section(document))]
    return "\n\n".join(parts) + "\n"


def _row(document: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    bound = "" if target["bound"] is None else f"<= {_number(target['bound'])} {target['unit']}"
    met = {True: "yes", False: "**no**", None: ""}[target["met"]]
    measured = f"{_number(target['measured'])} {target['unit']}"
    when = f"{document['date']}, {document['load_before']:.1f}"
    return f"| {document['name']} | {target['what']} | {measured.strip()} | {bound.strip()} | {met} | {when} |"


def _section(document: Mapping[str, Any]) -> str:
    lines = [f"## {document['name']}", ""]
    lines += [f"- {note}" for note in document["notes"]]
    for title, steps in document["times"].items():
        told = ", ".join(f"{name} {_number(seconds)}" for name, seconds in steps.items())
        lines.append(f"- {title} (s): {told}")
    return "\n".join(lines) if len(lines) > 2 else ""


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
