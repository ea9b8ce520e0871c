"""The evaluation on one page: a single HTML file that needs no network, reads on a phone and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.config.model import Task
from pipelines.config.params import RunParams
from pipelines.evaluation import svg
from pipelines.evaluation.html import MODELS, Markup, amount, best, cells, count, difference, figure, html, table, tag
from pipelines.evaluation.metrics import NAMES, Metrics, default_metric
from pipelines.evaluation.plots import Curves
from pipelines.evaluation.record import Measured
from pipelines.evaluation.style import CSS
from pipelines.evaluation.svg import Axis, Series

TOP_FEATURES = 20
NOT_ASKED = "How it compares with the champion was not asked: that gate is off."


@dataclass(frozen=True)
class Findings:
    """What the report tells: `gates` as in gates.json, `curves` by model on the same rows, `notes` in sentences."""

    params: RunParams
    measured: Measured
    gates: Mapping[str, Any]
    curves: Mapping[str, Curves]
    learning: Mapping[str, Any]
    importance: Mapping[str, Any]
    slices: Mapping[str, Any]
    notes: Sequence[str]


def render(found: Findings) -> bytes:
    """The page, UTF-8; the same findings give the same bytes."""
    title = f"{found.params.model}, retrained as of {found.params.span.as_of}"
    body = [
        tag("h1", title),
        tag("p", f"Evaluation of a {found.params.task} model on days held out from its training", style="soft"),
        _verdict(found),
        _facts(found),
        tag("h2", "Gates"),
        _gates(found),
        *_business(found),
        tag("h2", "Metrics"),
        *_metrics(found),
        tag("h2", "Curves"),
        _legend(found),
        tag("div", *_charts(found), style="charts"),
        tag("h2", "Learning and importance"),
        tag("div", *_learning(found), style="charts wide"),
        *_slices(found),
        tag("h2", "Windows"),
        _windows(found),
        tag("h2", "How this was measured"),
        tag("ul", *(tag("li", note) for note in found.notes), style="plain small"),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', title)}<style>{CSS}</style></head><body>{tag('main', *body)}</body></html>\n"
    )
    return page.encode()


def _verdict(found: Findings) -> Markup:
    refusing = [gate for gate in found.gates["gates"] if gate["mode"] == "on" and not gate["passed"]]
    if not refusing:
        first = found.measured.compared is None
        headline = "All gates passed" + (": there is no champion yet" if first else ": fit to become champion")
        # The last of its answers: the difference, or why there is none.
        asked = [gate["sentence"] for gate in found.gates["gates"] if gate["name"].partition(":")[0] == "champion"]
        return tag("div", tag("strong", headline), html(asked[-1] if asked else NOT_ASKED), style="verdict yes")
    gates = "one gate" if len(refusing) == 1 else f"{len(refusing)} gates"
    reasons = [tag("div", gate["sentence"]) for gate in refusing]
    return tag("div", tag("strong", f"Refused by {gates}: the champion stays"), *reasons, style="verdict no")


def _facts(found: Findings) -> Markup:
    measured, compared = found.measured, found.measured.compared
    metric = found.params.gates.champion.metric or default_metric(measured.task)
    facts = [
        (metric, amount(measured.challenger[metric]), "challenger, all test rows"),
        ("Test rows", count(measured.rows), f"{measured.days[0]} to {measured.days[1]}"),
    ]
    if compared:
        days = f"{compared.days[0]} to {compared.days[1]}" if compared.days else f"none after {compared.seen_until}"
        facts.append(("Compared rows", count(compared.rows), days))
        facts.append(("Champion", f"version {compared.version}", f"has seen labels through {compared.seen_until}"))
    facts.append(("Trial and release", amount(measured.agreement.mean), "mean difference of their scores"))
    items = [tag("div", tag("dt", name), tag("dd", html(value), tag("small", note))) for name, value, note in facts]
    return tag("dl", *items, style="facts")


def _gates(found: Findings) -> Markup:
    rows = []
    for gate in found.gates["gates"]:
        style, word = ("yes", "passed") if gate["passed"] else ("no", "refused")
        if gate["mode"] != "on" and not gate["passed"]:
            style, word = "note", "noted"
        mode = "" if gate["mode"] == "on" else " (reports only)"
        told = [tag("td", gate["name"] + mode), tag("td", tag("span", word, style=f"tag {style}"), style="text")]
        numbers = cells(_bound(gate["observed"]), _bound(gate["threshold"]))
        rows.append([*told, tag("td", gate["sentence"], style="text"), *numbers])
    return tag("div", table(["gate", "answer", "why", "observed", "threshold"], rows, text=3), style="gates")


def _business(found: Findings) -> list[Markup]:
    """What each model is worth by the owner's own sums, if any are declared."""
    sums = found.measured.business
    if not sums:
        return []
    rows = []
    for name, item in sums.items():
        numbers = cells(*(_bound(item.get(model)) for model in MODELS))
        told = f"{item['expression']}, from a score of {item['threshold']:g}"
        rows.append([tag("td", name), tag("td", told, style="text"), *numbers])
    same = count(next(iter(sums.values()))["rows"])
    caption = f"The business's own sums, on the same {same} rows; they refuse nobody"
    return [tag("div", table(["sum", "counted", *MODELS], rows, text=2, caption=caption), style="gates")]


