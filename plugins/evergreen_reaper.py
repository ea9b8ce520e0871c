"""Removes task containers that nobody waits for any more. By label alone: it sees no other container."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from evergreen_runtime import Say, chosen

from pipelines.config import settings as configuration
from pipelines.config.settings import Runtime
from pipelines.errors import EvergreenError

if TYPE_CHECKING:
    from airflow.sdk import Context
    from evergreen_engine import Engine

# The longest wait between two tries is five minutes: what ended before that may still be fetched by the next.
KEEP_SECONDS = 600


class ReapTask(BaseOperator):
    """Removes ended containers after ten minutes and running ones past their deadline; skipped without containers."""

    template_fields = ()

    def execute(self, context: Context) -> None:  # noqa: ARG002
        """Go over the engine once."""
        if chosen() is not Runtime.DOCKER:
            raise AirflowSkipException("stages run in no containers here")
        from evergreen_engine import connect

        try:
            with connect(configuration.load().containers.engine) as engine:
                removed = reap(engine, time.time(), lambda line: self.log.info("%s", line))
        except EvergreenError as error:
            raise AirflowException(error.line()) from None
        self.log.info("removed %d", removed)


def reap(engine: Engine, now: float, say: Say) -> int:
    """Remove what is left at `now` (epoch seconds); how many containers that were.

    Raises:
        PassingFault: the engine does not answer.
    """
    removed = 0
    for task in engine.tasks():
        found = engine.state(task["Id"])
        reason = _reason(found, now) if found is not None else ""
        if found is not None and reason:
            say(f"removing {found['Name'].lstrip('/')}: {reason}")
            engine.stop(task["Id"])
            engine.remove(task["Id"])
            removed += 1
    return removed


def _reason(found: dict[str, Any], now: float) -> str:
    """Why a task container may go; empty: it may not."""
    from evergreen_engine import DEADLINE_LABEL, labels

    state = found["State"]
    if state["Running"]:
        deadline = labels(found).get(DEADLINE_LABEL, "")
        return "past its deadline" if deadline.isdecimal() and now > int(deadline) else ""
    # One that never started has the year 1 for its end.
    since = max(_time(state["FinishedAt"]), _time(found["Created"]))
    return f"ended {round((now - since) / 60)} minutes ago" if now - since > KEEP_SECONDS else ""


def _time(stamp: str) -> float:
    return datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp()
