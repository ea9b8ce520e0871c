"""What every stage is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.config.params import RunParams
from pipelines.errors import ExitCode

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StageContext:
    """A stage's whole world: the workspace folder, the run's parameters and a line to say what it is doing."""

    root: Path
    params: RunParams
    progress: Progress

    def path(self, *parts: str) -> Path:
        """The path of `parts` below the workspace."""
        return self.root.joinpath(*parts)


@dataclass(frozen=True)
class StageResult:
    """How a stage ended (`DONE` or `REFUSED`) and what is worth telling, as JSON."""

    exit_code: ExitCode = ExitCode.DONE
    summary: dict[str, Any] = field(default_factory=dict)
