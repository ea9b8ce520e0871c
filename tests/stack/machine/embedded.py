"""The demo's days through `evergreen ingest` and `evergreen run` in this machine's own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.machine.models import FLIGHTS_FIRST, FLIGHTS_LAST, Models
from stack.machine.place import command, timed

AS_OF = "2013-03-31"


@dataclass(frozen=True)
class Embedded:
    """The champion's hash, and what each step took in seconds."""

    model_sha256: str
    steps: dict[str, float]


def retrained(models: Models, home: Path) -> Embedded:
    """Ingest and retrain below `home`."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW", "DOCKER"))}
    env |= {"EVERGREEN_HOME": str(home), "EVERGREEN_LAKE": str(models.lake), "EVERGREEN_MODELS": str(models.folder)}

    def evergreen(*words: str) -> str:
        argv = [str(Path(sys.executable).with_name("evergreen")), *words]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    with timed("embedded: ingest"):
        evergreen("ingest", "flights", "--from", str(FLIGHTS_FIRST), "--to", str(FLIGHTS_LAST))
    with timed("embedded: run"):
        report = json.loads(evergreen("run", "flights", "--as-of", AS_OF, "--json").strip().splitlines()[-1])
    told = command("git", "-C", home / "ledger" / "flights.git", "show", "champion:champion.json")
    steps = {name: float(step["seconds"]) for name, step in report["steps"].items()}
    return Embedded(json.loads(told)["model_sha256"], steps)
