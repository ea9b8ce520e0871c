"""`python -I -S ask.py FOLDER PACKAGES...`: what is published, as somebody without Evergreen loads and asks it.

FOLDER holds what `published.build` put there and `rows.arrow`, the rows to score. MLflow saves and loads it as it does
on a registry. It leaves `scores.npy` beside them and says what it took in one line of JSON. PACKAGES are the folders of
installed packages: without `site`, which would also find an Evergreen that is installed from its source.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ONE_ROW_CALLS = 200
BATCH_ROWS = 1_000


def main(folder: Path) -> dict[str, Any]:
    """Save and load as MLflow does, repeat the example, score the rows one by one and in batches of a thousand."""
    import mlflow
    import numpy as np
    import pyarrow as pa

    alone()
    mlflow.pyfunc.save_model(path=folder / "saved", **arguments(folder))
    started = time.perf_counter()
    model = mlflow.pyfunc.load_model(str(folder / "saved"))
    loaded = time.perf_counter() - started
    told = json.loads((folder / "scoring.json").read_bytes())
    with pa.memory_map(str(folder / "rows.arrow")) as source:
        frame = pa.ipc.open_file(source).read_all().to_pandas()
    spans = [frame.iloc[first : first + BATCH_ROWS] for first in range(0, len(frame), BATCH_ROWS)]
    ones = [frame.iloc[number % len(frame) :].head(1) for number in range(ONE_ROW_CALLS)]

    def score(part: Any) -> Any:
        return scores(model.predict(part), told)

    score(frame.head(1))  # the first call sets up what every later one finds
    row, _ = _timed(score, ones)
    batch, found = _timed(score, spans)
    np.save(folder / "scores.npy", np.concatenate(found))
    spent = sum(batch["cpu"])
    return {
        "example_rows": len(told["example"]["rows"]),
        "example_differing": differing(model, told),
        "rows": len(frame),
        "load_seconds": round(loaded, 4),
        "row_ms": _quantiles(row),
        "batch_ms": _quantiles(batch) | {"rows": BATCH_ROWS},
        "rows_per_second": round(len(frame) / spent) if spent else 0,
    }


def alone() -> None:
    """Raises RuntimeError where Evergreen can be imported: what is asked must not need it."""
    try:
        import pipelines
    except ImportError:
        return
    raise RuntimeError(f"Evergreen is there: {pipelines.__file__}")


def arguments(folder: Path) -> dict[str, Any]:
    """What MLflow's `save_model` and `log_model` are given to publish the files in `folder`."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

    spec, scoring = (json.loads((folder / name).read_bytes()) for name in ("spec.json", "scoring.json"))
    columns = {key: json.dumps(spec[key]) for key in ("inputs", "outputs")}
    return {
        "python_model": str(folder / "model.py"),
        "artifacts": {"model": str(folder / "model.json"), "scoring": str(folder / "scoring.json")},
        "signature": ModelSignature(**{key: Schema.from_json(text) for key, text in columns.items()}),
        "input_example": example(scoring, spec["inputs"]),
        "pip_requirements": spec["requirements"],
    }


def example(scoring: dict[str, Any], inputs: list[dict[str, Any]]) -> Any:
    """The recorded example's rows, in the types that MLflow asks for; without one a row that lacks all it may lack."""
    import pandas as pd

    kinds = {"string": "object", "long": "int64", "double": "float64"}
    rows = scoring["example"]["rows"] or [[0 if item["type"] == "long" else None for item in inputs]]
    frame = pd.DataFrame(rows, columns=[item["name"] for item in inputs], dtype="object")
    return frame.astype({item["name"]: kinds[item["type"]] for item in inputs})


def differing(model: Any, scoring: dict[str, Any]) -> int:
    """How many rows of the example `model`, as MLflow loaded it, scores otherwise than was written down."""
    import numpy as np

    if not scoring["example"]["rows"]:
        return 0
    spec = [{"name": item.name, "type": item.type.name} for item in model.metadata.get_input_schema().inputs]
    found = scores(model.predict(example(scoring, spec)), scoring)
    wanted = np.asarray(scoring["example"]["scores"], np.float32)
    return int((wanted != found).reshape(len(found), -1).any(axis=1).sum())


def scores(answer: Any, scoring: dict[str, Any]) -> Any:
    """The scores in the frame that the model answered, float32: (n,), or (n, classes)."""
    import numpy as np

    names = [f"score_{name}" for name in scoring["classes"]]
    return answer[names].to_numpy(np.float32) if names else answer["score"].to_numpy(np.float32)


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


def _prepare(packages: list[str]) -> None:
    """Make the packages importable, but not Evergreen, even where it is one of them; XGBoost without scikit-learn."""
    sys.path += packages
    sys.modules["pipelines"] = None  # type: ignore[assignment]
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    import xgboost  # noqa: F401 - two thirds of its import is scikit-learn, which only its estimators need

    del sys.modules["sklearn"]


if __name__ == "__main__":
    _prepare(sys.argv[2:])
    print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201 - this line is the answer
    sys.stdout.flush()
    os._exit(0)  # taking apart what MLflow imported takes longer than asking
