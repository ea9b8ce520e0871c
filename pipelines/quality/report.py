"""The validation report: one HTML file that needs nothing else, readable on a telephone and in the dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from pipelines.config.model import Role
from pipelines.config.params import RunParams
from pipelines.errors import shorten
from pipelines.quality.calendar import Cell, calendar, legend
from pipelines.quality.style import CSS
from pipelines.quality.window import CheckResult, DayLabels, days_between

_LISTED = 200
_FAILED = {"critical": ("bad", "failed"), "warning": ("warn", "warning")}


def render(
    params: RunParams,
    window: Mapping[str, Any],
    checks: Sequence[CheckResult],
    labels: Sequence[DayLabels],
    label: Mapping[str, Any],
) -> str:
    """The report as HTML. All that comes from data or configuration is escaped; the same input gives the same bytes.

    Args:
        params: the run's parameters.
        window: the contents of `window.json`.
        checks: the results of the window checks.
        labels: the labels by day.
        label: the summary of the label that `accepted.json` holds.
    """
    parts = [
        _verdict(params, window, checks),
        _numbers(window, labels, label),
        "<h2>Checks</h2>",
        _checks(checks),
        "<h2>Days</h2>",
        legend(),
        *_calendars(params, window, labels),
        _quarantined(window["quarantined"]),
        _warnings(window["partitions"]),
    ]
    title = escape(f"{params.model}: validation as of {params.span.as_of}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{CSS}</style></head>\n<body><main>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def _verdict(params: RunParams, window: Mapping[str, Any], checks: Sequence[CheckResult]) -> str:
    failed = [check for check in checks if not check.passed]
    critical = [check for check in failed if check.severity == "critical"]
    passed = f"{len(checks) - len(failed)} of {len(checks)} checks passed."
    if critical:
        kind, word, why = "bad", "Refused", critical[0].sentence
    elif failed:
        kind, word, why = "warn", "Accepted with warnings", f"{passed} {failed[0].sentence}"
    else:
        kind, word, why = "good", "Accepted", passed
    return (
        f'<header class="{kind}"><p class="model">{escape(params.model)}, as of {params.span.as_of}</p>'
        f"<h1>{word}</h1><p>{escape(why)}</p></header>"
        f'<p class="span">Read from {escape(window["first"])}; training {params.span.train_start} to '
        f"{params.span.train_end}; test {params.span.test_start} to {params.span.test_end}.</p>"
    )


def _numbers(window: Mapping[str, Any], labels: Sequence[DayLabels], label: Mapping[str, Any]) -> str:
    figures = [
        (f"{sum(item.rows for item in labels):,}", "events"),
        (f"{len(labels):,}", "days of events"),
        (f"{label['coverage']:.1%}", "of rows labelled"),
        *_spread(label),
        (f"{len(window['quarantined']):,}", "partitions quarantined"),
        (f"{len(window['missing']):,}", "partitions missing"),
    ]
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for value, name in figures)
    return f'<dl class="numbers">{items}</dl>'


def _spread(label: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = label["rows"] or 1
    if "positives" in label:
        return [(f"{label['positives'] / rows:.1%}", "of labels positive")]
    if "classes" in label:
        return [(str(sum(1 for number in label["classes"].values() if number)), "classes seen")]
    return [(f"{label['mean']:.4g}" if label.get("mean") is not None else "none", "mean label")]


def _checks(checks: Sequence[CheckResult]) -> str:
    """Failed ones first."""
    rows = [_check(check) for check in sorted(checks, key=lambda check: check.passed)]
    head = "<tr><th>Check</th><th>Result</th><th>Observed</th><th>Bound</th></tr>"
    return f'<table class="checks"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _check(check: CheckResult) -> str:
    kind, word = ("good", "passed") if check.passed else _FAILED[check.severity]
    name = escape(check.name.replace("_", " "))
    return (
        f'<tr><td><b>{name}</b><span class="note">{escape(check.sentence)}</span></td>'
        f'<td><span class="tag {kind}">{word}</span></td>'
        f"<td>{_value(check.observed)}</td><td>{_value(check.bound)}</td></tr>"
    )


def _value(value: int | float | str) -> str:
    return escape(f"{value:,}" if isinstance(value, int | float) else shorten(value, 60))


def _calendars(params: RunParams, window: Mapping[str, Any], labels: Sequence[DayLabels]) -> list[str]:
    span = params.span
    states = {(item["table"], item["partition"]): ("bad", "; ".join(item["reasons"])) for item in window["quarantined"]}
    for item in window["partitions"]:
        told = f"{item['rows']:,} rows" + "".join(f"; {sentence}" for sentence in item["warnings"])
        states[item["table"], item["partition"]] = ("warn" if item["warnings"] else "good", told)
    known = {item.day: item for item in labels}
    found = []
    for table, config in params.tables.items():
        if config.role is Role.STATIC:
            continue
        cells = [
            _cell(table, day, states, known if table == params.events else {}, params)
            for day in days_between(span.first, span.as_of)
        ]
        found.append(calendar(table, config.role.value, cells))
    return found


def _cell(
    table: str,
    day: date,
    states: Mapping[tuple[str, str], tuple[str, str]],
    known: Mapping[date, DayLabels],
    params: RunParams,
) -> Cell:
    kind, told = states.get((table, day.isoformat()), ("none", "missing"))
    labelled = f", {known[day].labelled:,} labelled" if day in known else ""
    test = params.span.test_start <= day <= params.span.test_end
    return Cell(day, kind, shorten(f"{day}: {told}{labelled}", 300), test)


def _quarantined(items: Sequence[Mapping[str, Any]]) -> str:
    if not items:
        return '<h2>Quarantined partitions</h2><p class="quiet">None.</p>'
    return "<h2>Quarantined partitions</h2>" + _list([(item, item["reasons"]) for item in items], "bad")


def _warnings(partitions: Sequence[Mapping[str, Any]]) -> str:
    told = [(item, item["warnings"]) for item in partitions if item["warnings"]]
    if not told:
        return '<h2>Warnings on partitions in use</h2><p class="quiet">None.</p>'
    return "<h2>Warnings on partitions in use</h2>" + _list(told, "warn")


def _list(items: Sequence[tuple[Mapping[str, Any], Sequence[str]]], kind: str) -> str:
    shown = []
    for item, sentences in items[:_LISTED]:
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
        name = f"{escape(item['table'])} <time>{escape(item['partition'])}</time>"
        shown.append(f'<section class="partition {kind}"><h3>{name}</h3><ul>{lines}</ul></section>')
    more = f'<p class="quiet">and {len(items) - _LISTED} more in validation.json</p>' if len(items) > _LISTED else ""
    return "".join(shown) + more
