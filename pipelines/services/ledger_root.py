"""The folder that a ledger server serves: held by one server at a time, and cleared of what a killed one left."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.ledger import hook, server
from pipelines.ledger.locks import locked

WAIT_SECONDS = 10.0
# Git removes these itself when it is told to stop, but not when it is killed. A ref's lock would then stay for ever.
LEFT = (
    "*.git/refs/**/*.lock",
    "*.git/*.lock",
    "*.git/gc.pid",
    "*.git/objects/tmp_objdir-*",
    "*.git/objects/pack/tmp_*",
    "*.git/objects/pack/*.lock",
    "*.git/objects/??/tmp_obj_*",
    ".*-????????",  # a repository that was being made
)


class Root:
    """`root` as one server's own; use it as a context manager.

    Its Git processes inherit the lock: the next server waits for those that outlive a killed one, at most ten seconds.

    Raises:
        LeaseHeld: another server serves the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.hooks = self.folder / ".hooks"
        self._lock = locked(self.folder / ".lock", seconds=WAIT_SECONDS, what="these ledgers")

    def __enter__(self) -> Root:
        self._lock.__enter__()
        for path in self._left():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        hook.write(self.hooks)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def fileno(self) -> int:
        """The lock, to be inherited."""
        return self._lock.fileno()

    def repository(self, model: str) -> Path:
        """Where the ledger of `model` is."""
        return self.folder / f"{model}.git"

    def has(self, model: str) -> bool:
        """Whether there is a ledger of `model`."""
        return (self.repository(model) / "HEAD").is_file()

    def models(self) -> list[str]:
        """The models that have a ledger, sorted."""
        return sorted(path.parent.name.removesuffix(".git") for path in self.folder.glob("[a-z]*.git/HEAD"))

    def create(self, model: str, dvc_remote: str) -> bool:
        """Make the ledger of `model`; False where there was one."""
        if self.has(model):
            return False
        server.create(self.repository(model), model, dvc_remote)
        return True

    def _left(self) -> list[Path]:
        return [path for pattern in LEFT for path in self.folder.glob(pattern)]
