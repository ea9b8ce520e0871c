"""Checks over a whole window of accepted partitions: pure functions of counts, each giving one frozen result."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.config.model import Label, Role, Task
from pipelines.config.params import RunParams, Span
from pipelines.errors import MESSAGE_LIMIT, shorten
from pipelines.quality.findings import Severity

_NAMED = 3


@dataclass(frozen=True)
class CheckResult:
    """One check's answer. `observed` and `bound` are plain JSON values; `sentence` has at most 300 characters."""

    name: str
    severity: Severity
    passed: bool
    observed: int | float | str
    bound: int | float | str
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class DayLabels:
    """The labels of one events day: all its rows, those with a label, and how often each value occurs.

    A regression's values are not counted: `values` then holds the smallest and the largest only.
    """

    day: date
    rows: int
    labelled: int
    illegal: int
    values: Mapping[float, int]


@dataclass(frozen=True)
class Window:
    """What the checks look at: the days and static tables that are there, labels by day, doubled keys, column types."""

    days: Mapping[str, Collection[date]]
    static: Collection[str]
    quarantined: Sequence[str]
    labels: Sequence[DayLabels]
    duplicates: int
    duplicate_example: str
    conflicts: Sequence[str]


def check_window(params: RunParams, window: Window) -> list[CheckResult]:
    """All window checks, in the order in which a reader wants them; of a window whose columns conflict, those that
    need no values.
    """
    span = params.span
    newest, limit = max(window.days.get(params.events, ()), default=None), params.validation.freshness_days
    train = [item for item in window.labels if span.train_start <= item.day <= span.train_end]
    test = [item for item in window.labels if span.test_start <= item.day <= span.test_end]
    if window.conflicts:
        # Nothing was counted: other checks would only say so.
        return [check_types(window.conflicts), check_freshness(newest, span.as_of, limit), *_presence(params, window)]
    return [
        check_order(span, [item.day for item in window.labels]),
        check_types(window.conflicts),
        check_rows(train, span.min_rows, window.quarantined),
        check_test_rows(test, span),
        check_freshness(newest, span.as_of, limit),
        *_presence(params, window),
        check_duplicates(window.duplicates, window.duplicate_example),
        check_label_values([*train, *test], params.task, params.label),
        check_coverage([*train, *test], params.validation.min_label_coverage),
        *(check_classes(name, days) for name, days in (("train", train), ("test", test))),
    ]


def check_order(span: Span, days: Sequence[date]) -> CheckResult:
    """Training, validation and test days follow each other strictly, and no day is there twice."""
    ordered = (
        span.first <= span.train_start < span.validation_start <= span.train_end < span.test_start
        and span.test_start <= span.test_end <= span.as_of
    )
    doubled = len(days) - len(set(days))
    apart = (span.test_start - span.train_end).days
    sentence = f"Training ends on {span.train_end}, before the first test day {span.test_start}."
    if not ordered:
        sentence = f"Training days reach {span.train_end} and test days begin on {span.test_start}: they overlap."
    elif doubled:
        sentence = f"{doubled} events days are listed twice."
    return _result("train_test_order", ordered and not doubled, apart, 1, sentence)


def check_rows(train: Sequence[DayLabels], minimum: int, quarantined: Sequence[str]) -> CheckResult:
    """Enough labelled rows are left to train on."""
    rows = sum(item.labelled for item in train)
    left_out = f"; quarantined: {_listed(quarantined)}" if quarantined else "; nothing is quarantined"
    sentence = f"{rows} labelled training rows of at least {minimum}{left_out}."
    return _result("training_rows", rows >= minimum, rows, minimum, sentence)


def check_test_rows(test: Sequence[DayLabels], span: Span) -> CheckResult:
    """There is something to judge a challenger on."""
    rows = sum(item.labelled for item in test)
    sentence = f"{rows} labelled rows on the test days {span.test_start} to {span.test_end}."
    return _result("test_rows", rows >= 1, rows, 1, sentence)


def check_freshness(newest: date | None, as_of: date, limit: int) -> CheckResult:
    """The newest events are not too old."""
    if newest is None:
        return _result("freshness", False, "no events", limit, "There is no accepted day of events in the window.")
    age = (as_of - newest).days
    return _result(
        "freshness", age <= limit, age, limit, f"The newest events are of {newest}, {_days(age)} before as-of."
    )


