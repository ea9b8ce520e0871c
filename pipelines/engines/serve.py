"""`python -m pipelines.engines.serve FOLDER`: a model alone in a fresh process, as whoever serves it loads it.

FOLDER holds `ask.json` (the paths of the model's bytes and of its signature, and the sha256 they must have) and
`rows.arrow`, the rows to score. It leaves `scores.npy` beside them and says what it took in one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines import leave
from pipelines.engines import example
from pipelines.engines.columns import Columns
from pipelines.errors import EvergreenError, ExitCode
from pipelines.storage import model_file
from pipelines.storage.files import read_json
from pipelines.storage.model_file import Signature

ONE_ROW_CALLS = 200
BATCH_ROWS = 1_000


def main(folder: Path) -> dict[str, Any]:
    """Verify, load, repeat the example, score the rows one by one and in batches of a thousand.

    Raises:
        IntegrityError: the bytes are not the ones asked for, or no model of these columns.
    """
    import numpy as np
    import pyarrow as pa

    ask = read_json(folder / "ask.json")
    started = time.perf_counter()
    signature = Signature.read(Path(ask["signature"]))
    booster = model_file.verify_and_load(Path(ask["model"]), ask["sha256"], signature)
    booster.set_param({"nthread": 1, "device": "cpu"})
    loaded = time.perf_counter() - started
    differing = example.repeat(booster, signature)
    with pa.memory_map(str(folder / "rows.arrow")) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()
    columns = Columns.of(signature)

    def score(batch: pa.RecordBatch) -> Any:
        return np.asarray(booster.inplace_predict(columns.block(batch)), np.float32)

    score(table.slice(0, 1).to_batches()[0])  # the first call sets up what every later one finds
    ones = [table.slice(number % len(table), 1).to_batches()[0] for number in range(ONE_ROW_CALLS)]
    row, _ = _timed(score, ones)
    batch, scores = _timed(score, table.to_batches(max_chunksize=BATCH_ROWS))
    np.save(folder / "scores.npy", np.concatenate(scores))
    spent = sum(batch["cpu"])
    return {
        "example_rows": len(signature.example.rows) if signature.example else 0,
        "example_differing": differing,
        "rows": len(table),
        "load_seconds": round(loaded, 4),
        "row_ms": _quantiles(row),
        "batch_ms": _quantiles(batch) | {"rows": BATCH_ROWS},
        "rows_per_second": round(len(table) / spent) if spent else 0,
    }


def _timed(work: Callable[[Any], Any], batches: list[Any]) -> tuple[dict[str, list[float]], list[Any]]:
    """Seconds of each call, by the clock and by this process's own work, and what the calls gave back."""
    took: dict[str, list[float]] = {"wall": [], "cpu": []}
    given = []
    for batch in batches:
        wall, cpu = time.perf_counter(), time.process_time()
        given.append(work(batch))
        took["wall"].append(time.perf_counter() - wall)
        took["cpu"].append(time.process_time() - cpu)
    return took, given


def _quantiles(took: dict[str, list[float]]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds, by the clock and (`cpu_`) by the work done."""
    import numpy as np

    found = {}
    for kind, prefix in (("wall", ""), ("cpu", "cpu_")):
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            found[f"{prefix}{name}"] = round(1000 * float(np.quantile(took[kind], share)), 4)
    return found


if __name__ == "__main__":
    with leave.shortly():
        try:
            print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201 - this line is the answer
        except EvergreenError as error:
            print(error.line(), file=sys.stderr)  # noqa: T201
            sys.exit(int(ExitCode.INPUT))
