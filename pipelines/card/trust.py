"""The card's sections on trust: each family of gates with its answers, or a sentence on why it gave none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.card.facts import Facts
from pipelines.config.gates import Family, Mode
from pipelines.evaluation.html import Markup, amount, cells, html, table, tag

ROWS = 12
_SILENT: Mapping[Family, str] = {
    Family.SLICES: "No gate judged slices: model.yaml declares none (evaluation.slices), or none has rows enough.",
    Family.FAIRNESS: "Fairness was not judged: model.yaml names no attributes (gates.fairness.attributes). How groups "
    "of people fare is not known.",
    Family.CALIBRATION: "No gate judged the calibration of this model.",
    Family.ROBUSTNESS: "No gate judged what missing, noisy or unknown values do to this model.",
    Family.BEHAVIOUR: "No invariance or direction is declared (gates.behaviour), so none was tested.",
    Family.SERVING: "Loading the stored bytes anew, and how fast they serve, was not judged.",
}


def section(facts: Facts, family: Family, title: str, *more: Markup) -> Markup:
    """A family's answers under `title`, followed by `more`."""
    gates = facts.family(family)
    if gates:
        body = [gate_table(gates), *_evidence(gates)]
    else:
        off = facts.params.gates.mode(family) is Mode.OFF
        told = f"This family of gates is switched off in model.yaml (gates.modes.{family})." if off else _SILENT[family]
        body = [tag("p", told, style="text")]
    return tag("section", tag("h2", title), *body, *more)


def gate_table(gates: Sequence[Mapping[str, Any]]) -> Markup:
    """A row for each gate: its answer, why, what was observed within which interval, and the threshold."""
    rows = []
    for gate in gates:
        answer = tag("td", tag("span", *_answer(gate)[:1], style=f"tag {_answer(gate)[1]}"), style="text")
        why = tag("td", gate["sentence"], style="text")
        interval = f"{amount(gate['interval'][0])} to {amount(gate['interval'][1])}" if gate.get("interval") else None
        name = tag("td", gate["name"] + ("" if gate["mode"] == "on" else " (only reported)"))
        rows.append([name, answer, why, *cells(_number(gate["observed"]), interval, _number(gate["threshold"]))])
    head = ["gate", "answer", "why", "observed", "95% interval", "threshold"]
    return tag("div", table(head, rows, text=3), style="gates")


def verdict(facts: Facts) -> str:
    """How many of the gates that may refuse passed, of how many families, and how many only report, in a few words."""
    families = len({gate["name"].partition(":")[0] for gate in facts.gates})
    told = f"{asked(facts)}, from {families} families"
    tried = [gate for gate in facts.gates if gate["mode"] != "on"]
    failed = sum(not gate["passed"] for gate in tried)
    return f"{told}; {len(tried)} more only report, {failed} of them not passed" if tried else told


def asked(facts: Facts) -> str:
    """How many of the gates that are `on` passed: one that only reports refuses nobody and is not counted."""
    on = [gate for gate in facts.gates if gate["mode"] == "on"]
    return f"{sum(gate['passed'] for gate in on)} of {len(on)} gates passed"


def _answer(gate: Mapping[str, Any]) -> tuple[str, str]:
    if gate["passed"]:
        return "passed", "yes"
    return ("refused", "no") if gate["mode"] == "on" else ("noted", "note")


def _number(value: float | None) -> str | None:
    return f"{value:,.0f}" if value is not None and float(value).is_integer() else amount(value)


def _evidence(gates: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """What the gates kept beside their answers, folded away: tables of what is listed, a line for what is not."""
    parts = []
    for gate in gates:
        evidence: Mapping[str, Any] = gate.get("evidence") or {}
        told = [_listed(name, value) for name, value in evidence.items() if _is_table(value)]
        plain = [f"{name} {_plain(value)}" for name, value in evidence.items() if not _is_table(value)]
        told += [tag("p", "; ".join(plain), style="soft small")] if plain else []
        if told:
            parts.append(Markup(f"<details>{tag('summary', gate['name'])}{''.join(told)}</details>"))
    return parts


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _listed(name: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    head = list(dict.fromkeys(key for row in rows for key in row))
    body = [cells(*(_plain(row.get(key)) for key in head)) for row in rows[:ROWS]]
    more = f", the first {ROWS} of {len(rows)}" if len(rows) > ROWS else ""
    return table(head, body, caption=f"{name}{more}")


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return html({True: "yes", False: "no", None: "–"}[value])
    if isinstance(value, float):
        return amount(value) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in list(value.items())[:ROWS])
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value[:ROWS])
    return str(value)
