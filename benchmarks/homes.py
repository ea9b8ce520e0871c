"""Throw-away homes: data ingested once, and a fresh copy of that for every run that is timed."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.timing import Timed, timed
from pipelines.config import settings as configuration
from pipelines.config.settings import PROJECT, Settings, child_environment

MODEL = "flights"
BIN = Path(sys.executable).parent
REFUSED = 4  # the gates refused: a whole run all the same


@dataclass(frozen=True)
class Place:
    """One benchmark's folder: a copy of the model, the ingested home as it is `kept`, and the `home` in use."""

    root: Path
    lake: Path

    @property
    def home(self) -> Path:
        """EVERGREEN_HOME. Always this path: mirrors and clones know the ledger by its place."""
        return self.root / "home"

    @property
    def kept(self) -> Path:
        """The home as it was after the ingest, before any run."""
        return self.root / "ingested"

    @property
    def folder(self) -> Path:
        """The model folder in use, a copy."""
        return self.root / "models" / MODEL

    def settings(self, **more: str) -> Settings:
        """Settings of the home in use; `more` are further variables."""
        env = {"EVERGREEN_HOME": self.home, "EVERGREEN_MODELS": self.folder.parent, "EVERGREEN_LAKE": self.lake}
        return configuration.load({key: str(value) for key, value in env.items()} | more)

    def workspace(self, run_id: str) -> Path:
        """The folder that run `run_id` was made in."""
        return self.settings().workspaces / MODEL / run_id

    def copy_model(self) -> None:
        """Take the project's model folder anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(PROJECT / "include" / "models" / MODEL, self.folder)

    def fresh(self) -> None:
        """Make the home what it was after the ingest: no runs, no run cache, no workspaces, an empty MLflow."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.kept, self.home, symlinks=True)

    def evergreen(self, *words: str, log: str, codes: Iterable[int] = (0, REFUSED)) -> Timed:
        """`evergreen WORDS`, timed, on the home in use."""
        return timed(
            [str(BIN / "evergreen"), *words], child_environment(self.settings()), self.root / f"{log}.log", codes
        )

    def python(self, *words: str, log: str) -> Timed:
        """`python WORDS`, timed, in the same environment."""
        # As the `evergreen` command sets it for itself: waiting threads that spin would slow the yardstick alone.
        env = child_environment(self.settings()) | {"OMP_WAIT_POLICY": "PASSIVE"}
        return timed([sys.executable, *words], env, self.root / f"{log}.log")

    def run(self, as_of: str, *options: str, log: str) -> Timed:
        """`evergreen run` as of a day, answering JSON."""
        return self.evergreen("run", MODEL, "--as-of", as_of, *options, "--json", log=log)

    def ingest(self, first: str, last: str) -> dict[str, Any]:
        """Ingest once and keep the home; what was kept for the same model and days is used again."""
        mark = {"first": first, "last": last, "lake": _lake_mark(self.lake), "model": self._model_mark()}
        path = self.kept / ".ingested.json"
        if path.is_file() and (known := json.loads(path.read_text()))["mark"] == mark:
            return dict(known["ingest"])
        print(f"  ingesting {first} to {last}", flush=True)
        for folder in (self.home, self.kept):
            shutil.rmtree(folder, ignore_errors=True)
        done = self.evergreen("ingest", MODEL, "--from", first, "--to", last, log="ingest")
        # MLflow's tables too are there before the clock runs, for both sides.
        self.python("-m", "benchmarks.prepare", "mlflow", self.settings().mlflow_uri, log="mlflow")
        self.home.rename(self.kept)
        path.write_text(json.dumps({"mark": mark, "ingest": done.facts()}))
        return done.facts()

    def _model_mark(self) -> str:
        names = ("model.yaml", "expectations.yaml")
        return hashlib.sha256(b"".join((self.folder / name).read_bytes() for name in names)).hexdigest()


def demo_lake(work: Path) -> Path:
    """The demo lake below `work`, laid out if it is not there."""
    lake = work / "lake"
    timed([sys.executable, "-m", "benchmarks.prepare", "lake", str(lake)], _plain(), work / "lake.log")
    return lake


def grown_lake(work: Path, rows: int) -> Path:
    """The lake of `rows` flights below `work`, grown if it is not there."""
    lake = work / f"lake-{rows}"
    source = demo_lake(work)
    argv = [sys.executable, "-m", "benchmarks.grow", str(source), str(lake), "--rows", str(rows)]
    print(f"  {timed(argv, _plain(), work / 'grow.log').output.strip()}", flush=True)
    return lake


def _plain() -> dict[str, str]:
    return child_environment(configuration.load())


def _lake_mark(lake: Path) -> list[Any]:
    files = sorted(lake.glob("*/*.parquet"))
    return [str(lake), len(files), sum(file.stat().st_size for file in files)]
