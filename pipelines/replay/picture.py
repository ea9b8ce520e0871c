"""A comparison as one picture: cost against quality, and the retrainings on the curve of drift."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from html import escape
from statistics import fmean

from pipelines.replay.compare import Comparison, Row
from pipelines.replay.run import Course

WIDTH, TOP, LEFT, RIGHT = 960, 44, 64, 20
SCATTER, CURVE, LANE = 250, 230, 18
SMOOTH = 14
COLOURS = ("#2f6f4f", "#b7791f", "#3b6ea5", "#8a4f9e", "#a33a2c", "#5a6b60")
_CSS = (
    "text{font:12px Helvetica,Arial,sans-serif;fill:#1c3a2a}.soft{fill:#5a6b60}.head{font-size:14px;font-weight:600}"
    ".grid{stroke:#dde6df}.axis{stroke:#5a6b60}"
)


def picture(found: Comparison) -> str:
    """The picture as SVG that needs nothing else: the same text for the same comparison."""
    lanes = [course for course in found.courses if 0 < len(course.retrainings) <= len(course.steps) / 2]
    height = TOP + SCATTER + 56 + CURVE + LANE * len(lanes) + 44
    parts = [f"<style>{_CSS}</style>", f'<rect width="{WIDTH}" height="{height}" fill="#fbfdfb" rx="12"/>']
    parts += _scatter(found, _colours(found))
    parts += _curve(found, lanes, _colours(found), TOP + SCATTER + 56)
    title = f"{found.model}: policies from {found.asked.first} to {found.asked.last}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
    return f'{head} aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>\n'


def _colours(found: Comparison) -> dict[str, str]:
    """The model's own policies first: they get the colours that are told apart best."""
    names = sorted((row.name for row in found.rows), key=lambda name: (name in ("never", "nightly"), name != "own"))
    return {name: COLOURS[min(place, len(COLOURS) - 1)] for place, name in enumerate(names)}


def _scatter(found: Comparison, colours: dict[str, str]) -> list[str]:
    """Retrainings across, mean loss upwards; a policy's hollow dot is the schedule with as many retrainings."""
    rows = found.rows
    losses = {row.name: _loss(found, row) for row in rows}
    same = {row.name: _at(found, row.same) for row in rows if row.same is not None}
    values = [*losses.values(), *same.values()]
    low, high = min(values), max(values)
    low, high = low - (high - low) * 0.12, high + (high - low) * 0.08
    most = max(row.retrainings for row in rows) or 1.0
    bottom = TOP + SCATTER

    def x(count: float) -> float:
        return LEFT + math.sqrt(count / most) * (WIDTH - LEFT - RIGHT - 60)

    def y(loss: float) -> float:
        return bottom - (loss - low) / (high - low or 1.0) * SCATTER

    parts = [_text(LEFT, 26, "What a policy costs, and what it is worth", "head")]
    for step in range(5):
        value = low + (high - low) * (step + 0.5) / 5
        parts += [
            _rule(LEFT, y(value), WIDTH - RIGHT, y(value)),
            _text(LEFT - 6, y(value) + 4, f"{value:.4f}", "soft", "end"),
        ]
    ticks = [count for count in (0, 5, 10, 20, 40, 80, 160, 320, 640) if count <= most]
    parts += [_text(x(count), bottom + 16, str(count), "soft", "middle") for count in ticks]
    parts.append(
        _text(WIDTH - RIGHT, bottom + 32, f"retrainings (root scale); upwards: mean {found.metric}", "soft", "end")
    )
    for row in rows:
        colour, at = colours[row.name], (x(row.retrainings), y(losses[row.name]))
        if row.name in same:
            below = y(same[row.name])
            parts.append(f'<path d="M{at[0]:.1f} {at[1]:.1f}V{below:.1f}" stroke="{colour}" stroke-dasharray="3 3"/>')
            parts.append(
                f'<circle cx="{at[0]:.1f}" cy="{below:.1f}" r="5" fill="#fbfdfb" stroke="{colour}" stroke-width="2"/>'
            )
            parts.append(_text(at[0] + 10, below + 4, "schedule with as many", "soft"))
        parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="6" fill="{colour}"/>')
        parts.append(_text(at[0] + 10, at[1] + 4, row.name))
    return parts


