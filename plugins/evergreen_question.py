"""What a person reads who is asked whether a challenger may become champion: the evidence of its run, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.config import settings as configuration
from pipelines.config.gates import observed
from pipelines.config.model import HIGHER_IS_BETTER
from pipelines.errors import shorten
from pipelines.ledger import reader
from pipelines.ledger.approvals import GATES
from pipelines.ledger.git import Ledger

RUN, METRICS, COST = "run.json", "out/evaluate/metrics.json", "out/evaluate/cost.json"
ROWS = 60
CHAMPION_GATE = "champion"
# The report lies beside the card in MLflow, see pipelines/runs/record.py.
CARD, REPORT = "card.html", "reports/report.html"


@dataclass(frozen=True)
class Evidence:
    """The files of a finished run that the question is made of; an earlier run may lack some of their keys."""

    model: str
    run_id: str
    run: Mapping[str, Any]
    gates: Mapping[str, Any]
    metrics: Mapping[str, Any]
    cost: Mapping[str, Any]

    @classmethod
    def read(cls, ledger: Ledger, run_id: str) -> Evidence:
        """As the run's tag holds them.

        Raises:
            UnreadableRecord: one of them is not what a stage writes.
            PassingFault: the ledger cannot be read.
        """
        found = reader.records(ledger, ((f"runs/{run_id}", path) for path in (RUN, GATES, METRICS, COST)))
        read = {path: {} if item.missing else item.fields().value for (_, path), item in found.items()}
        return cls(ledger.model, run_id, read[RUN], read[GATES], read[METRICS], read[COST])

    @property
    def request(self) -> Mapping[str, Any]:
        """What was asked for when the run was opened."""
        found: Mapping[str, Any] = self.run.get("request", {})
        return found


def body(found: Evidence, approvers: Sequence[str], card: str = "") -> str:
    """The gates, the metrics beside the champion's, worth and cost, and where there is more; `card` is its address."""
    return "\n".join(
        [
            f"Data through {found.run_id[:10]}. {_text(found.request.get('note') or 'No note.')}",
            f"May answer: {', '.join(map(_text, approvers)) or 'whoever may answer in Airflow'}.",
            "",
            *_gates(found),
            "",
            "| metric | challenger | champion | challenger - champion | 95% interval | better is |",
            "|---|---|---|---|---|---|",
            *_metrics(found),
            "",
            f"Worth: {_worth(found.gates.get('business') or {})}",
            "",
            f"Cost: {_cost(found)}",
            "",
            *_links(found, card),
        ]
    )


def _gates(found: Evidence) -> Iterator[str]:
    """What has not passed comes first, so that it is never among those left out."""
    gates = sorted(found.gates.get("gates", []), key=lambda gate: bool(gate["passed"]))
    yield "| gate | | observed | threshold | 95% interval | says |"
    yield "|---|---|---|---|---|---|"
    yield from (_gate(gate, found.cost) for gate in gates[:ROWS])
    if len(gates) > ROWS:
        more = len(gates) - ROWS
        passed = "all passed: " if all(gate["passed"] for gate in gates[ROWS:]) else ""
        yield f"\nand {more} more gate{'s' if more > 1 else ''}, {passed}see the report."


def _gate(gate: Mapping[str, Any], cost: Mapping[str, Any]) -> str:
    state = "passed" if gate["passed"] else f"**not passed** ({gate['mode']})"
    values = (_number(observed(gate, cost)), _number(gate["threshold"]), _interval(gate.get("interval")))
    return f"| {_text(gate['name'])} | {state} | {' | '.join(values)} | {_text(gate['sentence'])} |"


def _metrics(found: Evidence) -> Iterator[str]:
    """On the rows that both were judged on; without a champion, on all test rows."""
    compared = found.metrics.get("compared") or {}
    ours, theirs = compared.get("challenger") or found.metrics.get("challenger") or {}, compared.get("champion") or {}
    intervals = {name: _ends(item) for name, item in (compared.get("differences") or {}).items()} | dict(_judged(found))
    for name, value in ours.items():
        before = theirs.get(name)
        difference = value - before if value is not None and before is not None else None
        interval = _interval(intervals.get(name)) if difference is not None else ""
        way = "more" if name in HIGHER_IS_BETTER else "less"
        yield f"| {_text(name)} | {_number(value)} | {_number(before)} | {_number(difference)} | {interval} | {way} |"


def _ends(item: Mapping[str, Any]) -> tuple[float, float] | None:
    return None if item["low"] is None or item["high"] is None else (item["low"], item["high"])


def _judged(found: Evidence) -> Iterator[tuple[str, tuple[float, float] | None]]:
    """The champion gate's own metric and interval, which is of how much worse the challenger is."""
    for gate in found.gates.get("gates", []):
        if gate["name"] == CHAMPION_GATE and gate["evidence"].get("metric"):
            metric, ends = gate["evidence"]["metric"], gate.get("interval")
            if ends and metric in HIGHER_IS_BETTER:
                ends = (-ends[1], -ends[0])
            yield metric, ends


def _worth(sums: Mapping[str, Any]) -> str:
    """The owner's sums for challenger, champion and baseline, on the same rows."""
    if not sums:
        return "model.yaml declares no sum (evaluation.business)."
    told = []
    for name, item in sums.items():
        shown = (("the challenger", "challenger"), ("the champion", "champion"), ("the linear baseline", "baseline"))
        of = [f"{_amount(item[key])} by {who}" for who, key in shown if item.get(key) is not None]
        told.append(f"{_text(name)} ({_text(item['expression'])}): {', '.join(of) or 'no number'}")
    return f"{'; '.join(told)}; on {next(iter(sums.values()))['rows']:,} rows."


def _cost(found: Evidence) -> str:
    training, serving = found.cost.get("training"), found.cost.get("serving")
    trained = "training restored from an earlier run of the same recipe"
    if training:
        trained = f"{training['seconds']:.3g} s of training, {_amount(training['rows'])} rows"
    if not serving:
        return f"{trained}; serving was not measured."
    row, batch = serving["row_ms"], serving["batch_ms"]
    return (
        f"{trained}; serving takes {row['p50']:.3g} ms a row (99 of 100: {row['p99']:.3g}), {batch['p50']:.3g} ms a "
        f"batch of {batch['rows']:,} (99 of 100: {batch['p99']:.3g}), {serving['rows_per_second']:,} rows a second."
    )


def _links(found: Evidence, card: str) -> Iterator[str]:
    page = configuration.load().mlflow_page
    if card.startswith(f"{page}/#/") and card.endswith(f"/{CARD}") and not set(card) & set(" ()<>\n"):
        yield f"- [Model card]({card})"
        yield f"- [Report]({card.removesuffix(CARD)}{REPORT})"
    yield f"- [{found.model} in MLflow]({page}/#/models/{found.model}): every version with its report, card and model"
    if found.request.get("caller"):
        caller = _text(found.request["caller"])
        yield f"- [the retraining](/dags/{found.model}__retrain/runs/{caller}): its task `register` opens the card"
    yield f"- ledger tag `runs/{found.run_id}`: gates, metrics, parameters, data"


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.4g}"


def _interval(value: Iterable[float] | None) -> str:
    return " to ".join(f"{end:.4g}" for end in value) if value else ""


def _text(value: Any) -> str:
    """`value` as plain text in a table of Markdown."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return "".join(f"\\{letter}" if letter in "\\|<>[]`*_#!" else letter for letter in shorten(plain, 300))
