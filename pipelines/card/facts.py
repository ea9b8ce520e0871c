"""What a card tells of a finished run, read from the run's own folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipelines.config.gates import Family, observed
from pipelines.config.load import load_model
from pipelines.config.model import Model
from pipelines.config.params import RunParams
from pipelines.evaluation.metrics import default_metric
from pipelines.ledger import broken, reader
from pipelines.storage.files import read_json, sha256_file
from pipelines.storage.model_file import Signature

_JSON = {
    "window": "window.json",
    "code": "code.json",
    "run": "run.json",
    "standing": "champion/champion.json",
    "validation": "out/validate/validation.json",
    "training": "out/train/training.json",
    "gates": "out/evaluate/gates.json",
    "metrics": "out/evaluate/metrics.json",
    "slices": "out/evaluate/slices.json",
    "schema": "out/features/schema.json",
    "importance": "out/evaluate/importance.json",
}
_COST = "out/evaluate/cost.json"  # runs of earlier days have none


@dataclass(frozen=True)
class Facts:
    """A version and its run: `found` holds the run's JSON files by name, `calibration` (predicted, observed, rows)."""

    version: int
    run: str
    commit: str
    model: Model
    params: RunParams
    signature: Signature
    found: Mapping[str, Any]
    calibration: tuple[tuple[float, float, int], ...]
    window_sha256: str
    features_sha256: str

    @classmethod
    def read(cls, root: Path, version: int, run: str, commit: str) -> Self:
        """The facts of the run checked out at `root`.

        Raises:
            IntegrityError: a file is missing or is not what its stage writes.
        """
        with (root / "out/evaluate/plots/calibration.csv").open(newline="") as file:
            curve = [
                (float(row["predicted"]), float(row["observed"]), int(row["rows"])) for row in csv.DictReader(file)
            ]
        return cls(
            version=version,
            run=run,
            commit=commit,
            model=load_model(root / "model"),
            params=broken.params(reader.Record(f"{run}: params.yaml", (root / "params.yaml").read_bytes())),
            signature=Signature.read(root / "out/train/signature.json"),
            found={name: read_json(root / path) for name, path in _JSON.items()}
            | {"cost": read_json(root / _COST) if (root / _COST).is_file() else {}},
            calibration=tuple(curve),
            window_sha256=sha256_file(root / "window.json"),
            features_sha256=sha256_file(root / "model/features.py"),
        )

    @property
    def metric(self) -> str:
        """The metric that the champion gate judges by."""
        return self.params.gates.champion.metric or default_metric(self.params.task)

    @property
    def gates(self) -> list[dict[str, Any]]:
        """Every gate's result, as in gates.json; what a passing one saw of the clock is filled in from cost.json."""
        return [gate | {"observed": observed(gate, self.found["cost"])} for gate in self.found["gates"]["gates"]]

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return list(self.signature.names)

    def family(self, family: Family) -> list[dict[str, Any]]:
        """The results of one family of gates."""
        return [gate for gate in self.gates if gate["name"].partition(":")[0] == family]
