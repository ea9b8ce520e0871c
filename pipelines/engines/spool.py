"""Encoded blocks in a nameless file: gone with the process, whatever ends it."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import PassingFault
from pipelines.storage.files import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]


class Spool:
    """Blocks of float32 (rows, columns), each with named float32 arrays (rows,), in the order they were put."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - open until `close`
        self._shapes: list[tuple[int, int, tuple[str, ...]]] = []

    def put(self, parts: Sequence[Part]) -> None:
        """Add blocks behind those that are there; raises PassingFault when the disk is full."""
        import numpy as np

        try:
            for block, info in parts:
                self._shapes.append((*block.shape, tuple(info)))
                for values in (block, *info.values()):
                    np.ascontiguousarray(values, np.float32).tofile(self._file)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, None):
                raise
            raise PassingFault(
                "no space left for the encoded rows", where=short(self._folder), remedy="free some disk and try again"
            ) from error

    def parts(self) -> Iterator[Part]:
        """All blocks from the first on."""
        self._file.seek(0)
        for rows, columns, names in self._shapes:
            block = self._read(rows * columns).reshape(rows, columns)
            yield block, {name: self._read(rows) for name in names}

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _read(self, count: int) -> NDArray[np.float32]:
        import numpy as np

        return np.fromfile(self._file, np.float32, count)
