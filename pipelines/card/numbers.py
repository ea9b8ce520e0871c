"""The card's sections of numbers: metrics with their intervals, slices, importance and drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.card import pictures
from pipelines.card.facts import Facts
from pipelines.card.measure import Spread
from pipelines.card.trust import section
from pipelines.config.gates import Family
from pipelines.config.model import Task
from pipelines.drift.rank import Ranked
from pipelines.evaluation.html import Markup, amount, cells, count, difference, figure, table, tag
from pipelines.evaluation.metrics import NAMES

TOP, LEAST = 12, 5


def metrics(facts: Facts, found: Spread) -> Markup:
    """The trial's metrics with intervals beside the baseline's and the champion's, and the metric day by day."""
    measured, task = facts.found["metrics"], facts.params.task
    ours, plain = measured["challenger"], measured["baseline"]
    rows = []
    for name in NAMES[task]:
        ends = found.intervals.get(name)
        interval = f"{amount(ends[0])} to {amount(ends[1])}" if ends else None
        gap = difference(name, ours[name], plain[name])
        rows.append(cells(name, amount(ours[name]), interval, amount(plain[name]), gap))
    days = " to ".join(measured["test"]["days"])
    caption = f"{count(measured['test']['rows'])} rows of {found.days} days that the judged model had not seen, {days}"
    head = ["metric", "this model", "95% interval", "linear baseline", "difference"]
    parts = [table(head, rows, caption=caption), tag("p", _champion(facts), style="text")]
    whole = ours[facts.metric]
    if len(found.daily) > 1 and whole is not None:
        picture = pictures.daily(found.daily, facts.metric, whole, found.intervals.get(facts.metric))
        caption = "dashed: all test days together; the band is their 95% interval"
        parts.append(tag("div", figure(f"{facts.metric} by test day", picture, caption), style="pictures"))
    return tag("section", tag("h2", "Metrics"), *parts)


def slices(facts: Facts) -> Markup:
    """The metric by the declared slices, beside the champion's where it was judged there, and the gates on them."""
    found = facts.found["slices"]
    champion = "champion" in found["models"]
    names = _shown(facts)
    head = ["rows", *(f"{name}{who}" for name in names for who in (("", " ±") if champion else ("",)))]
    parts = []
    for column in found["columns"]:
        rows = [_slice(item, names, champion=champion) for item in column["values"]]
        if rows:
            parts.append(table([column["column"], *head], rows))
    if parts and champion:
        told = f"±: less the champion's, on the same {count(found['rows'])} rows that neither has learnt from."
        parts.append(tag("p", told, style="soft small"))
    folded = [Markup(f"<details open>{tag('summary', 'Metrics by slice')}{''.join(parts)}</details>")] if parts else []
    return section(facts, Family.SLICES, "Slices", *folded)


def _slice(item: Mapping[str, Any], names: Sequence[str], *, champion: bool) -> list[Markup]:
    row = cells(item["value"], count(item["rows"]))
    for name in names:
        row.append(tag("td", amount(item["challenger"][name])))
        if champion:
            row.append(tag("td", difference(name, item["challenger"][name], item["champion"][name])))
    return row


def calibration(facts: Facts) -> Markup:
    """The curve and the gates on it."""
    if not facts.calibration:
        told = tag("p", "There is no curve: the scores gave none.", style="text")
        return section(facts, Family.CALIBRATION, "Calibration", told)
    regression = facts.params.task is Task.REGRESSION
    words = ("mean predicted value", "mean observed value") if regression else ("mean predicted", "observed rate")
    picture = pictures.calibration(facts.calibration, words)
    caption = "a dot for each bin of rows; on the dashed line is right"
    drawn = tag("div", figure("Predicted and observed", picture, caption), style="pictures")
    return section(facts, Family.CALIBRATION, "Calibration", drawn)


def importance(facts: Facts) -> Markup:
    """What the model reads most."""
    found = facts.found["importance"]
    top = [(item["feature"], item["share"] or 0.0) for item in found["features"][:TOP]]
    caption = f"mean absolute SHAP value over {count(found['rows'])} sampled test rows"
    if len(found["features"]) > len(top):
        caption += f"; the first {len(top)} of {len(found['features'])} features"
    drawn = figure("Share of all contributions", pictures.importance(top), caption)
    return tag("section", tag("h2", "Importance"), tag("div", drawn, style="pictures"))


def drift(facts: Facts, ranked: Sequence[Ranked]) -> Markup:
    """How far the test days are from the training days: what has moved most, and what matters most, five at least."""
    span = facts.params.span
    told = (
        f"Features of {span.test_start} to {span.test_end} against those of {span.train_start} to {span.train_end}. "
        "Effect is what is left of the Jensen-Shannon distance once sampling, and the difference of any two training "
        "days, is taken out of it; the order is effect times importance."
    )
    heading = [tag("h2", "Drift at training time"), tag("p", told, style="text")]
    moved = [item for item in ranked if item.weight > 0][:TOP]
    still = sorted((item for item in ranked if item.weight <= 0), key=lambda item: -item.importance)
    rows = [
        cells(
            item.drift.name,
            f"{item.drift.effect:.3f}",
            f"{item.importance:.1%}",
            f"{item.drift.psi:.3f}",
            f"{item.drift.null_shift:+.1%}",
            f"{item.drift.unseen_share:.1%}" if item.drift.kind == "text" else None,
        )
        for item in [*moved, *still[: max(0, LEAST - len(moved))]]
    ]
    shown = [table(["feature", "effect", "importance", "PSI", "missing", "unseen values"], rows)] if rows else []
    if not moved:
        told = "No feature that the model reads has moved beyond that; these matter most to it."
        return tag("section", *heading, tag("p", told), *shown)
    drawn = pictures.drift([(item.drift.name, item.drift.effect, item.importance) for item in moved[:8]])
    caption = "test days against training days"
    figures = tag("div", figure("What moved, and what it means", drawn, caption), style="pictures")
    return tag("section", *heading, *shown, figures)


def _shown(facts: Facts) -> list[str]:
    return [facts.metric, *(n for n in NAMES[facts.params.task] if n not in {facts.metric, "pr_auc", "brier"})][:3]


def _champion(facts: Facts) -> str:
    """The comparison with the champion of that day, as its gate put it."""
    standing = facts.found["standing"]["champion"]
    if standing is None:
        return "There was no champion to compare it with: it is the first."
    told = next((gate["sentence"] for gate in facts.gates if gate["name"] == "champion"), "no gate compared them")
    return f"Against version {standing['version']}, the champion of that day: {told}."
