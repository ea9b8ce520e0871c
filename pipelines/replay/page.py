"""A comparison as a table for the terminal, and as a page with its picture."""

from __future__ import annotations

from pathlib import Path

from pipelines.evaluation.html import Markup, cells, tag
from pipelines.evaluation.html import table as html_table
from pipelines.evaluation.metrics import NAMES
from pipelines.evaluation.style import CSS
from pipelines.replay.compare import Comparison, Row
from pipelines.replay.picture import picture
from pipelines.storage.files import write_bytes

_LINE = "{:<16} {:>11} {:>8} {:>9} {:>9} {:>9} {:>9} {:>7} {:>8}"


def render(found: Comparison) -> str:
    """The table for people."""
    second = _second(found)
    head = _LINE.format(
        "policy", "retrainings", "promoted", "seconds", found.metric, second, "regret", "gain", "schedule"
    )
    lines = [head, *(_LINE.format(row.name[:16], *_values(found, row)) for row in found.rows)]
    return "\n".join([*lines, "", *notes(found)])


def notes(found: Comparison) -> list[str]:
    """What a reader must know about the table."""
    asked = found.asked
    begun = (
        f"{asked.starts} starts from {asked.first} on" if asked.starts > 1 else f"a first champion as of {asked.first}"
    )
    gated = "a challenger must pass the gates" if asked.gated else "every challenger is promoted, no gate is asked"
    return [
        f"{found.model}, {begun}, through {asked.last}; {gated}. Labels as late as they were.",
        "regret: mean loss above nightly's. gain: the share of nightly's gain over never. schedule: the gain of a",
        "fixed schedule with as many retrainings, mean over its phases.",
        f"{_second(found)}: over all rows, from the first start.",
    ]


def write(found: Comparison, path: Path) -> None:
    """The page at `path`, and the picture beside it."""
    drawing = picture(found)
    write_bytes(path.with_suffix(".svg"), drawing.encode(), durable=False)
    second = _second(found)
    head = ("policy", "retrainings", "promoted", "seconds", found.metric, second, "regret", "gain", "schedule")
    rows = ([*cells(row.name), *cells(*_values(found, row))] for row in found.rows)
    body = [
        tag("h1", f"{found.model}: when to retrain"),
        *(tag("p", line, style="soft") for line in notes(found)),
        html_table(head, rows),
        Markup(drawing),
        tag("h2", "The nights of the model's own policy"),
        html_table(("night", "champion", "verdict", "why"), _nights(found), text=4),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{tag('x', found.model)[3:-4]}: when to retrain</title><style>{CSS}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )
    write_bytes(path, page.encode(), durable=False)


def _nights(found: Comparison) -> list[list[Markup]]:
    course = next((course for course in found.courses if course.plan == "own"), None)
    if course is None:
        return []
    return [cells(step.day, step.champion, step.verdict, step.sentence) for step in course.steps]


def _values(found: Comparison, row: Row) -> list[str]:
    second = row.metrics.get(_second(found))
    nightly = next(course.loss for course in found.courses if course.plan == "nightly")
    return [
        _count(row.retrainings),
        _count(row.promoted),
        f"{row.seconds:,.0f}",
        f"{nightly + row.regret:.4f}",
        "–" if second is None else f"{second:.4f}",
        f"{row.regret:+.4f}",
        "–" if row.gain is None else f"{row.gain:.1%}",
        "–" if row.same is None else f"{row.same:.1%}",
    ]


def _second(found: Comparison) -> str:
    """The metric shown beside the loss: AUC where there is one."""
    shown = next(iter(found.rows)).metrics
    return next((name for name in ("auc", "r2") if name in shown), next(iter(NAMES.values()))[0])


def _count(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"