def _bound(value: float | None) -> str | None:
    return amount(value) if value is None or value != int(value) else f"{value:,.0f}"


def _metrics(found: Findings) -> list[Markup]:
    measured, compared = found.measured, found.measured.compared
    parts = []
    if compared and compared.rows:
        days = f"{compared.days[0]} to {compared.days[1]}" if compared.days else ""
        models = {name: getattr(compared, name) for name in MODELS}
        caption = f"The same {count(compared.rows)} rows for all three, {days}: days whose labels no model has seen"
        parts.append(_metrics_table(measured.task, models, caption))
    if not compared or compared.rows < measured.rows:
        models = {"challenger": measured.challenger, "baseline": measured.baseline}
        days = f"{measured.days[0]} to {measured.days[1]}"
        parts.append(_metrics_table(measured.task, models, f"All {count(measured.rows)} test rows, {days}"))
    return parts


def _metrics_table(task: Task, models: Mapping[str, Metrics], caption: str) -> Markup:
    others = [name for name in models if name != "challenger"]
    rows = []
    for metric in NAMES[task]:
        values = {name: item[metric] for name, item in models.items()}
        winner = best(metric, list(values.values()))
        row = [tag("td", metric)]
        row += [tag("td", amount(v), style="best" if v is not None and v == winner else "") for v in values.values()]
        row += [tag("td", difference(metric, values["challenger"], values[name])) for name in others]
        rows.append(row)
    return table(["metric", *models, *(f"against {name}" for name in others)], rows, caption=caption)


def _legend(found: Findings) -> Markup:
    return tag("ul", *(tag("li", name, style=name) for name in MODELS if name in found.curves), style="legend")


def _charts(found: Findings) -> list[Markup]:
    regression, several = found.measured.task is Task.REGRESSION, found.measured.task is Task.MULTICLASS
    charts = []
    if not regression:
        pairs = " over all rows and classes" if several else ""
        roc = [Series(name, name, item.roc) for name, item in _drawn(found)]
        pr = [Series(name, name, item.pr) for name, item in _drawn(found)]
        x, y = Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1)
        drawing = svg.lines(roc, x, y, title="ROC curves", diagonal=True)
        charts.append(figure("ROC", drawing, f"Nearer the upper left is better{pairs}"))
        drawing = svg.lines(pr, Axis("recall", 0, 1), Axis("precision", 0, 1), title="Precision and recall")
        charts.append(figure("Precision and recall", drawing, f"Higher is better{pairs}"))
    dots = [
        Series(name, name, [(part.predicted, part.observed) for part in item.calibration], marks=True)
        for name, item in _drawn(found)
    ]
    words = ("mean predicted value", "mean observed value") if regression else ("mean predicted", "observed rate")
    values = [value for item in dots for point in item.points for value in point]
    low, high = (min(values, default=0.0), max(values, default=1.0)) if regression else (0.0, max(values, default=1.0))
    drawing = svg.lines(dots, Axis(words[0], low, high), Axis(words[1], low, high), title="Calibration", diagonal=True)
    what = "the class it is surest of; " if several else ""
    charts.append(figure("Calibration", drawing, f"{what}a dot for every fifteenth of the rows; on the line is right"))
    return charts


