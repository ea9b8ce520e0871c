"""A retraining that is looked at while it trains, and seen through."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date

from stack.machine import probes
from stack.machine.compose import Container
from stack.machine.place import command
from stack.machine.stack import Stack


@dataclass(frozen=True)
class Live:
    """The container that trained, and what could be seen then of all containers and processes of the machine."""

    model: str
    run: str
    container: Container
    inspected: str = field(repr=False)

    @property
    def dag(self) -> str:
        """The DAG of its run."""
        return f"{self.model}__retrain"


def watched(stack: Stack, model: str, run: str, as_of: date) -> Live:
    """Retrain a small model; in training, every container is inspected and all processes' command lines are taken."""
    stack.ready(model)
    dag = f"{model}__retrain"
    stack.airflow.ready(dag)
    stack.airflow.trigger(dag, run, {"as_of": str(as_of)})
    container = stack.training(model)
    told = json.dumps([item.found for item in probes.inspected(stack.docker)], ensure_ascii=False)
    inspected = f"{told}\n{command('ps', '-eo', 'args')}"
    stack.airflow.well(dag, run)
    stack.promoted(model, run)
    return Live(model, run, container, inspected)
