"""`mlflow models serve` of the champion, asked over HTTP: the product's scores, or an answer that says why not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import stories

from pipelines.engines import example
from pipelines.engines.matrix import predict
from pipelines.ledger import Ledger, champion
from pipelines.published import rows
from pipelines.registry import _QUIET
from pipelines.release import publication
from pipelines.storage.model_file import Signature, verify_and_load

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> stories.Story:
    return stories.waiting(tmp_path_factory)


@pytest.fixture(scope="module")
def product(story: stories.Story, tmp_path_factory: pytest.TempPathFactory) -> tuple[Signature, Any]:
    """The champion's signature, and what the product scores rows with."""
    ledger = Ledger.open(story.settings, "tiny")
    standing = champion.current(ledger)
    assert standing is not None
    found = publication.of_run(story.settings, ledger, standing.run, tmp_path_factory.mktemp("champion"))
    booster = verify_and_load(found.file, standing.model_sha256, found.signature)
    return found.signature, lambda table: predict(booster, found.signature, table.to_batches())


@pytest.fixture(scope="module")
def address(story: stories.Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the champion is served, as somebody who knows MLflow alone would have it served."""
    folder = tmp_path_factory.mktemp("serve")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tools = Path(sys.executable).parent
    command = [tools / "mlflow", "models", "serve", "-m", "models:/tiny@champion", "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    kept = {name: os.environ[name] for name in ("LANG", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    private = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "MLFLOW_TRACKING_URI": story.settings.mlflow_uri}
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            command, stdout=log, stderr=log, env=kept | _QUIET | private, cwd=folder, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 300
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(child.pid, signal.SIGTERM)  # it runs its server in a shell
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(uri, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(address: str, body: Any) -> tuple[int, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def split(table: pa.Table) -> dict[str, Any]:
    data = [list(row.values()) for row in table.to_pylist()]
    return {"dataframe_split": {"columns": table.column_names, "data": data}}


def scores(answer: Any) -> Any:
    return np.array([row["score"] for row in answer["predictions"]], np.float32)


def test_nulls_text_and_unseen_categories_score_as_in_the_product(address: str, product: tuple[Signature, Any]) -> None:
    said, score = product
    table = rows.hard(example.table(said), said, 400)
    assert any(column.null_count for column in table.columns)
    assert any(pa.types.is_string(column.type) for column in table.columns)
    status, answer = ask(address, split(table))
    assert status == 200, answer
    assert np.array_equal(scores(answer), score(table))
    status, answer = ask(address, {"dataframe_records": table.slice(0, 50).to_pylist()})
    assert status == 200, answer
    assert np.array_equal(scores(answer), score(table.slice(0, 50)))


def test_a_single_row_of_nulls_scores_as_in_the_product(address: str, product: tuple[Signature, Any]) -> None:
    said, score = product
    table = rows.hard(example.table(said), said, 2)
    for place, name in enumerate(table.column_names):
        if not pa.types.is_integer(table[name].type):
            table = table.set_column(place, name, pa.nulls(2, table[name].type))
    status, answer = ask(address, split(table))
    assert status == 200, answer
    assert np.array_equal(scores(answer), score(table))


def test_what_a_feature_cannot_be_is_answered_by_400_and_its_name(address: str, product: tuple[Signature, Any]) -> None:
    said, _ = product
    row = rows.hard(example.table(said), said, 2).slice(0, 1).to_pylist()[0]
    number = next(item.name for item in said.features if item.kind == "number" and item.type == "float")
    text = next(item.name for item in said.features if item.kind == "category")
    needed = next(item.name for item in said.features if not item.missing)
    wrong = [
        ({**row, number: "fast"}, number),
        ({**row, number: 1e300}, number),
        ({**row, text: 5}, text),
        ({key: value for key, value in row.items() if key != needed}, needed),
    ]
    for asked, name in wrong:
        status, answer = ask(address, {"dataframe_records": [asked]})
        assert status == 400, (asked, answer)
        assert name in answer
