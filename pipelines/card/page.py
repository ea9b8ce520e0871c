"""The whole card: one HTML file that needs no network, reads on a phone and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.card import numbers, words, worth
from pipelines.card.facts import Facts
from pipelines.card.measure import Spread
from pipelines.card.style import CSS
from pipelines.card.trust import asked, gate_table, section, verdict
from pipelines.config.gates import Family
from pipelines.drift.rank import Ranked
from pipelines.evaluation.html import Markup, amount, cells, count, html, table, tag


def render(facts: Facts, found: Spread, ranked: Sequence[Ranked]) -> bytes:
    """The page, UTF-8; the same facts give the same bytes."""
    title = f"{facts.model.title}: version {facts.version}"
    body = [
        _head(facts, found),
        _data(facts),
        numbers.metrics(facts, found),
        numbers.slices(facts),
        section(facts, Family.FAIRNESS, "Fairness"),
        numbers.calibration(facts),
        section(facts, Family.ROBUSTNESS, "Robustness"),
        section(facts, Family.BEHAVIOUR, "Behaviour"),
        numbers.importance(facts),
        numbers.drift(facts, ranked),
        section(facts, Family.SERVING, "Serving"),
        worth.cost_and_worth(facts),
        tag("section", tag("h2", "Gates"), tag("p", f"{verdict(facts)}."), gate_table(facts.gates)),
        _lineage(facts),
        tag("section", tag("h2", "Limits"), tag("ul", *(tag("li", item) for item in words.limits(facts, found)))),
        _foot(facts),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', title)}<style>{CSS}</style></head><body>{tag('main', *body)}</body></html>\n"
    )
    return page.encode()


def _head(facts: Facts, found: Spread) -> Markup:
    span, training = facts.params.span, facts.found["training"]
    value, ends = facts.found["metrics"]["challenger"][facts.metric], found.intervals.get(facts.metric)
    known = [
        (facts.metric, amount(value), f"95%: {amount(ends[0])} to {amount(ends[1])}" if ends else "no interval"),
        ("Judged on", f"{count(facts.found['metrics']['test']['rows'])} rows", f"{span.test_start} to {span.test_end}"),
        ("Learnt from", f"{count(training['release']['rows'])} rows", " to ".join(training["release"]["days"])),
        ("Gates", asked(facts).replace(" gates", ""), "in the table below"),
    ]
    items = [tag("div", tag("dt", name), tag("dd", html(shown), tag("small", note))) for name, shown, note in known]
    over = f"Model card · {facts.params.model} · version {facts.version} · {facts.params.task}"
    owner = tag("p", *words.owner(facts), f" As of {span.as_of}, run {facts.run}.", style="soft")
    header = tag("header", tag("div", over, style="over"), tag("h1", facts.model.title), owner)
    return Markup(header + tag("p", words.purpose(facts), style="lead") + tag("dl", *items, style="facts"))


def _later(days: int) -> str:
    return "the same day" if not days else "a day later" if days == 1 else f"{days} days later"


def _data(facts: Facts) -> Markup:
    window, span = facts.found["window"], facts.params.span
    tables: dict[str, list[dict[str, object]]] = {}
    for item in window["partitions"]:
        tables.setdefault(item["table"], []).append(item)
    rows = []
    for name, items in tables.items():
        days = f"{items[0]['partition']} to {items[-1]['partition']}" if len(items) > 1 else items[0]["partition"]
        total = sum(int(str(item["rows"])) for item in items)
        texts = [tag("td", text, style="text") for text in (name, facts.params.tables[name].role, days)]
        rows.append([*texts, *cells(count(len(items)), count(total))])
    told = (
        f"Fitted on {span.train_start} to {span.train_end}, the last days from {span.validation_start} for early "
        f"stopping; judged on {span.test_start} to {span.test_end}; refitted through {span.test_end}. Rows are "
        f"labelled by {facts.params.label.expression}, known {_later(facts.params.label.maturity_days)}."
    )
    checks = facts.found["validation"]["checks"]
    passed = sum(check["passed"] for check in checks)
    absent = [f"{item['table']} {item['partition']}" for item in (*window["missing"], *window["quarantined"])]
    parts = [
        tag("p", told, style="text"),
        table(["table", "role", "partitions of", "partitions", "rows"], rows, text=3),
        tag("p", f"{passed} of {len(checks)} checks on the window passed."),
    ]
    parts += [tag("p", f"Missing or quarantined: {', '.join(absent[:20])}")] if absent else []
    return tag("section", tag("h2", "Data"), *parts, _partitions(window["partitions"]))


def _partitions(listed: Sequence[Mapping[str, Any]]) -> Markup:
    """Every partition with its revision and hash, folded away: there are hundreds."""
    head = ["partition", "rows", "revision", "sha256"]
    rows = [
        cells(
            f"{item['table']} {item['partition']}",
            count(int(item["rows"])),
            item["revision"],
            tag("code", item["sha256"]),
        )
        for item in listed
    ]
    summary = tag("summary", f"All {count(len(listed))} partitions with revision and hash")
    return Markup(f'<details class="long">{summary}{table(head, rows)}</details>')


def _lineage(facts: Facts) -> Markup:
    found, code = facts.found, facts.found["code"]
    request = found["run"]["request"]
    training = found["training"]["training"]
    known = [
        ("Model", f"sha256 {facts.signature.model_sha256}"),
        ("Trial", f"sha256 {facts.signature.trial_sha256}"),
        ("Ledger", f"tag runs/{facts.run}, commit {facts.commit}"),
        ("Data", f"commit {request['data_commit'] or 'not recorded'}"),
        ("Partitions", f"window.json sha256 {facts.window_sha256}"),
        ("Features", f"features.py sha256 {facts.features_sha256}"),
        ("Feature table", f"{count(found['schema']['rows'])} rows, digest {found['schema']['digest']}"),
        ("Code", f"{code['git_sha']}, image {code['image_digest'] or 'none: ran as a process'}"),
        ("Packages", f"requirements.lock sha256 {code['lock_sha256']}"),
        (
            "Training",
            f"XGBoost {facts.signature.xgboost}, {found['training']['rounds']} rounds, seed {training['seed']}",
        ),
        ("Booster", ", ".join(f"{name} {value}" for name, value in training["booster"].items())),
        ("Asked for by", request["caller"] or "the command line"),
        ("Note", request["note"] or "none"),
    ]
    items = [part for name, value in known for part in (tag("dt", name), tag("dd", tag("code", value)))]
    told = f"evergreen explain {facts.params.model} {facts.version}"
    how = tag("p", "The same, and whether the links hold: ", tag("code", told), style="small")
    return tag("section", tag("h2", "Lineage"), tag("dl", *items, style="lineage"), how)


def _foot(facts: Facts) -> Markup:
    told = f"evergreen history {facts.params.model}"
    return tag(
        "footer",
        "Written when the version was registered, and never changed. Whether it is or was champion is told by ",
        tag("code", told),
        ".",
        style="soft small",
    )
