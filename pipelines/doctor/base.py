"""What a check is, and what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import EvergreenError, ExitCode, PassingFault, shorten

SECONDS = 10.0
_FOUND_LIMIT = 200
_REMEDY_LIMIT = 160
_USERINFO = re.compile(r"//[^/@\s]*@")


class Mark(StrEnum):
    """How well something is; `FAIL` is what makes work fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What a check found. `passing`: a FAIL that should heal by itself."""

    mark: Mark
    found: str
    remedy: str = ""
    passing: bool = False


@dataclass(frozen=True)
class Check:
    """One thing to look at; `look` may raise, and is left alone when it takes longer than `seconds`."""

    name: str
    look: Callable[[], Finding]
    seconds: float = SECONDS


@dataclass(frozen=True)
class Result:
    """What was looked at, how it is, and how long that took."""

    name: str
    mark: Mark
    found: str
    remedy: str
    passing: bool
    seconds: float

    @classmethod
    def of(cls, name: str, finding: Finding, seconds: float) -> Result:
        """The finding as it may be shown: on one line, bounded, no login of an address in it."""
        return cls(
            name=name,
            mark=finding.mark,
            found=_shown(finding.found, _FOUND_LIMIT),
            remedy=_shown(finding.remedy, _REMEDY_LIMIT),
            passing=finding.passing,
            seconds=round(seconds, 2),
        )

    def line(self, width: int) -> str:
        """One line for a person, names padded to `width`."""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.mark:4}  {self.name:{width}}  {self.found} ({self.seconds:.1f} s){remedy}"


@dataclass(frozen=True)
class Report:
    """All results, in the order of the checks."""

    results: tuple[Result, ...]

    @property
    def exit_code(self) -> ExitCode:
        """DONE where nothing fails, PASSING where all that fails should heal by itself, else INPUT."""
        failed = [item for item in self.results if item.mark is Mark.FAIL]
        if not failed:
            return ExitCode.DONE
        return ExitCode.PASSING if all(item.passing for item in failed) else ExitCode.INPUT

    def render(self) -> str:
        """One line a result and one that counts them."""
        width = max(len(item.name) for item in self.results)
        counts = ", ".join(f"{sum(item.mark is mark for item in self.results)} {mark}" for mark in Mark)
        return "\n".join([*(item.line(width) for item in self.results), counts])

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {"checks": [asdict(item) for item in self.results], "exit_code": int(self.exit_code)}


def ok(found: str) -> Finding:
    """All is well."""
    return Finding(Mark.OK, found)


def warn(found: str, remedy: str) -> Finding:
    """It works, and should be looked after."""
    return Finding(Mark.WARN, found, remedy)


def fail(found: str, remedy: str, *, passing: bool = False) -> Finding:
    """Work fails of it."""
    return Finding(Mark.FAIL, found, remedy, passing)


def of_error(error: EvergreenError) -> Finding:
    """What one of our errors says, as a FAIL."""
    found = f"{error.where}: {error.what}" if error.where else error.what
    return fail(found, error.remedy, passing=isinstance(error, PassingFault))


def public(url: str) -> str:
    """`url` without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else url


def _shown(text: str, limit: int) -> str:
    return shorten(_USERINFO.sub("//", " ".join(text.split())), limit)
