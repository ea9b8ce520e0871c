"""What maintenance does for every model: wake requests that nobody has claimed, have MLflow compared with the ledger
once an hour, and send the alerts that wait.

An event of Airflow may get lost: its consumer was paused, the scheduler died, a server was away. The ledger keeps what
is asked for and what people are to hear, so that going over it again and again loses nothing and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from evergreen_tasks import asset

from pipelines.alerts.sending import send
from pipelines.config import settings as configuration
from pipelines.config.load import load_model, model_folders
from pipelines.errors import ConfigError, EvergreenError, InputError
from pipelines.ledger import requests, rollbacks, verdicts
from pipelines.ledger.git import Ledger

if TYPE_CHECKING:
    from airflow.sdk import Context

WAKE = "evergreen/wake"
COMPARE = "evergreen/compare"
# Of the runs of an hour, which come every ten minutes, the first.
FIRST_MINUTES = 10
# While these hold, nobody is woken, whoever asks: a later night decides again.
HELD = ("data_bug", "broken", "over_budget")


class Upkeep(BaseOperator):
    """Goes over all models; one that fails spoils no other, and fails the task when all were seen to."""

    template_fields = ()

    def execute(self, context: Context) -> None:
        """Do it once for every model; skipped where there was nothing to do."""
        done, wrong = 0, []
        for name in _models():
            try:
                done += self.for_model(name, context)
            except EvergreenError as error:
                wrong.append(f"{name}: {error.line()}")
                self.log.warning("%s", wrong[-1])
        if wrong:
            raise AirflowException("; ".join(wrong)[:1000])
        if not done:
            raise AirflowSkipException("nothing to do")

    def for_model(self, name: str, context: Context) -> int:
        """See to one model; how much there was to do."""
        raise NotImplementedError


class WakeTask(Upkeep):
    """Announces `evergreen/<model>/retrain` for each model with a request that nobody has claimed, and
    `evergreen/<model>/rollback` where a night has asked for an automatic rollback."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(outlets=[AssetAlias(WAKE)], **kwargs)

    def for_model(self, name: str, context: Context) -> int:
        """Wake the model's retraining, which claims all that is open."""
        ledger = _ledger(name)
        due = requests.due(ledger) if ledger else ()
        found = _let_go(ledger, due) if ledger and due else ()
        if len(found) < len(due):
            self.log.info("%s: %d requests wait for a night that lets go", name, len(due) - len(found))
        if found:
            self.log.info("%s: waking %s", name, ", ".join(found))
            context["outlet_events"][AssetAlias(WAKE)].add(asset(name, "retrain"), extra={"woken": len(found)})
        back = rollbacks.due(ledger) if ledger else None
        if back is not None:
            self.log.warning("%s: version %s is to be taken back: %s", name, back["champion"], back["sentence"])
            context["outlet_events"][AssetAlias(WAKE)].add(asset(name, "rollback"), extra={"woken": 1})
        return len(found) + (back is not None)


class CompareTask(Upkeep):
    """Announces `evergreen/<model>/compare` once an hour for each model that has a champion."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(outlets=[AssetAlias(COMPARE)], **kwargs)

    def execute(self, context: Context) -> None:
        """Once an hour; skipped otherwise."""
        if context["dag_run"].run_after.minute >= FIRST_MINUTES:
            raise AirflowSkipException("once an hour is enough")
        super().execute(context)

    def for_model(self, name: str, context: Context) -> int:
        """Have the model's registry compared with its ledger."""
        ledger = _ledger(name)
        if ledger is None or ledger.head("champion") is None:
            return 0
        context["outlet_events"][AssetAlias(COMPARE)].add(asset(name, "compare"))
        return 1


class SendTask(Upkeep):
    """Sends the alerts that wait, from Airflow's side: task containers reach nothing outside their network."""

    def for_model(self, name: str, context: Context) -> int:  # noqa: ARG002
        """Send the model's alerts."""
        if _ledger(name) is None:
            return 0
        delivered = send(configuration.load(), name, lambda line: self.log.info("%s: %s", name, line))
        return delivered.sent


def _let_go(ledger: Ledger, due: tuple[str, ...]) -> tuple[str, ...]:
    """Of the requests that are due, those that the last night's verdict does not hold back."""
    day = verdicts.last_day(ledger)
    verdict = verdicts.newest(ledger, day, day)[day]["verdict"] if day else ""
    if verdict in HELD:
        return ()
    # What a night has asked for itself is what the cooldown counts from.
    return tuple(key for key in due if verdict != "cooldown" or key.startswith("night-"))


def _models() -> Iterator[str]:
    """The models whose folder can be used; the others are DAGs that say what is wrong with them."""
    for folder in model_folders(configuration.load().models):
        try:
            load_model(folder)
        except ConfigError:
            continue
        yield folder.name


def _ledger(name: str) -> Ledger | None:
    """The model's ledger; None where it has none yet."""
    try:
        return Ledger.open(configuration.load(), name)
    except ConfigError:
        raise
    except InputError:
        return None
