"""The card's section on what the model costs and what it is worth by its owner's own sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.card.facts import Facts
from pipelines.evaluation.html import MODELS, Markup, amount, cells, count, table, tag

# Its numbers are of one machine on one day: they stand here, and not in the report, which is reproduced byte for byte.
_UNKNOWN = "What training took is not known: its stage was restored from an earlier run of the same recipe."


def cost_and_worth(facts: Facts) -> Markup:
    """Seconds of training, milliseconds of serving, and each declared sum for the three models."""
    training, serving = facts.found["cost"].get("training"), facts.found["cost"].get("serving")
    parts = [] if training else [tag("p", _UNKNOWN, style="text")]
    if not serving:
        parts.append(tag("p", "What serving takes was not measured.", style="text"))
    rows = [*_trained(training), *_served(facts, serving)]
    caption = "on the machine that trained and judged it; work is what one thread did, without waiting for others"
    parts += [table(["", "median", "99 %", "work, 99 %"], rows, caption=caption)] if rows else []
    return tag("section", tag("h2", "Cost and worth"), *parts, *_sums(facts))


def _trained(training: dict[str, Any] | None) -> Iterator[list[Markup]]:
    if training:
        told = f"trained on {count(training['rows'])} rows in {training['rounds']} rounds, seconds"
        yield _row(told, amount(training["seconds"]))


def _served(facts: Facts, serving: dict[str, Any] | None) -> Iterator[list[Markup]]:
    if not serving:
        return
    batch = serving["batch_ms"]
    for told, took in (("one row, ms", serving["row_ms"]), (f"a batch of {count(batch['rows'])} rows, ms", batch)):
        yield _row(told, amount(took["p50"]), amount(took["p99"]), amount(took["cpu_p99"]))
    yield _row("loading, seconds", amount(serving["load_seconds"]))
    yield _row("rows a second", count(serving["rows_per_second"]))
    size = facts.found["metrics"].get("serving", {}).get("megabytes")
    yield _row("size of the file, MB", amount(size))


def _row(told: str, typical: str | None, most: str | None = None, work: str | None = None) -> list[Markup]:
    """`told` may wrap: on a phone the numbers must stay in sight."""
    return [tag("td", told, style="text"), *cells(typical, most, work)]


def _sums(facts: Facts) -> list[Markup]:
    """The owner's sums; a difference has no colour, for whether more is better is the owner's to say."""
    sums = facts.found["metrics"].get("business") or {}
    if not sums:
        return [tag("p", "What it is worth is not known: no sum is declared (evaluation.business).", style="text")]
    rows = []
    for name, item in sums.items():
        told = tag("td", f"{item['expression']}, from a score of {item['threshold']:g}", style="text")
        values = [item.get(model) for model in MODELS]
        rows.append([tag("td", name), told, *cells(*map(amount, values), _gap(*values[:2]))])
    caption = f"the owner's own sums on the same {count(next(iter(sums.values()))['rows'])} rows; they refuse nobody"
    head = ["sum", "counted", "this model", *MODELS[1:], "against champion"]
    return [table(head, rows, caption=caption, text=2)]


def _gap(ours: float | None, theirs: float | None) -> str | None:
    if ours is None or theirs is None:
        return None
    return f"{'+' if ours > theirs else '−' if ours < theirs else ''}{amount(abs(ours - theirs))}"
