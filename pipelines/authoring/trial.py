"""A trial of days: partitions judged as an ingest would judge them, before one has to."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.authoring.expectations_text import expectations_text
from pipelines.authoring.features_text import features_text
from pipelines.authoring.model_text import Draft, model_text
from pipelines.config.load import load_model
from pipelines.errors import shorten
from pipelines.quality.suite import Suite
from pipelines.quality.values import HISTORY, judge_row_count
from pipelines.quality.verdict import judge_many

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.config.model import Model

Say = Callable[[str], None]
# All days are judged of a shorter file; of a longer one the newest half of these and as many of the others.
MOST_DAYS = 400
ROUNDS = 3
_PROGRESS_SECONDS = 2.0
_BY_KIND = ("ExpectColumnValuesToBeOfType", "ExpectColumnValuesToBeInTypeList")


@dataclass(frozen=True)
class Trial:
    """How many days were judged, and those that would be quarantined, in order, each with its first reason.

    `loosened` are the rules, by expectation and column, that some day breaks and that were taken back for that.
    """

    judged: int
    quarantined: tuple[tuple[date, str], ...] = ()
    loosened: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        """The days that would be quarantined, in words; empty where there are none."""
        if not self.quarantined:
            return ""
        (day, reason), count = self.quarantined[0], len(self.quarantined)
        when = "" if day == date.min else f"on {day} " if count == 1 else f"from {day} to {self.quarantined[-1][0]} "
        share = f"{count:,} of {self.judged:,} partitions would be quarantined"
        return f"{share}, {when}for {shorten(reason, 160)}{self._more}"

    @property
    def _more(self) -> str:
        kinds = Counter(reason.partition(":")[0] for _, reason in self.quarantined)
        return f" (and {len(kinds) - 1} other reasons)" if len(kinds) > 1 else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the author should know of it."""
        mended = (
            f"{expect} of {shorten(column, 40)} does not hold on every day: it is told and quarantines nothing"
            for expect, column in self.loosened
        )
        return (*([self.sentence] if self.sentence else []), *mended)


def proven(draft: Draft, say: Say) -> tuple[dict[str, str], Trial]:
    """The files of a draft by name, with no rule that a day of its own breaks, and what is left against its days."""
    loosened: dict[tuple[str, str], None] = {}
    for _ in range(ROUNDS):
        texts = _texts(draft, loosened)
        trial, broken = _tried(draft, texts, say)
        new = [rule for rule in broken if rule not in loosened]
        if not new:
            break
        loosened |= dict.fromkeys(new)
    return texts, Trial(trial.judged, trial.quarantined, tuple(loosened))


def _texts(draft: Draft, loosened: Collection[tuple[str, str]]) -> dict[str, str]:
    return {
        "model.yaml": model_text(draft),
        "features.py": features_text(draft),
        "expectations.yaml": expectations_text(draft, loosened),
    }


def _tried(draft: Draft, texts: dict[str, str], say: Say) -> tuple[Trial, list[tuple[str, str]]]:
    """The trial of a draft's own days, and the rules that those break which would be quarantined."""
    with tempfile.TemporaryDirectory(prefix="evergreen-new-") as scratch:
        folder = Path(scratch) / draft.name
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())
        model = load_model(folder)
        suite = Suite.load(folder, model)
        chosen = _chosen(draft.events.days)
        say(f"judging {len(chosen):,} days as an ingest will")
        parts = ((day, draft.events.data.slice(start, rows)) for day, start, rows in chosen)
        reasons = dict(judged(suite, model, model.events, parts, len(chosen), say))
    bad = {day: found[0] for day, found in reasons.items() if found} | dict(miscounted(draft.events.days, model))
    rules = [rule for found in reasons.values() for said in found for rule in _rules_of(suite, model.events, said)]
    trial = Trial(len(chosen), tuple(sorted(bad.items())))
    return trial, list(Counter(rules))


def judged(
    suite: Suite,
    model: Model,
    table: str,
    parts: Iterable[tuple[date | None, pa.Table]],
    total: int,
    say: Say,
    types: Mapping[str, pa.DataType] | None = None,
) -> Iterator[tuple[date, tuple[str, ...]]]:
    """Days of `table` with the reasons against each, by the judgement of an ingest except for the number of rows."""
    bounds = model.validation.model_copy(update={"row_count_low": 0.0, "row_count_high": 1e12})
    lenient = model.model_copy(update={"validation": bounds})
    days: list[date] = []

    def noted() -> Iterator[tuple[date | None, pa.Table]]:
        told = time.monotonic()
        for day, data in parts:
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                say(f"judged {len(days):,} of {total:,} days")
            days.append(day or date.min)
            yield day, data

    for number, verdict in enumerate(judge_many(suite, table, noted(), lenient, types=types)):
        yield days[number], verdict.reasons


def _chosen(days: Sequence[tuple[date, int, int]]) -> list[tuple[date, int, int]]:
    """All days, or of many the newest and some of the others, evenly spread."""
    if len(days) <= MOST_DAYS:
        return list(days)
    half = MOST_DAYS // 2
    older = days[:-half]
    return [*(older[number * len(older) // half] for number in range(half)), *days[-half:]]


def miscounted(days: Sequence[tuple[date, int, int]], model: Model) -> Iterator[tuple[date, str]]:
    """Days (with the place of their first row and their rows) that have too few or too many against those before."""
    history: list[int] = []
    for day, _, rows in days:
        found = judge_row_count(rows, history, model.validation)
        if found:
            yield day, found[0].sentence
        else:
            history = [*history, rows][-HISTORY:]


def _rules_of(suite: Suite, table: str, reason: str) -> Iterator[tuple[str, str]]:
    """The rules of expectations.yaml that a reason is about."""
    for rule in suite.of(table):
        column = rule.arguments.get("column")
        if not isinstance(column, str):
            continue
        by_kind = rule.expect in _BY_KIND and reason.startswith(f"{column}: type ")
        if by_kind or reason.startswith(f"{rule.title()}:"):
            yield rule.expect, column
