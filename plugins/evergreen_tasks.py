"""The one factory of stage tasks: `evergreen stage NAME --model M --run ID`, its exit code turned into Airflow's words.

| exit code | means | the task |
|---|---|---|
| 0 | done | succeeds |
| 3 | data or configuration is wrong | fails, is never retried |
| 4 | a gate refused | succeeds; nothing is announced |
| 75 | a passing fault | is retried with backoff |
| 99 | nothing to do | is skipped |
| else | a crash | is retried a few times only |

The settings choose the operator: a process of this machine, a container, a pod. All of them mean the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred
from evergreen_alarm import on_failure, queue
from evergreen_card import PLACE, CardLink, address
from evergreen_process import ProcessRuntime
from evergreen_runtime import Job, Outcome, Say, chosen

from pipelines.config.model import Model
from pipelines.config.resources import Allowance
from pipelines.config.settings import Runtime
from pipelines.errors import EvergreenError, ExitCode

if TYPE_CHECKING:
    from airflow.sdk import Context

# Every stage talks to the ledger and the store, register and promote to MLflow too. Waits of 10, 20, 40, 80, 160 and
# 300 seconds outlast a server that is away for ten minutes.
RETRIES = 6
RETRY_DELAY = timedelta(seconds=10)
MAX_RETRY_DELAY = timedelta(minutes=5)
# A crash repeats itself with the same data, code and seed: try once more where memory or a killed neighbour may have
# been the cause, twice where a network is involved.
CRASHES = {"snapshot": 2, "ingest": 2, "register": 2, "promote": 2, "decide": 2, "rollback": 2}
CRASHES_ELSEWHERE = 1
LIMIT = timedelta(hours=3)
COLOUR = "#d5e8d4"


@dataclass(frozen=True)
class Call:
    """What to ask of a stage: the run's id (the night has none) and, as JSON, what the stage is told.

    `announce` False: the asset stays as it is however the stage ends. `again` says from the stage's result when to ask
    the same once more; None: it is done.
    """

    run: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    announce: bool = True
    again: Callable[[Mapping[str, Any]], datetime | None] = lambda _: None

    @property
    def told(self) -> dict[str, Any]:
        """What the asset's event carries."""
        return {"run": self.run} if self.run else {"day": self.params.get("day")}


@dataclass(frozen=True)
class Stage:
    """What a stage means to Airflow, wherever it runs. `runs_up_to` bounds one try."""

    model: str
    name: str
    call: Callable[[Context], Call]
    announces: str | None
    allowance: Allowance
    runs_up_to: timedelta
    # The kinds of alerts that people of this model want.
    heard: frozenset[str] = frozenset()

    def perform(self, context: Context, run: Callable[[Job, Say], Outcome], log: logging.Logger) -> str | None:
        """Have `run` run the stage to its end; the run's id is all that crosses XCom.

        Raises:
            AirflowException: a retry may help.
            AirflowFailException: no retry will.
            AirflowSkipException: there was nothing to do.
            TaskDeferred: it is to be asked again later.
        """
        attempt = context["ti"].try_number
        try:
            call = self.call(context)
            outcome = run(self._job(context, call, attempt), lambda line: log.info("%s", line))
        except EvergreenError as error:
            self._give_up(int(error.exit_code), error.line(), attempt)
        if outcome.code not in (ExitCode.DONE, ExitCode.REFUSED):
            self._give_up(outcome.code, outcome.error, attempt)
        if outcome.summary is None:
            self._give_up(outcome.code, "the stage left no result", attempt)
        moment = call.again(outcome.summary)
        if moment is not None:
            raise _later(moment, outcome.summary, log)
        self._succeed(context, call, outcome, log)
        return call.run

    def _job(self, context: Context, call: Call, attempt: int) -> Job:
        argv = ["stage", self.name, "--model", self.model]
        argv += ["--run", call.run] if call.run else []
        argv += ["--params", json.dumps(call.params)] if call.params else []
        run = context["dag_run"]
        # The same for every try of one DAG run: a retry finds what an earlier try left running.
        mark = hashlib.sha256(f"{run.dag_id}/{run.run_id}".encode()).hexdigest()[:12]
        return Job(
            model=self.model,
            stage=self.name,
            run=call.run or "",
            argv=argv,
            name=f"evergreen-{self.model}-{self.name}-{mark}",
            attempt=attempt,
            deadline=int(time.time() + self.runs_up_to.total_seconds()),
            allowance=self.allowance,
        )

    def _succeed(self, context: Context, call: Call, outcome: Outcome, log: logging.Logger) -> None:
        result = outcome.summary or {}
        refused = outcome.code == ExitCode.REFUSED or bool(result.get("refused"))
        if refused:
            log.warning("refused: the champion stays as it is. %s", json.dumps(result))
            if "refused" in self.heard and outcome.code == ExitCode.REFUSED:
                title = f"{self.name} refused run {call.run}: the champion stays"
                queue(context, self.model, "refused", "warning", title, str(result.get("reason") or ""))
        else:
            log.info("done: %s", json.dumps(result))
        card = address(result)
        if card:
            log.info("model card: %s", card)
            setattr(context["task"], PLACE, card)
        # A dry run of `promote` succeeds and promotes nothing; most nights decide against a retraining.
        wanted = call.announce and not refused and result.get("promoted", True) and result.get("retrain", True)
        if self.announces and wanted:
            if self.announces == "champion" and "promoted" in self.heard:
                queue(context, self.model, "promoted", "success", f"run {call.run} is champion", json.dumps(result))
            target = asset(self.model, self.announces)
            told = call.told | ({"card": card} if card else {})
            context["outlet_events"][AssetAlias(target.name)].add(target, extra=told)

    def _give_up(self, code: int, line: str, attempt: int) -> NoReturn:
        message = f"{self.model} {self.name}: {line or 'no message'}"
        if code == ExitCode.INPUT:
            raise AirflowFailException(message)
        if code == ExitCode.NOTHING:
            raise AirflowSkipException(message)
        if code == ExitCode.PASSING:
            raise AirflowException(message)
        message = f"{message} (ended with {f'signal {-code}' if code < 0 else f'exit code {code}'})"
        if attempt > CRASHES.get(self.name, CRASHES_ELSEWHERE):
            raise AirflowFailException(message)
        raise AirflowException(message)


