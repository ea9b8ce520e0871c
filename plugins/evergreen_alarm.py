"""Alerts from Airflow's side: what a task's end says to people, put into the model's outbox in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.config import settings as configuration
from pipelines.config.model import Model
from pipelines.errors import PassingFault
from pipelines.ledger import outbox
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert, Severity

if TYPE_CHECKING:
    from airflow.sdk import Context

# A ledger that is just being restarted is back within this.
PAUSES = (2, 10, 30)


def queue(context: Context, model: str, kind: str, severity: Severity, title: str, body: str) -> None:
    """Queue an alert about the task at hand, once for this try of it.

    Raises:
        EvergreenError: the ledger cannot be reached, or there is none.
    """
    ti = context["ti"]
    key = f"{kind} {ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.try_number}"
    alert = Alert(kind, severity, f"{model}: {title}", body, key, ti.log_url)
    for pause in (*PAUSES, None):
        try:
            outbox.queue(Ledger.open(configuration.load(), model), alert)
            return
        except PassingFault:
            if pause is None:
                raise
            time.sleep(pause)


def on_failure(name: str, model: Model) -> Callable[[Context], None]:
    """What Airflow calls when a task of the model has failed for good."""

    def tell(context: Context) -> None:
        ti = context["ti"]
        if "failed" in model.alerts.on:
            why = str(context.get("exception") or "its process was lost")
            queue(context, name, "failed", "failure", f"{ti.task_id} of {ti.dag_id} failed", why)

    return tell