def _curve(found: Comparison, lanes: Sequence[Course], colours: dict[str, str], top: int) -> list[str]:
    """What the first model loses against one retrained nightly, day by day; below it every policy's retrainings."""
    courses = {course.plan: course for course in found.courses}
    first, last = courses["never"].steps[0].day, courses["never"].steps[-1].day
    apart = {name: _apart(course, courses["nightly"]) for name, course in courses.items() if name != "nightly"}
    shown = [name for name in apart if name in ("never", "own")]
    values = [value for name in shown for value in apart[name]] or [0.0]
    low, high = min(0.0, *values), max(0.0, *values)
    bottom, days = top + CURVE, max(1, (last - first).days)

    def x(day: date) -> float:
        return LEFT + (day - first).days / days * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low or 1.0) * (CURVE - 14)

    parts = [_text(LEFT, top - 14, f"Drift: {found.metric} above nightly's, mean of {SMOOTH} days", "head")]
    parts += [_rule(LEFT, y(value), WIDTH - RIGHT, y(value)) for value in (0.0, high)]
    parts += [_text(LEFT - 6, y(value) + 4, f"{value:.3f}", "soft", "end") for value in (0.0, high)]
    for name in shown:
        line = " ".join(f"{x(first + timedelta(days=n)):.1f},{y(value):.1f}" for n, value in enumerate(apart[name]))
        colour = colours[name] if name != "never" else "#8b978f"
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for place, course in enumerate(lanes):
        parts += _lane(course, bottom + 22 + LANE * place, x, colours[course.plan])
    parts += _months(first, last, bottom + 22 + LANE * len(lanes), x)
    return parts


def _lane(course: Course, y: float, x: Callable[[date], float], colour: str) -> list[str]:
    parts = [_text(LEFT - 6, y + 4, course.plan, "soft", "end"), _rule(LEFT, y, WIDTH - RIGHT, y)]
    for item in course.retrainings:
        full = item.outcome == "promoted"
        told = f"{course.plan}: as of {item.day}, {item.outcome}"
        parts.append(
            f'<circle cx="{x(item.day):.1f}" cy="{y}" r="4" fill="{colour if full else "#fbfdfb"}" stroke="{colour}">'
            f"<title>{escape(told)}</title></circle>"
        )
    return parts


def _months(first: date, last: date, y: float, x: Callable[[date], float]) -> list[str]:
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [_text(x(day), y + 6, f"{day:%b}", "soft", "middle") for day in days if day.day == 1]


def _apart(course: Course, other: Course) -> list[float]:
    """By day, how much more a row lost than under the other policy, the mean of the days around it by rows."""
    pairs = [(a.sums.loss_sum - b.sums.loss_sum, a.sums.rows) for a, b in zip(course.steps, other.steps, strict=True)]
    found = []
    for place in range(len(pairs)):
        near = pairs[max(0, place - SMOOTH // 2) : place + SMOOTH // 2 + 1]
        rows = sum(count for _, count in near)
        found.append(sum(gap for gap, _ in near) / rows if rows else 0.0)
    return found


def _loss(found: Comparison, row: Row) -> float:
    nightly = fmean(course.loss for course in found.courses if course.plan == "nightly")
    return nightly + row.regret


def _at(found: Comparison, gain: float | None) -> float:
    never, nightly = (
        next(_loss(found, row) for row in found.rows if row.name == name) for name in ("never", "nightly")
    )
    return never - (gain or 0.0) * (never - nightly)


def _text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="grid" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'
