"""What an ingest did with every partition it was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from pipelines.errors import ExitCode

SHOWN = 10


class Fate(StrEnum):
    """What became of a partition. `refused`: something stands there that cannot even be hashed, such as a link."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """The fate of one partition; `revision` is 0 where the ledger holds none.

    `reasons` say why nothing of it can be used, of one that is unchanged those of before.
    """

    table: str
    partition: str
    fate: Fate
    revision: int = 0
    rows: int = 0
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def named(self) -> dict[str, Any]:
        """Its JSON form for lists of what went wrong."""
        told = {"reasons": list(self.reasons), "warnings": list(self.warnings), "revision": self.revision}
        return {
            "table": self.table,
            "partition": self.partition,
            **{key: value for key, value in told.items() if value},
        }


@dataclass(frozen=True)
class IngestReport:
    """All outcomes of one ingest, and the commit of the `data` branch that holds them."""

    model: str
    first: date
    last: date
    outcomes: tuple[Outcome, ...]
    commit: str | None
    seconds: float

    def of(self, *fates: Fate) -> list[Outcome]:
        """The outcomes of these fates, in order of table and partition."""
        return [outcome for outcome in self.outcomes if outcome.fate in fates]

    @property
    def changed(self) -> bool:
        """Whether the ledger took anything in."""
        return bool(self.of(Fate.ACCEPTED, Fate.QUARANTINED))

    @property
    def exit_code(self) -> ExitCode:
        """3 where all that came of some table was turned away, now or when it first came."""
        return ExitCode.INPUT if self._turned_away() else ExitCode.DONE

    def refusal(self) -> str:
        """Which table has nothing that can be used, and the first reason; empty where every table has something."""
        tables = self._turned_away()
        if not tables:
            return ""
        first = next(outcome for outcome in self.outcomes if outcome.table == tables[0] and outcome.reasons)
        return f"nothing of {', '.join(tables)} is accepted: {first.partition}: {first.reasons[0]}"

    def _turned_away(self) -> list[str]:
        there = [outcome for outcome in self.outcomes if outcome.fate is not Fate.MISSING]
        usable = {outcome.table for outcome in there if not outcome.reasons}
        return sorted({outcome.table for outcome in there} - usable)

    def to_json(self) -> dict[str, Any]:
        """For machines: counts, and by name whatever was not simply accepted."""
        return {
            "model": self.model,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "accepted": len(self.of(Fate.ACCEPTED)),
            "rows": sum(outcome.rows for outcome in self.of(Fate.ACCEPTED)),
            "unchanged": len(self.of(Fate.UNCHANGED)),
            "quarantined": [outcome.named() for outcome in self.of(Fate.QUARANTINED)],
            "missing": [outcome.named() for outcome in self.of(Fate.MISSING)],
            "refused": [outcome.named() for outcome in self.of(Fate.REFUSED)],
            "warnings": [outcome.named() for outcome in self.outcomes if outcome.warnings],
            "commit": self.commit,
            "seconds": self.seconds,
        }

    def render(self) -> str:
        """For people: a line a table, then what needs a look, at most ten lines of each kind."""
        width = max((len(outcome.table) for outcome in self.outcomes), default=5)
        lines = [f"{self.model}: {self.first} to {self.last} in {self.seconds:.1f} s", _head(width)]
        for table in dict.fromkeys(outcome.table for outcome in self.outcomes):
            fates = Counter(outcome.fate for outcome in self.outcomes if outcome.table == table)
            lines.append(f"  {table:<{width}}" + "".join(f"{fates[fate]:>13}" for fate in Fate))
        for fate in (Fate.QUARANTINED, Fate.REFUSED, Fate.MISSING):
            lines += _listed(fate, ((item, "; ".join(item.reasons)) for item in self.of(fate)))
        lines += _listed("warning", ((item, "; ".join(item.warnings)) for item in self.outcomes if item.warnings))
        lines += [
            f"  nothing of {table} is accepted: mend the data or expectations.yaml, then ingest again"
            for table in self._turned_away()
        ]
        return "\n".join(lines if self.changed else [*lines, "  nothing new: the ledger is as it was"])


def _head(width: int) -> str:
    return f"  {'table':<{width}}" + "".join(f"{fate.value:>13}" for fate in Fate)


def _listed(kind: str, told: Iterable[tuple[Outcome, str]]) -> list[str]:
    lines = [f"  {kind} {item.table} {item.partition}{f': {text}' if text else ''}" for item, text in told]
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"  and {len(lines) - SHOWN} more {kind}"]