class ProcessStageTask(BaseOperator):
    """Runs one stage as a process. Nothing of it is a template: text of a parameter stays text."""

    template_fields = ()
    ui_color = COLOUR

    def __init__(self, *, stage: Stage, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.runtime = ProcessRuntime()

    def execute(self, context: Context) -> str | None:
        """See `Stage.perform`."""
        return self._perform(context)

    def resume(self, context: Context, event: Any) -> str | None:  # noqa: ARG002
        """The wait is over: ask again."""
        return self._perform(context)

    def on_kill(self) -> None:
        """Airflow wants the task stopped: stop the stage and whatever it started."""
        self.runtime.stop()

    def _perform(self, context: Context) -> str | None:
        return self.stage.perform(context, self.runtime.run, self.log)


def stage_task(
    name: str, model: Model, stage: str, call: Callable[[Context], Call], *, announces: str | None = None, **more: Any
) -> BaseOperator:
    """The task that runs `stage` of model `name`, by the runtime that the settings choose.

    `call` says at run time for which run and with what. `announces` names the asset `evergreen/<name>/<announces>`
    that is updated, with the run's id or the night's day, when the stage is done and not refused. `more` is Airflow's.
    """
    arguments: dict[str, Any] = {
        "task_id": stage,
        **retrying(name, model),
        **more,
    }
    if announces:
        arguments["outlets"] = [AssetAlias(asset(name, announces).name)]
    what = Stage(name, stage, call, announces, model.allowance(stage), limit(model), frozenset(model.alerts.on))
    task = _operator()(stage=what, **arguments)
    if stage == "register":
        task.operator_extra_links = (CardLink(),)
    return task


def retrying(name: str, model: Model) -> dict[str, Any]:
    """How the tasks of a model are tried again, and who hears of it when that did not help."""
    return {
        "retries": RETRIES,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": 2,
        "max_retry_delay": MAX_RETRY_DELAY,
        "on_failure_callback": on_failure(name, model),
    }


def limit(model: Model) -> timedelta:
    """What no try of a stage, and no DAG run, should take: three hours, and the search for parameters on top."""
    return LIMIT + timedelta(seconds=model.training.hpo.timeout_seconds)


def asset(model: str, what: str) -> Asset:
    """The asset `evergreen/<model>/<what>`."""
    return Asset(f"evergreen/{model}/{what}")


def _later(moment: datetime, summary: Mapping[str, Any], log: logging.Logger) -> TaskDeferred:
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    log.info("not all is there: %s; looking again at %s", json.dumps(summary), moment.isoformat(timespec="seconds"))
    return TaskDeferred(trigger=DateTimeTrigger(moment=moment), method_name="resume")


def _operator() -> type[BaseOperator]:
    # A provider's operator is imported where it is used: Kubernetes' takes more than a second.
    match chosen():
        case Runtime.DOCKER:
            from evergreen_docker import ContainerStageTask

            return ContainerStageTask
        case Runtime.KUBERNETES:
            from evergreen_kubernetes import PodStageTask

            return PodStageTask
        case _:
            return ProcessStageTask
