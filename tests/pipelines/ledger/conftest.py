"""A ledger with a few days of two tables, a small project with two stages, and a run on it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from support import TinyModel

from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, runs
from pipelines.ledger.data import Arrival, Partition, publish

RUN = "2024-02-05-20260101T000000Z-abcdef"
OTHER = "2024-02-06-20260102T000000Z-123456"

DVC_YAML = """\
stages:
  snapshot:
    cmd: evergreen stage snapshot --here
    deps: [window.json]
    params:
      - code.json: [stages.snapshot]
    outs: [out/snapshot]
  evaluate:
    cmd: evergreen stage evaluate --here
    deps: [out/snapshot, champion/champion.json]
    params:
      - params.yaml: [span, gates]
      - code.json: [stages.evaluate]
    outs:
      - out/evaluate/report.html
      - out/evaluate/plots
    metrics:
      - out/evaluate/metrics.json: {cache: false}
"""


@dataclass
class World:
    """All that a test of the ledger needs, with short ways to do the usual."""

    settings: Settings
    ledger: Ledger
    tiny: TinyModel
    project: Path
    files: Path
    made: int = field(default=0)

    def arrival(self, table: str, day: date, content: bytes | None, suite: str = "s1", **more: object) -> Arrival:
        name = day.isoformat()
        sha256 = hashlib.sha256(content or b"bad").hexdigest()
        file = None
        if content is not None:
            self.made += 1
            file = self.files / f"{self.made}-{name}.parquet"
            file.write_bytes(content)
        partition = Partition(
            table, name, 0, "", sha256, "", 3, len(content or b""), f"lake/{table}/{name}", "etag",
            "quarantined" if content is None else "accepted", suite, **more,
        )  # fmt: skip
        return Arrival(partition, file, {"rows": 3} if content is not None else None)

    def days(self, count: int, start: int = 0) -> list[Arrival]:
        days = [self.tiny.first + timedelta(days=start + n) for n in range(count)]
        return [
            self.arrival(table, day, f"{table} {day}".encode() * 20) for day in days for table in ("orders", "skies")
        ]

    def publish(self, *arrivals: Arrival) -> str:
        return publish(self.settings, self.ledger, arrivals, "Ingest")

    def params(self, as_of: date = date(2024, 2, 5)) -> RunParams:
        return RunParams.of("tiny", self.tiny.model, as_of)

    def open_run(self, run_id: str = RUN, data_commit: str | None = None, **request: object) -> runs.Run:
        return runs.open_run(
            self.settings, self.ledger, run_id, self.params(), request, self.tiny.folder, data_commit,
            project=self.project,
        )  # fmt: skip

    def fresh(self) -> Ledger:
        return Ledger.open(self.settings, "tiny")

    @property
    def bare(self) -> Path:
        return Path(self.settings.ledgers) / "tiny.git"


@pytest.fixture
def world(settings: Settings, tiny_model: TinyModel, tmp_path: Path) -> World:
    project = tmp_path / "project"
    (project / "pipelines" / "stages").mkdir(parents=True)
    for name in ("snapshot", "validate", "features", "train", "evaluate"):
        (project / "pipelines" / "stages" / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (project / "dvc.yaml").write_text(DVC_YAML)
    (project / "requirements.lock").write_text("dvc==3\n")
    files = tmp_path / "arrived"
    files.mkdir()
    return World(settings, Ledger.open(settings, "tiny", create=True), tiny_model, project, files)


@pytest.fixture
def child(tmp_path: Path) -> Callable[[str], list[str]]:
    """The argv of a Python process that runs a script given as text."""

    def argv(script: str) -> list[str]:
        path = tmp_path / f"child-{hashlib.sha256(script.encode()).hexdigest()[:8]}.py"
        path.write_text(script)
        return [sys.executable, str(path)]

    return argv