def check_gap(
    table: str, present: Collection[date], span: Span, limit: int, severity: Severity = "critical"
) -> CheckResult:
    """No longer run of missing days than `limit` between the window's first day and as-of."""
    worst, length = span.first, 0
    longest = 0
    for day in days_between(span.first, span.as_of):
        length = 0 if day in present else length + 1
        if length > longest:
            worst, longest = day - timedelta(days=length - 1), length
    at = f", from {worst} on" if longest else ""
    sentence = f"{table}: the longest gap is {_days(longest)}{at}."
    return _result(f"{table}_gaps", longest <= limit, longest, limit, sentence, severity)


def check_missing(table: str, present: Collection[date], span: Span, limit: float) -> CheckResult:
    """No larger share of missing days than `limit`."""
    total = (span.as_of - span.first).days + 1
    absent = total - sum(span.first <= day <= span.as_of for day in present)
    share = round(absent / total, 4)
    sentence = f"{table}: {absent} of {total} days are missing ({share:.1%}; at most {limit:.0%})."
    return _result(f"{table}_missing", share <= limit, share, limit, sentence)


def check_types(conflicts: Sequence[str]) -> CheckResult:
    """A column holds one kind of values in all partitions: readers would cast silently."""
    sentence = (
        f"Columns change their kind: {_listed(conflicts)}." if conflicts else "Every column is of one kind throughout."
    )
    return _result("column_types", not conflicts, len(conflicts), 0, sentence)


def check_duplicates(duplicates: int, example: str) -> CheckResult:
    """No key of the events occurs twice in the window."""
    sentence = f"{duplicates} events repeat a key, such as {example}." if duplicates else "No key occurs twice."
    return _result("duplicate_keys", duplicates == 0, duplicates, 0, sentence)


def check_label_values(days: Sequence[DayLabels], task: Task, label: Label) -> CheckResult:
    """Every label is one the task can learn."""
    illegal = sum(item.illegal for item in days)
    legal = {Task.BINARY: "0 or 1", Task.REGRESSION: "a finite number"}.get(task, ", ".join(label.classes))
    sentence = f"{illegal} labels are not {legal}." if illegal else f"Every label is {shorten(legal)}."
    return _result("label_values", illegal == 0, illegal, 0, sentence)


def check_coverage(days: Sequence[DayLabels], minimum: float) -> CheckResult:
    """Enough rows of the training and test days have a label."""
    rows, labelled = sum(item.rows for item in days), sum(item.labelled for item in days)
    share = round(labelled / rows, 4) if rows else 0.0
    sentence = (
        f"{labelled} of {rows} rows of the training and test days have a label ({share:.1%}; at least {minimum:.0%})."
    )
    return _result("label_coverage", share >= minimum, share, minimum, sentence)


def check_classes(part: str, days: Sequence[DayLabels]) -> CheckResult:
    """More than one class (or value) among the labels of `part`."""
    kinds = len({value for item in days for value in item.values})
    sentence = f"The {part} days hold {kinds} different label values; learning and judging need two."
    return _result(f"{part}_classes", kinds >= 2, kinds, 2, sentence)


def days_between(first: date, last: date) -> list[date]:
    """All days from `first` to `last`, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _presence(params: RunParams, window: Window) -> list[CheckResult]:
    found: list[CheckResult] = []
    for table, config in params.tables.items():
        if config.role is Role.STATIC:
            there = table in window.static
            word = "is there" if there else "has no accepted partition"
            found.append(_result(f"{table}_present", there, int(there), 1, f"The static table {table} {word}."))
            continue
        # A gap in a context table makes its features null for a while, which a model can bear: told, unless it is much.
        severity: Severity = "critical" if config.role is Role.EVENTS else "warning"
        present = frozenset(window.days.get(table, ()))
        found += [
            check_gap(table, present, params.span, params.validation.max_gap_days, severity),
            check_missing(table, present, params.span, params.validation.max_missing_share),
        ]
    return found


def _result(
    name: str,
    passed: bool,
    observed: int | float | str,
    bound: int | float | str,
    sentence: str,
    severity: Severity = "critical",
) -> CheckResult:
    return CheckResult(name, severity, passed, observed, bound, shorten(sentence, MESSAGE_LIMIT))


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return ", ".join(shorten(item) for item in items[:_NAMED]) + more
