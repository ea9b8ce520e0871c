"""All families of gates, asked in one order, each in its mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipelines.config.gates import Family, Gates, Mode
from pipelines.config.model import Task
from pipelines.evaluation.metrics import check_names
from pipelines.evaluation.record import Measured
from pipelines.gates import (
    agreement,
    baseline,
    behaviour,
    calibration,
    champion,
    fairness,
    floors,
    leakage,
    overlap,
    poisoning,
    robustness,
    sanity,
    serving,
    slices,
)
from pipelines.gates.base import GateResult

FAMILIES: dict[Family, Callable[[Measured, Gates], list[GateResult]]] = {
    Family.SANITY: sanity.judge,
    Family.FLOORS: floors.judge,
    Family.CHAMPION: champion.judge,
    Family.AGREEMENT: agreement.judge,
    Family.BASELINE: baseline.judge,
    Family.SLICES: slices.judge,
    Family.OVERLAP: overlap.judge,
    Family.LEAKAGE: leakage.judge,
    Family.CALIBRATION: calibration.judge,
    Family.FAIRNESS: fairness.judge,
    Family.ROBUSTNESS: robustness.judge,
    Family.BEHAVIOUR: behaviour.judge,
    Family.SERVING: serving.judge,
    Family.POISONING: poisoning.judge,
}


def check(task: Task, gates: Gates) -> None:
    """Raises ConfigError if `gates` names a metric that a `task` model does not have."""
    check_names(task, list(gates.floors), "gates.floors")
    check_names(task, list(gates.ceilings), "gates.ceilings")
    check_names(task, list(gates.slices.floors), "gates.slices.floors")
    check_names(task, list(gates.slices.ceilings), "gates.slices.ceilings")
    for rule, where in ((gates.champion, "gates.champion.metric"), (gates.baseline, "gates.baseline.metric")):
        if rule.metric:
            check_names(task, [rule.metric], where)


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """The answers of all families that are not off to `measured`; all are asked, whatever the first says.

    Raises:
        ConfigError: a gate names a metric that the task does not have.
    """
    check(measured.task, gates)
    asked = ((family, gates.mode(family)) for family in FAMILIES)
    return [
        replace(result, mode=mode)
        for family, mode in asked
        if mode is not Mode.OFF
        for result in FAMILIES[family](measured, gates)
    ]
