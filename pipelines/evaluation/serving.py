"""Whether the stored bytes of a model can be served: loaded and asked by a process that shares nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.settings import PROJECT
from pipelines.errors import Crashed, shorten
from pipelines.evaluation.metrics import rounded
from pipelines.storage import files

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS = 10_000
# A model that takes longer than this to load and to score ten thousand rows can be served by nobody.
SECONDS = 600
MODULE = "pipelines.engines.serve"
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")


@dataclass(frozen=True)
class Serving:
    """What the fresh process came to: `failed` says why it gave no scores, and is empty where it did.

    `differing` of `rows` scores, and of the signature's `example_rows`, are not those of this process or of training,
    bit by bit. `clock` holds what depends on the machine: it stands in no out that `evergreen reproduce` compares.
    """

    failed: str
    rows: int
    differing: int
    example_rows: int
    example_differing: int
    megabytes: float
    clock: dict[str, Any] = field(default_factory=dict, compare=False)

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the model card: all but the clock."""
        return {
            "failed": self.failed,
            "rows": self.rows,
            "differing": self.differing,
            "example_rows": self.example_rows,
            "example_differing": self.example_differing,
            "megabytes": self.megabytes,
        }


def measure(model: Path, signature: Path, sha256: str, rows: pa.Table, expected: NDArray[Any]) -> Serving:
    """Have a fresh process verify `model` against `sha256`, load it and score `rows`, repeated to ten thousand.

    `expected` are the float32 scores (n,) or (n, k) that this process gave `rows`.

    Raises:
        Crashed: that process was killed, which says nothing of the model.
    """
    megabytes = rounded(model.stat().st_size / 1e6) or 0.0
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch:
        folder = Path(scratch)
        ask = {"model": str(model.resolve()), "signature": str(signature.resolve()), "sha256": sha256}
        files.write_bytes(folder / "ask.json", files.json_bytes(ask), durable=False)
        repeats = _write(folder / "rows.arrow", rows)
        said, failed = _ask(folder)
        if failed:
            return Serving(failed, 0, 0, 0, 0, megabytes)
        differing = _differing(folder / "scores.npy", expected, repeats)
    return Serving(
        failed="",
        rows=int(said.pop("rows")),
        differing=differing,
        example_rows=int(said.pop("example_rows")),
        example_differing=int(said.pop("example_differing") or 0),
        megabytes=megabytes,
        clock=said,
    )


def _write(path: Path, rows: pa.Table) -> int:
    """Write `rows` as often as it takes to make ten thousand; how often that is."""
    import pyarrow as pa

    repeats = max(1, -(-ROWS // max(1, len(rows))))
    whole = pa.concat_tables([rows] * repeats).combine_chunks()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)
    return repeats


def _ask(folder: Path) -> tuple[dict[str, Any], str]:
    """What the fresh process says, or why it says nothing."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    private = {
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-s", "-m", MODULE, str(folder)],
            cwd=folder,
            env=kept | private,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"it gave no answer within {SECONDS} s"
    if done.returncode == -signal.SIGKILL:
        raise Crashed(
            "the process that was to serve the model was killed, as a system that runs out of memory does; "
            "give it more memory and try again"
        )
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return {}, f"{ended}: {shorten(told, 200)}" if told else ended
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, ""


def _differing(path: Path, expected: NDArray[Any], repeats: int) -> int:
    """How many rows' scores are not `expected`, to the last bit; NaN differs from everything."""
    import numpy as np

    found = np.load(path, allow_pickle=False)
    wanted = np.concatenate([expected] * repeats)
    if found.shape != wanted.shape:
        return len(wanted)
    return int((found != wanted).reshape(len(wanted), -1).any(axis=1).sum())
