"""The table at the end of the demo: what was trained, how it compares, what the gates said, how long it took."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.config import plain_yaml
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import Airflow
from pipelines.errors import IntegrityError
from pipelines.ledger import champion as champions
from pipelines.ledger.git import Ledger
from pipelines.services import airflow_config, components

DagRun = tuple[str, str]
# Where there is no terminal to ask.
PLAIN_WIDTH = 110
METRICS = ("auc", "pr_auc", "log_loss", "brier", "calibration_error")


@dataclass(frozen=True)
class Row:
    """One retraining. `champion` holds the champion's metrics on the rows of `challenger`; None when there was none."""

    run: str
    version: int | None
    span: tuple[str, str, str, str]
    rows: int
    challenger: dict[str, float]
    champion: dict[str, float] | None
    gates: list[dict[str, Any]]
    seconds: dict[str, float]
    total: float


def show(settings: Settings, airflow: Airflow, model: str, runs: Sequence[Sequence[DagRun]]) -> None:
    """Print the table of the retrainings in `runs`, each with the runs it has started."""
    ledger = Ledger.open(settings, model)
    ledger.fetch()
    print_rows([_row(ledger, airflow, chain) for chain in runs])


def addresses(settings: Settings) -> None:
    """Print where to look further."""
    login = airflow_config.read_login(settings)
    _tell("")
    _tell(f"Airflow  {components.airflow_address(settings)}  user {login.user}, password {login.password}")
    _tell(f"MLflow   {components.mlflow_address(settings)}")


def print_rows(rows: Sequence[Row]) -> None:
    """Print one column a retraining."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Retrainings", title_justify="left")
    table.add_column("")
    for row in rows:
        table.add_column("refused" if row.version is None else f"version {row.version}", justify="right")
    for label, values in _lines(rows):
        table.add_row(label, *values)
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)
    for row in rows:
        for gate in row.gates:
            _tell(f"{row.span[3]}  {_verdict(gate)}  {gate['name']}: {gate['sentence']}")


def _lines(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    lines = [
        ("run", [row.run for row in rows]),
        ("trained on", [f"{row.span[0]} to {row.span[1]}" for row in rows]),
        ("judged on", [f"{row.span[2]} to {row.span[3]}" for row in rows]),
        ("rows compared", [f"{row.rows:,}" for row in rows]),
    ]
    for metric in METRICS:
        lines.append((metric, [_metric(row.challenger, metric) for row in rows]))
        lines.append((f"  champion's {metric}", [_metric(row.champion, metric) for row in rows]))
    lines.append(("gates", [_gates(row) for row in rows]))
    stages = list(dict.fromkeys(stage for row in rows for stage in row.seconds))
    lines += [(f"  {stage}, s", [_seconds(row.seconds.get(stage)) for row in rows]) for stage in stages]
    lines.append(("trigger to end, s", [_seconds(row.total) for row in rows]))
    return lines


def _row(ledger: Ledger, airflow: Airflow, chain: Sequence[DagRun]) -> Row:
    run = _run_of(ledger, chain[0][1])
    tag = f"runs/{run}"
    metrics, gates = (_json(ledger, tag, f"out/evaluate/{name}.json") for name in ("metrics", "gates"))
    span = RunParams.model_validate(plain_yaml.load(ledger.read(tag, "params.yaml") or b"")).span
    compared = metrics["compared"] if metrics["champion"] else None
    versions = {champion.run: champion.version for champion in champions.history(ledger)}
    days = (span.train_start, span.train_end, span.test_start, span.test_end)
    return Row(
        run=run,
        version=versions.get(run),
        span=(days[0].isoformat(), days[1].isoformat(), days[2].isoformat(), days[3].isoformat()),
        rows=(compared or metrics["test"])["rows"],
        challenger=(compared or metrics)["challenger"],
        champion=compared and compared["champion"],
        gates=gates["gates"],
        seconds={task.name: task.seconds or 0.0 for item in chain for task in airflow.tasks(*item)},
        total=(airflow.times(*chain[-1])[1] - airflow.times(*chain[0])[0]).total_seconds(),
    )


def _run_of(ledger: Ledger, key: str) -> str:
    """The ledger's run that was opened for Airflow's run `key`."""
    for name, commit in ledger.branches("run/").items():
        if _json(ledger, commit, "run.json")["request"]["caller"] == key:
            return name.removeprefix("run/")
    raise IntegrityError(f"no run was opened for {key}", where="ledger", remedy="remove .evergreen and run it again")


def _json(ledger: Ledger, at: str, path: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ledger.read(at, path) or b"{}")
    return value


def _metric(metrics: dict[str, float] | None, name: str) -> str:
    value = (metrics or {}).get(name)
    return "" if value is None else f"{value:.4f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _gates(row: Row) -> str:
    judging = [gate for gate in row.gates if gate["mode"] == "on"]
    return f"{sum(gate['passed'] for gate in judging)} of {len(judging)} passed"


def _verdict(gate: dict[str, Any]) -> str:
    # A gate that only reports keeps nobody from promotion.
    return "passed" if gate["passed"] else "noted " if gate["mode"] != "on" else "FAILED"


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
