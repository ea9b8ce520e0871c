"""Has what is published loaded by MLflow and asked in a process of its own, where Evergreen cannot be imported."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import Crashed, IntegrityError, shorten
from pipelines.published import rows
from pipelines.published.build import Published
from pipelines.storage.files import no_space
from pipelines.storage.model_file import Signature, verify_and_load

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    Score = Callable[[pa.Table], NDArray[Any]]

ROWS = 10_000
# A model that takes longer than this to load and to score ten thousand rows can be served by nobody.
SECONDS = 600
# Run as a file; the name of its module is how the evaluate stage's hash knows that it depends on it.
SCRIPT, MODULE = Path(__file__).with_name("ask.py"), "pipelines.published.ask"
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True)
class Answer:
    """What the fresh process came to: `failed` says why it gave no scores, and is empty where it did.

    `differing` of its scores are not those of this process, bit by bit; `said` is what it told of itself.
    """

    failed: str
    differing: int = 0
    said: dict[str, Any] = field(default_factory=dict)


def ask(made: Published, table: pa.Table, signature: Signature, score: Score) -> Answer:
    """Have a fresh process load what was `made` and score ten thousand rows: those of `table`, half of them spoilt.

    `score` gives the float32 scores (n,) or (n, k) of a table of features in this process.

    Raises:
        Crashed: the fresh process was killed, which says nothing of the model.
    """
    asked = rows.hard(table, signature, ROWS)
    _write(made.folder / "rows.arrow", asked)
    said, failed = run(made.folder)
    if failed:
        return Answer(failed)
    return Answer("", differing(made.folder / "scores.npy", score(asked)), said)


def prove(made: Published, model: Path, signature: Signature) -> None:
    """Raises IntegrityError unless a fresh process scores the signature's example, and worse rows, as this one does."""
    from pipelines.engines import example
    from pipelines.engines.matrix import predict

    booster = verify_and_load(model, signature.model_sha256, signature)
    table = example.table(signature)
    found = ask(made, table, signature, lambda asked: predict(booster, signature, asked.to_batches()))
    wrong = found.failed or found.differing + int(found.said["example_differing"])
    if wrong:
        told = found.failed or f"{wrong} rows score otherwise"
        raise IntegrityError(
            f"cannot be published: outside of Evergreen {told}",
            where=f"model {signature.model_sha256[:12]}",
            remedy="see which packages differ from those that it was trained with, and tell Evergreen's authors",
        )


def run(folder: Path) -> tuple[dict[str, Any], str]:
    """What the fresh process says of the published files and the rows in `folder`, or why it says nothing.

    Raises:
        Crashed: it was killed, which says nothing of the model.
        PassingFault: the disk is full.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    private = {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        # It logs nothing anywhere; were it to, this is where.
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/none.db",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(SCRIPT), str(folder), *_packages()],
            cwd=folder,
            env=kept | QUIET | private,
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
        if os.strerror(errno.ENOSPC) in told:
            raise no_space(str(folder))
        ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return {}, f"{ended}: {shorten(told, 200)}" if told else ended
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, ""


def differing(path: Path, expected: NDArray[Any]) -> int:
    """How many rows' scores in the file at `path` are not `expected`, to the last bit; NaN differs from everything."""
    import numpy as np

    found = np.load(path, allow_pickle=False)
    if found.shape != expected.shape:
        return len(expected)
    return int((found != expected).reshape(len(expected), -1).any(axis=1).sum())


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _packages() -> list[str]:
    """Where installed packages lie: not the folders that `site` adds besides, of which one may be Evergreen's."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
