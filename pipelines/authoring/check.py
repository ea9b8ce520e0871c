"""`evergreen check`: proves a model folder sound on its own data, before a retraining has to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipelines.authoring.sample import newest_files
from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.engines.sources import SourceFile
from pipelines.errors import EvergreenError, ExitCode
from pipelines.ledger.manifest import Partition
from pipelines.stages.context import Progress

SAMPLE_DAYS = 3


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what was seen."""

    check: str
    level: Level
    sentence: str


@dataclass(frozen=True)
class Report:
    """All findings about a model folder, in the order in which they were made."""

    model: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """3 when anything is wrong, else 0; a warning is not wrong."""
        return ExitCode.INPUT if any(item.level is Level.ERROR for item in self.findings) else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        findings = [asdict(item) for item in self.findings]
        return {"model": self.model, "ok": self.exit_code is ExitCode.DONE, "findings": findings}

    def render(self) -> str:
        """For a person: one line a finding, the verdict last."""
        lines = [f"{item.level:<8}{item.check:<15}{item.sentence}" for item in self.findings]
        verdict = "sound" if self.exit_code is ExitCode.DONE else "not sound"
        return "\n".join([*lines, f"{self.model} is {verdict}"])


@dataclass(frozen=True)
class Subject:
    """What is being checked: the folder, the parameters of a retraining as of the newest day, and its files."""

    folder: Path
    params: RunParams
    files: Sequence[SourceFile]
    scratch: Path
    model: Model
    quarantined: Sequence[Partition] = ()

    @property
    def features(self) -> Path:
        """The author's file."""
        return self.folder / "features.py"


def check(settings: Settings, name: str, progress: Progress) -> Report:
    """Look at model `name` and report; only a missing folder or data that cannot be had raises.

    Raises:
        ConfigError: there is no such model folder.
        PassingFault: the ledger or its bytes cannot be reached now.
    """
    from pipelines.authoring import days, proofs

    folder = find_model(settings.models, name)
    findings: list[Finding] = []
    model = _configuration(folder, findings)
    if model is None:
        return Report(name, tuple(findings))
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".check-", dir=settings.home) as scratch:
        subject = _subject(settings, name, folder, model, Path(scratch), findings)
        if subject is None:
            return Report(name, tuple(findings))
        for title, proof in {"days": days.accepted, **proofs.ALL}.items():
            progress(f"checking {title}")
            found = _attempt(title, proof, subject)
            findings += found
            if title == "features" and found[0].level is Level.ERROR:
                break
    return Report(name, tuple(findings))


def _configuration(folder: Path, findings: list[Finding]) -> Model | None:
    try:
        model = load_model(folder)
    except EvergreenError as error:
        findings.append(Finding("configuration", Level.ERROR, error.line()))
        return None
    findings.append(
        Finding("configuration", Level.OK, f"model.yaml is valid: {len(model.tables)} tables, {model.task}")
    )
    return model


def _subject(
    settings: Settings, name: str, folder: Path, model: Model, scratch: Path, findings: list[Finding]
) -> Subject | None:
    try:
        where, files, refused = newest_files(settings, name, model, scratch)
        held = sorted(file.day for file in files if file.table == model.events and file.day)
        params = RunParams.of(name, model, held[-1])
    except EvergreenError as error:
        if error.exit_code is not ExitCode.INPUT:
            raise
        findings.append(Finding("data", Level.ERROR, error.line()))
        return None
    findings.append(Finding("data", Level.OK, f"{len(held)} days of the {where}, {held[0]} to {held[-1]}"))
    return Subject(folder, params, files, scratch, model, refused)


def _attempt(title: str, proof: Callable[[Subject], list[Finding]], subject: Subject) -> list[Finding]:
    try:
        return proof(subject)
    except EvergreenError as error:
        if error.exit_code is not ExitCode.INPUT:
            raise
        return [Finding(title, Level.ERROR, error.line())]


def sample_days(params: RunParams, files: Sequence[SourceFile], count: int = SAMPLE_DAYS) -> list[date]:
    """Up to `count` days of events, spread over those a retraining uses, all with days after them that are matured."""
    span = params.span
    last = span.test_end - timedelta(days=1)
    days = sorted(
        file.day for file in files if file.table == params.events and file.day and span.train_start <= file.day <= last
    )
    if len(days) <= count:
        return days
    return [days[(number + 1) * (len(days) - 1) // count] for number in range(count)]
