"""Challengers of the tiny model in workspaces of their own, honest ones and ways to spoil them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from support import TinyModel

from pipelines.config.load import read_yaml
from pipelines.config.params import RunParams
from pipelines.ledger.workspace import CHAMPION_FILES
from pipelines.stages import features, train
from pipelines.stages.context import StageContext
from pipelines.storage import parquet
from pipelines.storage.files import read_json, sha256_file, write_bytes, write_json

Change = Callable[[pa.Table], pa.Table]


def workspace(root: Path, tiny: TinyModel, as_of: date) -> Path:
    """What a run as of `as_of` holds when `evaluate` begins, made by the stages themselves; nobody is champion."""
    params = RunParams.of(tiny.name, tiny.model, as_of)
    root.mkdir(parents=True)
    (root / "lake").symlink_to(tiny.lake)
    shutil.copytree(tiny.folder, root / "model")
    (root / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    days = [params.span.first + timedelta(days=n) for n in range((as_of - params.span.first).days + 1)]
    partitions = [{"table": "shops", "partition": "static", "path": "lake/shops.parquet", "rows": 4}]
    for table, rows in (("orders", 120), ("skies", 4)):
        partitions += [
            {"table": table, "partition": f"{day}", "path": f"lake/{table}/{day}.parquet", "rows": rows} for day in days
        ]
    write_json(root / "out/validate/accepted.json", {"partitions": partitions})
    write_json(root / "champion/champion.json", {"champion": None})
    features.main(context(root))
    train.main(context(root))
    return root


def params_of(root: Path) -> RunParams:
    """The run's parameters."""
    return read_yaml(root / "params.yaml").parse(RunParams)


def context(root: Path, gates: dict[str, Any] | None = None, **parts: Any) -> StageContext:
    """The stage context of `root`; `gates` are keys below gates, `parts` fields of the parameters, as plain values."""
    whole = params_of(root).model_dump(mode="json")
    for name, value in (gates or {}).items():
        now = whole["gates"][name]
        whole["gates"][name] = now | value if isinstance(now, dict) and name != "floors" else value
    for name, value in parts.items():
        whole[name] |= value
    return StageContext(root, RunParams.model_validate(whole), lambda _: None)


def crown(root: Path, winner: Path) -> None:
    """Put the run in `winner` beside the run in `root` as its champion."""
    sha256 = read_json(winner / "out/train/signature.json")["model_sha256"]
    write_json(root / "champion/champion.json", {"champion": {"version": 1, "run": "one", "model_sha256": sha256}})
    for source, name in CHAMPION_FILES.items():
        shutil.copy(winner / source, root / "champion" / name)


def rewrite(root: Path, change: Change) -> None:
    """Put `change` of the whole feature table in its place."""
    folder = root / "out/features/data"
    paths = sorted(folder.glob("*.parquet"))
    whole = change(pa.concat_tables([pq.read_table(path) for path in paths]))
    months = np.array([f"{day:%Y-%m}" for day in whole.column("event_date").to_pylist()])
    for path in paths:
        parquet.write_table(path, whole.filter(pa.array(months == path.stem)))


def relabelled(new: Callable[[np.ndarray, np.ndarray, pa.Table], np.ndarray], first: date, last: date) -> Change:
    """Give the labels of `first` to `last` the values `new(labels, random numbers, table)`; nulls stay."""

    def change(table: pa.Table) -> pa.Table:
        label = table.column("label").to_numpy(zero_copy_only=False).copy()
        inside = _between(table, first, last)
        rolled = np.random.default_rng(8).random(len(label))
        label[inside] = new(label, rolled, table)[inside]
        return _with(table, "label", pa.array(label, from_pandas=True))

    return change


def copied(first: date, last: date) -> Change:
    """Let half of the rows of `first` to `last` be those before them once more, under ids of their own."""

    def change(table: pa.Table) -> pa.Table:
        inside, places = _between(table, first, last), np.arange(len(table))
        places[inside] -= places[inside] % 2
        kept = {name: table.column(name) for name in ("row_id", "event_date")}
        found = table.take(pa.array(places))
        for name, column in kept.items():
            found = _with(found, name, column)
        return found

    return change


def with_column(name: str, values: Callable[[pa.Table], np.ndarray]) -> Change:
    """Replace a column."""
    return lambda table: _with(table, name, pa.array(values(table), from_pandas=True))


def retrain(root: Path, **parts: Any) -> None:
    """The train stage once more, on what lies there now, with other parameters where they are given."""
    train.main(context(root, **parts))


def resign(root: Path, name: str, raw: bytes) -> None:
    """Put `raw` in the place of a model, and its sha256 into the signature, as an insider could."""
    write_bytes(root / "out/train" / f"{name}.json", raw)
    key = {"release": "model_sha256", "trial": "trial_sha256"}[name]
    sign(root, **{key: sha256_file(root / "out/train" / f"{name}.json")})


def unfair(root: Path) -> None:
    """Its models have learnt that every cake is late."""
    span = params_of(root).span
    cakes = relabelled(
        lambda label, _, table: np.where(_are(table, "product", "cake"), 1.0, label), span.first, span.test_end
    )
    rewrite(root, cakes)
    retrain(root)


def against_the_distance(root: Path) -> None:
    """Its models have learnt that what is far away is on time."""
    span = params_of(root).span

    def near(label: np.ndarray, dice: np.ndarray, table: pa.Table) -> np.ndarray:
        distance = table.column("distance").to_numpy()
        return np.where(dice < 0.7, (distance < np.median(distance)).astype(float), label)

    rewrite(root, relabelled(near, span.first, span.train_end))
    retrain(root)


def sure_of_a_gap(root: Path) -> None:
    """One feature was never missing but of late orders: with it missing of all, its models are sure of every one."""

    def missing_of_some_late(table: pa.Table) -> np.ndarray:
        label = table.column("label").to_numpy(zero_copy_only=False)
        gone = (label == 1) & (np.random.default_rng(5).random(len(label)) < 0.3)
        return np.where(gone, np.nan, table.column("rain").to_numpy(zero_copy_only=False)).astype(np.float32)

    rewrite(root, with_column("rain", missing_of_some_late))
    retrain(root)


def sign(root: Path, **changes: Any) -> None:
    """Change fields of the signature."""
    path = root / "out/train/signature.json"
    write_json(path, read_json(path) | changes)


def _between(table: pa.Table, first: date, last: date) -> np.ndarray:
    days = np.array(table.column("event_date").to_pylist())
    return (days >= first) & (days <= last)


def _are(table: pa.Table, name: str, value: str) -> np.ndarray:
    found: np.ndarray = np.array(table.column(name).to_pylist()) == value
    return found


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
