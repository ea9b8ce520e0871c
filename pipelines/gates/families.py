"""All families of gates, asked in one order."""

from __future__ import annotations

from pipelines.config.model import Gates, Task
from pipelines.evaluation.metrics import check_names
from pipelines.evaluation.record import Measured
from pipelines.gates import agreement, baseline, champion, floors, sanity
from pipelines.gates.base import GateResult

FAMILIES = (sanity.judge, floors.judge, champion.judge, agreement.judge, baseline.judge)


def check(task: Task, gates: Gates) -> None:
    """Raises ConfigError if `gates` names a metric that a `task` model does not have."""
    check_names(task, list(gates.floors), "gates.floors")
    check_names(task, list(gates.ceilings), "gates.ceilings")
    if gates.champion.metric:
        check_names(task, [gates.champion.metric], "gates.champion.metric")


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """Every gate's answer to `measured`; all are asked, whatever the first says.

    Raises:
        ConfigError: a gate names a metric that the task does not have.
    """
    check(measured.task, gates)
    return [result for family in FAMILIES for result in family(measured, gates)]
