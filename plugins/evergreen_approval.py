"""The approval of `<model>__promote`: asks a person with the evidence before them, and the ledger keeps the answer.

The answer is recorded by the task itself, from what Airflow hands it of the response: `promote` reads the ledger alone,
so that marking this task successful, or writing into its XCom, approves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import evergreen_calls as calls
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.execution_time.hitl import HITLUser
from evergreen_alarm import PAUSES
from evergreen_question import Evidence, body

from pipelines.config import settings as configuration
from pipelines.config.model import Model
from pipelines.config.names import Promotion
from pipelines.errors import EvergreenError, PassingFault
from pipelines.ledger import approvals, retrainings
from pipelines.ledger.approvals import Answer
from pipelines.ledger.git import Ledger

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApprovalTask(ApprovalOperator):
    """Asks whether the run may become champion; a dry run goes on at once.

    Nothing of it is a template: text of a note stays text.
    """

    template_fields = ()

    def __init__(self, *, model: str, config: Model, **kwargs: Any) -> None:
        allowed = config.approval
        super().__init__(
            subject=f"Promote a challenger of {model}?",
            defaults=self.REJECT,
            response_timeout=timedelta(hours=allowed.deadline_hours),
            # Airflow knows a user by its id; whoever answers is checked again, by id and name.
            assigned_users=[HITLUser(id=name, name=name) for name in allowed.approvers] or None,
            **kwargs,
        )
        self.model, self.allowed = model, allowed

    def execute(self, context: Context) -> Any:
        """Ask and wait, without holding a worker."""
        try:
            run_id, ledger = self._run(context)
            found = Evidence.read(ledger, run_id)
            if found.request.get("promotion") == Promotion.DRY_RUN:
                self.log.info("run %s is a dry run: nobody is asked", run_id)
                return None
            self.subject = f"Promote run {run_id} of {self.model}?"
            self.body = body(found, self._names(), calls.card(self.model, context, run_id))
        except EvergreenError as error:
            raise _translated(error) from error
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """The answer has come: record it, then go on, or skip `promote`.

        Raises:
            AirflowFailException: whoever answered is none of the approvers; that is recorded too.
        """
        given = HITLOperator.execute_complete(self, context, dict(event))
        try:
            run_id, ledger = self._run(context)
            answer = self._answer(context, ledger, run_id, given)
            _patiently(lambda: approvals.record(ledger, answer))
            if answer.verdict == "reject":
                # `promote`, which notes what else is refused, is skipped now.
                _patiently(lambda: retrainings.note(ledger, run_id, "refused", answer.sentence))
        except EvergreenError as error:
            raise _translated(error) from error
        self.log.info("run %s was %s", run_id, answer.sentence)
        if answer.verdict == "approve" and not self.allowed.allows(*answer.names):
            raise AirflowFailException(f"{answer.by} is none of the approvers: {', '.join(self._names())}")
        return super().execute_complete(context, event)

    def _run(self, context: Context) -> tuple[str, Ledger]:
        run_id = calls.promote(self.model)(context).run or ""
        return run_id, Ledger.open(configuration.load(), self.model)

    def _answer(self, context: Context, ledger: Ledger, run_id: str, given: Mapping[str, Any]) -> Answer:
        user = given["responded_by_user"] or {}
        names = tuple(dict.fromkeys(str(user[key]) for key in ("name", "id") if user.get(key)))
        verdict: approvals.Verdict = "approve" if given["chosen_options"] == [self.APPROVE] and names else "reject"
        run = context["dag_run"]
        return Answer(
            run=run_id,
            gates_sha256=approvals.gates_sha256(ledger, run_id),
            verdict=verdict,
            by=names[0] if names else "",
            names=names,
            via=f"{run.dag_id}/{run.run_id}",
            answered=_moment(given["responded_at"]),
            reason="" if names else f"no answer within {self.allowed.deadline_hours:g} hours",
        )

    def _names(self) -> tuple[str, ...]:
        return self.allowed.approvers


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value or datetime.now(UTC)))


def _patiently(work: Callable[[], Any]) -> None:
    """An answer that is not recorded would have to be asked for again: wait for a ledger that is just restarting."""
    for pause in (*PAUSES, 60, None):
        try:
            work()
        except PassingFault:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def _translated(error: EvergreenError) -> Exception:
    kind = AirflowException if isinstance(error, PassingFault) else AirflowFailException
    return kind(error.line())
