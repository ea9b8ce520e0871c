"""Charts as inline SVG: coloured by the page's CSS classes, sharp in print, the same text for the same numbers.

Drawn by hand: importing a plotting library would cost two seconds of every evaluation (measured), and its SVG weighs
ten times as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

WIDTH, HEIGHT = 340, 260
WIDE = 480
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 10, 38


@dataclass(frozen=True)
class Series:
    """A line with a CSS class for its colour; with `marks`, a dot at every point and its numbers on hovering."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]
    marks: bool = False


@dataclass(frozen=True)
class Axis:
    """A labelled range; without bounds it takes the data's."""

    label: str
    low: float | None = None
    high: float | None = None


def lines(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    title: str,
    diagonal: bool = False,
    mark_x: float | None = None,
    width: int = WIDTH,
) -> str:
    """A line chart; `diagonal` draws the line of equality, `mark_x` an upright one."""
    across = _Scale.of(x, [point[0] for item in series for point in item.points], LEFT, width - RIGHT)
    up = _Scale.of(y, [point[1] for item in series for point in item.points], HEIGHT - BOTTOM, TOP)
    parts = [_grid(across, up, x.label, y.label)]
    if diagonal:
        low, high = max(across.low, up.low), min(across.high, up.high)
        parts.append(_line("equality", (across(low), up(low)), (across(high), up(high))))
    if mark_x is not None:
        parts.append(_line("mark", (across(mark_x), TOP), (across(mark_x), HEIGHT - BOTTOM)))
    for item in series:
        path = " ".join(f"{across(px):.1f},{up(py):.1f}" for px, py in item.points)
        parts.append(f'<polyline class="line {item.style}" points="{path}"/>')
        if item.marks:
            parts += [_dot(item, across(px), up(py), px, py) for px, py in item.points]
    return _svg(title, HEIGHT, parts, width)


def bars(items: Sequence[tuple[str, float]], *, title: str) -> str:
    """Horizontal bars with their names and numbers, in the order given."""
    step, left = 20, 150
    top = max((value for _, value in items), default=0.0) or 1.0
    parts = []
    for place, (name, value) in enumerate(items):
        middle = 6 + place * step + step / 2
        length = max(1.0, value / top * (WIDE - left - 62))
        shown = name if len(name) <= 22 else f"{name[:21]}…"
        parts.append(
            f'<text class="name" x="{left - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(shown)}'
            f"<title>{escape(name)}</title></text>"
            f'<rect class="bar" x="{left}" y="{middle - 6:.1f}" width="{length:.1f}" height="12" rx="2"/>'
            f'<text class="value" x="{left + length + 6:.1f}" y="{middle + 4:.1f}">{value:.3g}</text>'
        )
    return _svg(title, 12 + step * len(items), parts, WIDE)


def timeline(spans: Sequence[tuple[str, str, date, date]], *, title: str) -> str:
    """Spans of days, one (name, CSS class, first, last) a row, on one axis of days."""
    first, last = min(span[2] for span in spans), max(span[3] for span in spans)
    days, step, left, width = (last - first).days + 1, 22, 104, 760
    scale = (width - left - RIGHT) / days
    parts = []
    for place, (name, style, start, end) in enumerate(spans):
        top, x = 4 + place * step, left + (start - first).days * scale
        length = max(2.0, ((end - start).days + 1) * scale)
        parts.append(
            f'<text class="name" x="{left - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="span {style}" x="{x:.1f}" y="{top}" width="{length:.1f}" height="16" rx="3">'
            f"<title>{escape(name)}: {start} to {end}</title></rect>"
        )
    bottom = 4 + len(spans) * step
    parts.append(f'<line class="axis" x1="{left}" y1="{bottom}" x2="{width - RIGHT}" y2="{bottom}"/>')
    parts.append(f'<text class="tick" x="{left}" y="{bottom + 15}">{first}</text>')
    parts.append(f'<text class="tick" x="{width - RIGHT}" y="{bottom + 15}" text-anchor="end">{last}</text>')
    return _svg(title, bottom + 22, parts, width)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    ticks: tuple[float, ...]
    start: float
    end: float

    @classmethod
    def of(cls, axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
        low = axis.low if axis.low is not None else min(values, default=0.0)
        high = axis.high if axis.high is not None else max(values, default=1.0)
        if high <= low:
            low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
        step = _step((high - low) / 5)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        low = axis.low if axis.low is not None else first * step
        high = axis.high if axis.high is not None else last * step
        ticks = tuple(n * step for n in range(first, last + 1) if low - step / 1e6 <= n * step <= high + step / 1e6)
        return cls(low, high, ticks, start, end)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _step(rough: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten at or above `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _grid(across: _Scale, up: _Scale, x_label: str, y_label: str) -> str:
    bottom = HEIGHT - BOTTOM
    parts = []
    for tick in up.ticks:
        at = up(tick)
        parts.append(_line("grid", (across.start, at), (across.end, at)))
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_plain(tick)}</text>')
    for tick in across.ticks:
        at = across(tick)
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{_plain(tick)}</text>')
    parts.append(_line("axis", (across.start, bottom), (across.end, bottom)))
    middle = (across.start + across.end) / 2
    parts.append(f'<text class="label" x="{middle:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text class="label" transform="translate(12 {(TOP + bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _plain(tick: float) -> str:
    return f"{tick:.4g}" if tick else "0"


def _line(style: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<line class="{style}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'


def _dot(item: Series, x: float, y: float, px: float, py: float) -> str:
    return (
        f'<circle class="dot {item.style}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
        f"<title>{escape(item.name)}: {px:.4g}, {py:.4g}</title></circle>"
    )


def _svg(title: str, height: float, parts: Sequence[str], width: int) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
