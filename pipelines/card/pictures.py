"""The card's pictures by Matplotlib, as SVG inside the page: told in words too, coloured by the page, clear in grey."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand for the page's colours: light, dark and print each have their own.
INK, SOFT, STRONG, PALE, RULE = "#010101", "#020202", "#030303", "#040404", "#050505"
_COLOURS = {INK: "--ink", SOFT: "--soft", STRONG: "--strong", PALE: "--pale", RULE: "--rule"}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "evergreen",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
}
_WIDTH, _ROW = 4.7, 0.27
LONGEST = 24


def prepare(folder: Path) -> None:
    """Have Matplotlib keep its list of fonts in `folder`, unless it has a place of its own: making it takes seconds."""
    os.environ.setdefault("MPLCONFIGDIR", str(folder))


def calibration(points: Sequence[tuple[float, float, int]], words: tuple[str, str]) -> str:
    """A dot for each bin of rows; where it should lie is the dashed line."""

    def draw(axes: Axes) -> None:
        ends = [value for point in points for value in point[:2]]
        low, high = min(0.0, *ends), max(ends)
        axes.plot([low, high], [low, high], color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2)
        axes.plot([p[0] for p in points], [p[1] for p in points], color=STRONG, marker="o", markersize=5, linewidth=1.8)
        axes.set_xlabel(words[0])
        axes.set_ylabel(words[1])

    worst = max(points, key=lambda point: abs(point[0] - point[1]))
    told = f"{len(points)} bins of rows; the one furthest off says {worst[0]:.3g} where {worst[1]:.3g} was seen."
    return _svg("calibration", "Calibration: predicted against observed", told, draw, 3.1)


def importance(items: Sequence[tuple[str, float]]) -> str:
    """A bar for each feature's share of all contributions, in the order given."""

    def draw(axes: Axes) -> None:
        _bars(axes, [name for name, _ in items])
        axes.barh(range(len(items)), [share for _, share in items], height=0.62, color=STRONG)
        for place, (_, share) in enumerate(items):
            axes.text(share, place, f" {share:.1%}", va="center", fontsize=10, color=INK)
        axes.set_xlim(0, max(share for _, share in items) * 1.18)
        axes.set_xlabel("share of the mean absolute SHAP value")

    told = "; ".join(f"{name} {share:.1%}" for name, share in items[:5])
    return _svg("importance", "Features by importance", f"The first: {told}.", draw, _height(len(items)))


def drift(items: Sequence[tuple[str, float, float]]) -> str:
    """For each feature its drift (solid) above its importance (pale, hatched); both run from 0 to 1."""

    def draw(axes: Axes) -> None:
        _bars(axes, [name for name, _, _ in items])
        places = range(len(items))
        axes.barh(
            [p - 0.19 for p in places], [effect for _, effect, _ in items], height=0.34, color=STRONG, label="drift"
        )
        axes.barh(
            [p + 0.19 for p in places],
            [share for _, _, share in items],
            height=0.34,
            color=PALE,
            hatch="////",
            edgecolor=SOFT,
            linewidth=0.5,
            label="importance",
        )
        axes.set_xlim(left=0)
        axes.set_xlabel("effect of the drift, share of importance")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=10, borderaxespad=0.2)

    told = "; ".join(f"{name} drift {effect:.3f}, importance {share:.1%}" for name, effect, share in items[:4])
    return _svg(
        "drift", "Drift from training to test days", f"What matters most: {told}.", draw, _height(len(items)) + 0.2
    )


def daily(points: Sequence[tuple[date, float]], metric: str, whole: float, interval: tuple[float, float] | None) -> str:
    """The metric of each test day, with that of all of them as a line and its interval as a band."""

    def draw(axes: Axes) -> None:
        places = range(len(points))
        if interval:
            axes.axhspan(*interval, color=PALE, alpha=0.55, linewidth=0)
        axes.axhline(whole, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2)
        axes.plot(places, [value for _, value in points], color=STRONG, marker="o", markersize=4.5, linewidth=1.8)
        step = max(1, -(-len(points) // 5))
        shown = list(places)[::step]
        axes.set_xticks(shown, [f"{points[place][0]:%d %b}" for place in shown])
        axes.set_ylabel(metric)

    low, high = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
    told = f"{metric} from {low[1]:.3g} on {low[0]} to {high[1]:.3g} on {high[0]}; {whole:.3g} over all days."
    return _svg("daily", f"{metric} by test day", told, draw, 2.6)


def _height(rows: int) -> float:
    return 0.75 + _ROW * rows


def _bars(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [n if len(n) <= LONGEST else f"{n[: LONGEST - 1]}…" for n in names])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _svg(name: str, title: str, told: str, draw: Callable[[Any], None], height: float) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        draw(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return _inside(out.getvalue(), name, title, told)


def _inside(svg: str, name: str, title: str, told: str) -> str:
    """The drawing as an element of a page: its own ids, the page's colours and size, a title and a description."""
    body = svg[svg.index("<svg") :].rstrip()
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    for colour, variable in _COLOURS.items():
        body = body.replace(colour, f"var({variable})")
    head, _, rest = body.partition(">")
    box = re.search(r'viewBox="[^"]+"', head)
    labels = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(told)}</desc>'
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {space} {box.group() if box else ''} {labels}>{words}{rest}"
