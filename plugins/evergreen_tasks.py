"""The one factory of stage tasks: `evergreen stage NAME --model M --run ID`, its exit code turned into Airflow's words.

| exit code | means | the task |
|---|---|---|
| 0 | done | succeeds |
| 3 | data or configuration is wrong | fails, is never retried |
| 4 | a gate refused | succeeds; nothing is announced |
| 75 | a passing fault | is retried with backoff |
| 99 | nothing to do | is skipped |
| else | a crash | is retried a few times only |
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from evergreen_runtime import Outcome, StageRuntime, runtime

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
CRASHES = {"snapshot": 2, "ingest": 2, "register": 2, "promote": 2}
CRASHES_ELSEWHERE = 1


@dataclass(frozen=True)
class Call:
    """What to ask of a stage: the run's id (ingest has none) and, as JSON, what the stage is told.

    `announce` False: the asset stays as it is however the stage ends.
    """

    run: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    announce: bool = True


def stage_task(
    model: str, stage: str, call: Callable[[Context], Call], *, announces: str | None = None, **arguments: Any
) -> StageTask:
    """The task that runs `stage` of `model`.

    `call` says at run time for which run and with what. `announces` names the asset `evergreen/<model>/<announces>`
    that is updated, with the run's id, when the stage is done and not refused.
    """
    if announces:
        arguments["outlets"] = [AssetAlias(asset(model, announces).name)]
    return StageTask(model=model, stage=stage, call=call, announces=announces, task_id=stage, **arguments)


def asset(model: str, what: str) -> Asset:
    """The asset `evergreen/<model>/<what>`."""
    return Asset(f"evergreen/{model}/{what}")


class StageTask(BaseOperator):
    """Runs one stage. Nothing of it is a template: text of a parameter stays text. Returns the run's id."""

    template_fields = ()
    ui_color = "#d5e8d4"

    def __init__(
        self, *, model: str, stage: str, call: Callable[[Context], Call], announces: str | None, **kwargs: Any
    ) -> None:
        defaults = {
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
            "retry_exponential_backoff": 2,
            "max_retry_delay": MAX_RETRY_DELAY,
        }
        super().__init__(**(defaults | kwargs))
        self.model, self.stage, self.call, self.announces = model, stage, call, announces
        self._runtime: StageRuntime | None = None

    def execute(self, context: Context) -> str | None:
        """Run the stage to its end; the run's id is all that crosses XCom."""
        attempt = context["ti"].try_number
        try:
            call = self.call(context)
            self._runtime = runtime()
        except EvergreenError as error:
            self._give_up(int(error.exit_code), error.line(), attempt)
        outcome = self._runtime.run(self._argv(call), self._say)
        if outcome.code not in (ExitCode.DONE, ExitCode.REFUSED):
            self._give_up(outcome.code, outcome.error, attempt)
        if outcome.result is None:
            self._give_up(outcome.code, "the stage's last line is not a JSON object of at most 8 KB", attempt)
        self._succeed(context, call, outcome)
        return call.run

    def on_kill(self) -> None:
        """Airflow wants the task stopped: stop the stage and whatever it started."""
        if self._runtime is not None:
            self._runtime.stop()

    def _argv(self, call: Call) -> list[str]:
        argv = ["stage", self.stage, "--model", self.model]
        argv += ["--run", call.run] if call.run else []
        return argv + (["--params", json.dumps(call.params)] if call.params else [])

    def _say(self, line: str) -> None:
        self.log.info("%s", line)

    def _succeed(self, context: Context, call: Call, outcome: Outcome) -> None:
        result = outcome.result or {}
        refused = outcome.code == ExitCode.REFUSED or bool(result.get("refused"))
        if refused:
            self.log.warning("refused: the champion stays as it is. %s", json.dumps(result))
        else:
            self.log.info("done: %s", json.dumps(result))
        # A dry run of `promote` succeeds and promotes nothing.
        if self.announces and call.announce and not refused and result.get("promoted", True):
            target = asset(self.model, self.announces)
            context["outlet_events"][AssetAlias(target.name)].add(target, extra={"run": call.run})

    def _give_up(self, code: int, line: str, attempt: int) -> NoReturn:
        message = f"{self.model} {self.stage}: {line or 'no message'}"
        if code == ExitCode.INPUT:
            raise AirflowFailException(message)
        if code == ExitCode.NOTHING:
            raise AirflowSkipException(message)
        if code == ExitCode.PASSING:
            raise AirflowException(message)
        message = f"{message} (ended with {f'signal {-code}' if code < 0 else f'exit code {code}'})"
        if attempt > CRASHES.get(self.stage, CRASHES_ELSEWHERE):
            raise AirflowFailException(message)
        raise AirflowException(message)
