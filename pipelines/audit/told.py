"""The history of champions as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.audit.history import Reign
from pipelines.errors import shorten
from pipelines.ledger.champion import Origin

WIDTH = 160


def render(model: str, reigns: Sequence[Reign], when: str | None = None) -> str:
    """A paragraph a reign, the newest first; `when` is the moment that was asked about."""
    moment = f" at {when}" if when else ""
    if not reigns:
        return f"{model}: no champion{moment or ' yet'}"
    count = "one champion" if len(reigns) == 1 else f"{len(reigns)} champions"
    return "\n\n".join([f"{model}: {count}{moment}", *(_paragraph(reign) for reign in reversed(reigns))])


def gate_lines(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many gates passed, then each that did not, or the champion gate where all did."""
    failed = [gate for gate in gates if not gate["passed"]]
    lines = [f"{len(gates) - len(failed)} of {len(gates)} passed"] if gates else ["none recorded"]
    shown = failed or [gate for gate in gates if gate["name"] == "champion"]
    return lines + [shorten(f"{gate['name']} ({gate['mode']}): {gate['sentence']}", WIDTH) for gate in shown]


def origin_lines(origin: Origin | None) -> list[str]:
    """What a record says a version was made of, in one line; none where it says nothing."""
    if origin is None:
        return []
    data, code = origin.data_commit or "not recorded", origin.code_sha or "not recorded"
    return [f"made of   data commit {data}, features.py {origin.features_sha256}, code {code}"]


def _paragraph(reign: Reign) -> str:
    champion, window = reign.champion, reign.champion.window
    until = stamp(reign.until) if reign.until else "now"
    lines = [
        f"  version {champion.version}, {stamp(champion.since)} to {until}",
        f"    why       {champion.reason.kind}, by {champion.approver or 'nobody on record'}",
        f"    data      as of {window.as_of}: trained {' to '.join(map(str, window.train))}, "
        f"judged {' to '.join(map(str, window.test))}",
        f"    window    {reign.window_sha256 or 'gone: its run is no longer in the ledger'}",
        *(f"    {line}" for line in origin_lines(champion.origin)),
        f"    run       {champion.run}, model {champion.model_sha256}",
    ]
    if champion.reason.kind == "rollback" and champion.reason.text:
        lines.append(f"    reason    {shorten(champion.reason.text, WIDTH)}")
    if champion.previous:
        lines.append(f"    before    version {champion.previous.version}, run {champion.previous.run}")
    told = gate_lines(reign.gates)
    lines += [f"    {'gates' if not place else '':<9} {line}" for place, line in enumerate(told)]
    lines.append(f"    commit    {reign.commit}, {reign.signature}")
    return "\n".join(lines)


def stamp(moment: datetime) -> str:
    """A moment in UTC to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
