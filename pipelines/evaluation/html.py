"""Small pieces of HTML. Whatever is text is escaped here; `Markup` is what has been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from pipelines.evaluation.metrics import HIGHER_IS_BETTER

MODELS = ("challenger", "champion", "baseline")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(value: object) -> Markup:
    """`value` as HTML: escaped unless it is `Markup`; None is a dash."""
    if isinstance(value, Markup):
        return value
    return Markup("–" if value is None else escape(str(value)))


def tag(name: str, *children: object, style: str = "") -> Markup:
    """One element with its children, which are escaped unless they are `Markup`."""
    attribute = f' class="{escape(style)}"' if style else ""
    return Markup(f"<{name}{attribute}>{''.join(html(child) for child in children)}</{name}>")


def table(head: Sequence[object], rows: Iterable[Sequence[Markup]], *, caption: str = "", text: int = 1) -> Markup:
    """A table that scrolls sideways where it must; `rows` are ready `td`s, the first `text` columns are text."""
    cells = [tag("th", name, style="text" if place < text else "") for place, name in enumerate(head)]
    parts = [tag("caption", caption)] if caption else []
    parts.append(tag("thead", tag("tr", *cells)))
    parts.append(tag("tbody", *(tag("tr", *row) for row in rows)))
    return tag("div", tag("table", *parts), style="scroll")


def cells(*values: object) -> list[Markup]:
    """One `td` for each value."""
    return [tag("td", value) for value in values]


def figure(name: str, drawing: str, caption: str) -> Markup:
    """A titled drawing (SVG of our own making) with its caption."""
    return tag("figure", tag("h3", name), Markup(drawing), tag("figcaption", caption))


def amount(value: float | None) -> str | None:
    """A metric as tables show it: four decimals where it is small, as few as needed where it is large."""
    if value is None:
        return None
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}" if abs(value) < 100_000 else f"{value:,.0f}"


def count(rows: int) -> str:
    """A number of rows with its thousands set apart."""
    return f"{rows:,}"


def difference(metric: str, ours: float | None, theirs: float | None) -> Markup:
    """`ours` minus `theirs` with its sign, coloured by whether it is good."""
    if ours is None or theirs is None:
        return html(None)
    gap = ours - theirs
    if not gap:
        return html("0")
    style = "better" if (gap > 0) == (metric in HIGHER_IS_BETTER) else "worse"
    return tag("span", f"{'+' if gap > 0 else '−'}{amount(abs(gap))}", style=style)


def best(metric: str, values: Sequence[float | None]) -> float | None:
    """The best of `values`."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return max(known) if metric in HIGHER_IS_BETTER else min(known)