def _drawn(found: Findings) -> list[tuple[str, Curves]]:
    """Models in reverse, so that the challenger's line lies on top."""
    return [(name, found.curves[name]) for name in reversed(MODELS) if name in found.curves]


def _learning(found: Findings) -> list[Markup]:
    learning, rounds = found.learning["curve"], found.learning["rounds"]
    series = [
        Series("training", "baseline", list(enumerate(learning["training"], start=1))),
        Series("validation", "challenger", list(enumerate(learning["validation"], start=1))),
    ]
    axes = Axis("round", 1, max(2, len(learning["training"]))), Axis(learning["metric"])
    curve = svg.lines(series, *axes, title="Learning curve", mark_x=rounds, width=svg.WIDE)
    caption = f"{learning['metric']} by round: validation solid, training dashed; {rounds} rounds are kept"
    known = [item for item in found.importance["features"] if item["importance"] is not None]
    top = [(item["feature"], item["importance"]) for item in known[:TOP_FEATURES]]
    bars = svg.bars(top, title="Feature importance")
    unit = "the label's unit" if found.measured.task is Task.REGRESSION else "log odds"
    told = f"mean absolute SHAP value, {unit}, over {count(found.importance['rows'])} sampled test rows"
    if len(found.importance["features"]) > len(top):
        told += f"; the first {len(top)} of {len(found.importance['features'])}"
    return [figure("Learning curve", curve, caption), figure("Feature importance", bars, told)]


def _slices(found: Findings) -> list[Markup]:
    columns = found.slices["columns"]
    if not columns:
        return []
    names = _slice_metrics(found)
    champion = "champion" in found.slices["models"]
    rows = f"{count(found.slices['rows'])} rows"
    parts = [tag("h2", "Slices"), tag("p", f"Challenger{' and champion' if champion else ''} on the same {rows}.")]
    for column in columns:
        head = ["rows", *(f"{name}{who}" for name in names for who in (("", " ±") if champion else ("",)))]
        body = [[*cells(item["value"], count(item["rows"])), *_slice_cells(item, names)] for item in column["values"]]
        left = column["left_out"]
        note = f"{left['values']} values of {count(left['rows'])} rows in all are left out" if left["values"] else ""
        note += f" (fewer than {column['min_rows']} rows, or beyond the first 50)" if note else ""
        summary = tag("summary", f"{column['column']} ({len(column['values'])})")
        inner = table([column["column"], *head], body), tag("p", note, style="soft small") if note else Markup("")
        parts.append(Markup(f"<details open>{summary}{''.join(inner)}</details>"))
    if champion:
        parts.append(tag("p", "±: challenger minus champion, green where it is better.", style="soft small"))
    return parts


def _slice_metrics(found: Findings) -> list[str]:
    """The gate's metric first, then at most two more."""
    task = found.measured.task
    first = found.params.gates.champion.metric or default_metric(task)
    return [first, *(name for name in NAMES[task] if name not in {first, "pr_auc", "brier"})][:3]


def _slice_cells(item: Mapping[str, Any], names: Sequence[str]) -> list[Markup]:
    found = []
    for name in names:
        found.append(tag("td", amount(item["challenger"][name])))
        if "champion" in item:
            found.append(tag("td", difference(name, item["challenger"][name], item["champion"][name])))
    return found


def _windows(found: Findings) -> Markup:
    span, compared = found.params.span, found.measured.compared
    spans = [("look-back", "lookback", span.first, span.train_start)] if span.first < span.train_start else []
    spans += [
        ("training", "train", span.train_start, span.train_end),
        ("early stopping", "validation", span.validation_start, span.train_end),
        ("test", "test", span.test_start, span.test_end),
    ]
    if compared and compared.days:
        spans.append(("compared", "compared", *compared.days))
    spans.append(("release", "train", span.train_start, span.test_end))
    return tag("div", Markup(svg.timeline(spans, title="Windows")), style="scroll timeline")
