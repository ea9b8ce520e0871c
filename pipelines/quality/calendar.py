"""A calendar of days as small inline SVG months: which are used, quarantined or missing."""

from __future__ import annotations

import calendar as months
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import groupby

_STEP, _SIZE = 16, 13
_SIGNS = {"bad": "M4 4l5 5M9 4l-5 5", "warn": "M6.5 3v4.5M6.5 9.3v1"}
_LEGEND = (("good", "used"), ("warn", "used, with warnings"), ("bad", "quarantined"), ("none", "missing"))


@dataclass(frozen=True)
class Cell:
    """One day: `kind` is good, warn, bad or none; `told` is what pointing at it says; `test` draws a frame."""

    day: date
    kind: str
    told: str
    test: bool = False


def calendar(table: str, role: str, cells: Sequence[Cell]) -> str:
    """The days of one table, a block for each month; blocks wrap on narrow screens."""
    blocks = [_month(list(group)) for _, group in groupby(cells, key=lambda cell: (cell.day.year, cell.day.month))]
    used = sum(cell.kind in ("good", "warn") for cell in cells)
    return (
        f'<h3>{escape(table)} <span class="quiet">{escape(role)}, {used} of {len(cells)} days used</span></h3>'
        f'<div class="months">{"".join(blocks)}</div>'
    )


def legend() -> str:
    """What the colours and signs mean."""
    items = [(_square(kind, 0, 0, "", False), word) for kind, word in _LEGEND]
    items.append((_square("good", 0, 0, "", True), "test day"))
    shown = [
        f'<span><svg width="15" height="15" viewBox="-1 -1 15 15">{sign}</svg> {word}</span>' for sign, word in items
    ]
    return f'<p class="legend">{"".join(shown)}</p>'


def _month(cells: Sequence[Cell]) -> str:
    first = cells[0].day.replace(day=1)
    lead = first.weekday()
    weeks = (lead + months.monthrange(first.year, first.month)[1] + 6) // 7
    squares = []
    for cell in cells:
        place = lead + cell.day.day - 1
        squares.append(_square(cell.kind, place % 7 * _STEP, place // 7 * _STEP, cell.told, cell.test))
    width, height = 7 * _STEP, weeks * _STEP
    return (
        f'<figure><figcaption>{first:%b %Y}</figcaption><svg width="{width}" height="{height}" '
        f'viewBox="-1 -1 {width} {height}" role="img" aria-label="{first:%B %Y}">{"".join(squares)}</svg></figure>'
    )


def _square(kind: str, x: int, y: int, told: str, test: bool) -> str:
    sign = f'<path d="{_SIGNS[kind]}"/>' if kind in _SIGNS else ""
    title = f"<title>{escape(told)}</title>" if told else ""
    frame = " test" if test else ""
    return (
        f'<g class="day {kind}{frame}" transform="translate({x} {y})">{title}'
        f'<rect width="{_SIZE}" height="{_SIZE}" rx="2"/>{sign}</g>'
    )
