"""The features stage: files by month whose bytes depend on nothing but data and features.py."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lakefiles import accept, params_of

from pipelines.errors import DataError
from pipelines.stages import features
from pipelines.stages.context import StageContext
from pipelines.storage.files import read_json, write_json


def run(root: Path, tiny, threads: int = 1, told: list[str] | None = None):
    params = params_of(tiny)
    params = params.model_copy(update={"training": params.training.model_copy(update={"threads": threads})})
    accept(root, tiny)
    return features.main(StageContext(root, params, (told if told is not None else []).append))


def shas(root: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (root / "out/features").rglob("*.*")}


def test_writes_what_the_contract_says(tiny_model, tmp_path):
    told: list[str] = []
    result = run(tmp_path / "w", tiny_model, told=told)
    out, span = tmp_path / "w/out/features", params_of(tiny_model).span
    assert sorted(path.name for path in (out / "data").iterdir()) == ["2024-01.parquet", "2024-02.parquet"]
    tables = [pq.read_table(path, page_checksum_verification=True) for path in sorted((out / "data").iterdir())]
    days = [day for table in tables for day in table["event_date"].to_pylist()]
    assert (days[0], days[-1]) == (span.train_start, span.test_end)
    ids = [row for table in tables for row in table["row_id"].to_pylist()]
    assert ids == sorted(set(ids))
    schema = read_json(out / "schema.json")
    assert schema["rows"] == len(ids) == result.summary["rows"]
    assert [item["name"] for item in schema["features"]] == tables[0].column_names[3:]
    assert {item["kind"] for item in schema["features"]} == {"number", "category"}
    types = {item["name"]: item["type"] for item in schema["features"]}
    assert {types[name] for name in ("shop", "product")} == {"text"}
    assert {types[name] for name in ("hour", "weekday", "couriers")} == {"integer"}
    assert {types[name] for name in ("distance", "rain", "late_rate_7d")} == {"float"}
    assert schema["sha256"] == hashlib.sha256((tiny_model.folder / "features.py").read_bytes()).hexdigest()
    assert told
    assert not (tmp_path / "w/out/.duckdb").exists()


def test_threads_and_repetition_change_no_byte(tiny_model, tmp_path):
    run(tmp_path / "one", tiny_model, threads=1)
    run(tmp_path / "two", tiny_model, threads=2)
    assert shas(tmp_path / "one") == shas(tmp_path / "two")
    run(tmp_path / "two", tiny_model, threads=2)
    assert shas(tmp_path / "one") == shas(tmp_path / "two")


def test_what_an_earlier_attempt_left_is_gone(tiny_model, tmp_path):
    stray = tmp_path / "w/out/features/data/1999-01.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half")
    run(tmp_path / "w", tiny_model)
    assert not stray.exists()


def test_no_days(tiny_model, tmp_path):
    accepted = tmp_path / "w/out/validate/accepted.json"
    root = tmp_path / "w"
    accept(root, tiny_model)
    document = read_json(accepted)
    late = [item for item in document["partitions"] if item["table"] != "orders" or item["partition"] == "2024-01-01"]
    write_json(accepted, {"partitions": late})
    with pytest.raises(DataError, match="no events from"):
        features.main(StageContext(root, params_of(tiny_model), lambda _: None))
