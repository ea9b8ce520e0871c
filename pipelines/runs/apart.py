"""A large training in a child process, which holds none of the libraries and heap that earlier stages left in this one.

The child is `evergreen stage NAME --here`: it does to the files what the same stage does in process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.settings import PROJECT, Settings, child_environment
from pipelines.errors import (
    Crashed,
    EvergreenError,
    GateRefusal,
    InputError,
    NothingToDo,
    PassingFault,
    UnreadableRecord,
)
from pipelines.storage import bounded

if TYPE_CHECKING:
    from pipelines.stages.context import StageResult

# Ten million rows peaked at 2.02 GB in process and at 1.91 GB apart. The imports are repeated, which would show in a
# training of seconds and is lost in one of minutes.
LARGE = 3_000_000
_MARK = "evergreen: "
_LOST = 143
_PR_SET_PDEATHSIG = 1
_ERRORS: dict[int, type[EvergreenError]] = {
    int(kind.exit_code): kind for kind in (InputError, GateRefusal, PassingFault, NothingToDo)
}


def wanted(root: Path, stage: str) -> bool:
    """Whether `stage` of the run at `root` should have a process of its own: `train`, on more than LARGE rows.

    Raises:
        IntegrityError: the features stage left no schema.
    """
    from pipelines.storage.files import read_json

    if stage != "train":
        return False
    schema = read_json(root / "out" / "features" / "schema.json")
    rows = schema.get("rows") if isinstance(schema, dict) else None
    return isinstance(rows, int) and rows > LARGE


def run(root: Path, stage: str, settings: Settings, model: str) -> StageResult:
    """Run `stage` of the run of `model` at `root` in a child process; its progress goes on to our stderr.

    Raises:
        EvergreenError: of the kind and with the line that the child ended with.
        Crashed: a signal or an unexpected exception ended it.
    """
    from pipelines.stages.context import StageResult

    # -P: nothing that lies in the run may stand in for a module.
    argv = [sys.executable, "-P", "-m", "pipelines.cli.main", "stage", stage, "--here", "--model", model]
    code, output, told = _end_of(argv, root, _environment(settings))
    if code in _ERRORS:
        raise _ERRORS[code](told or f"ended with exit code {code}", where="" if told else stage)
    if code != 0:
        raise Crashed(f"{stage}: {_crash(code)}")
    summary = _summary(output)
    if summary is None:
        raise Crashed(f"{stage}: its process ended without a result")
    return StageResult(summary=summary)


def _end_of(argv: list[str], root: Path, env: dict[str, str]) -> tuple[int, str, str]:
    """Exit code (negative: a signal), standard output and error line of `argv`, which cannot outlive this process."""
    import tempfile

    # A file, not a pipe: only stderr is read while the child runs, and a full pipe would stop it.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        child = subprocess.Popen(
            argv,
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            preexec_fn=_dies_with_us(),  # noqa: PLW1509 - two system calls, and nothing that takes a lock
        )
        with child:
            try:
                told = _follow(child)
                code = child.wait()
            finally:
                child.kill()  # does nothing to one that has ended
        output.seek(0)
        return code, output.read(), told


def _dies_with_us() -> Callable[[], None]:
    """What the child does between fork and exec. Its library is loaded here: nothing may be loaded there."""
    parent, prctl = os.getpid(), getattr(ctypes.CDLL(None), "prctl", None)

    def die_with_parent() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(_LOST)  # the parent died before the line above took effect

    return die_with_parent


def _follow(child: subprocess.Popen[str]) -> str:
    """Pass the child's stderr on as it comes, but for its error line: that is returned, and said by whoever we are."""
    told = ""
    for line in child.stderr or ():
        if line.startswith(_MARK):
            told = line.removeprefix(_MARK).strip()
        else:
            sys.stderr.write(line)
            sys.stderr.flush()
    return told


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, and our own code first: the hashes that the run was recorded with are those of this code."""
    env = child_environment(settings)
    path = [str(PROJECT), *filter(None, [env.get("PYTHONPATH")])]
    return env | {"PYTHONPATH": os.pathsep.join(path)}


def _crash(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, as a system that runs out of memory does; give it more memory and try again"
    if code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended with exit code {code}; its last lines say why"


def _summary(output: str) -> dict[str, Any] | None:
    """The JSON object in the last line, without the exit code that the command adds."""
    try:
        value = bounded.parse_json(output.strip().rpartition("\n")[2].encode(), "the stage's answer")
    except UnreadableRecord:
        return None
    return {key: item for key, item in value.items() if key != "exit_code"} if isinstance(value, dict) else None
