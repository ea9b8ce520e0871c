"""What each stage is asked, read from the DAG run at hand: parameters, the snapshot's run id, a triggering asset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

from evergreen_tasks import Call, asset

from pipelines.config import names, settings
from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model
from pipelines.config.names import Promotion
from pipelines.errors import ConfigError, NothingToDo

if TYPE_CHECKING:
    from airflow.sdk import Context

CallOf = Callable[["Context"], Call]
RETRAIN_KEYS = ("as_of", "train_days", "test_days", "promotion", "hpo_trials", "note")
INGEST_KEYS = ("from", "to")
PROMOTE_KEYS = ("run",)
ROLLBACK_KEYS = ("to", "reason")


def params_of(context: Context, known: tuple[str, ...]) -> Mapping[str, Any]:
    """The parameters of the DAG run; raises ConfigError for one that is not among `known`."""
    params: Mapping[str, Any] = context["params"]
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise ConfigError(f"unknown parameter {unknown[0]!r}", where="conf", remedy=f"use {', '.join(known)}")
    return params


def ingest(context: Context) -> Call:
    """Days `from` to `to`, both inclusive; `to` is `from` unless given."""
    asked = params_of(context, INGEST_KEYS)
    first = names.day(str(asked["from"]), where="from")
    last = names.day(str(asked["to"] or asked["from"]), where="to")
    if last < first:
        raise ConfigError(f"{last} is before {first}", where="to", remedy="give the later day as `to`")
    return Call(params={"from": first.isoformat(), "to": last.isoformat()})


def snapshot(model: str) -> CallOf:
    """A new run of `model` as of the day asked for, or as of the newest accepted day."""

    def call(context: Context) -> Call:
        asked = dict(params_of(context, RETRAIN_KEYS))
        suffix = _suffix(context)
        as_of = names.day(asked["as_of"], where="as_of") if asked["as_of"] else _newest_day(model, suffix)
        # JSON Schema takes 60.0 for an integer.
        numbers = {key: int(asked[key]) for key in ("train_days", "test_days", "hpo_trials")}
        texts = {"as_of": as_of.isoformat(), "note": asked["note"] or "", "key": context["dag_run"].run_id}
        # An event of Airflow may come twice, or late: what was asked for is in the ledger.
        woken = {"only_if_asked": True} if context["dag_run"].run_type == "asset_triggered" else {}
        return Call(run=f"{as_of.isoformat()}-{suffix}", params=asked | numbers | texts | woken)

    return call


def continued(context: Context) -> Call:
    """The run that this DAG run's snapshot opened."""
    return Call(run=_run(context["ti"].xcom_pull(task_ids="snapshot"), "snapshot"))


def register(model: Model) -> CallOf:
    """As `continued`; in manual mode the challenger is announced where `<model>__promote` asks a person."""

    def call(context: Context) -> Call:
        manual = Promotion(context["params"]["promotion"]) is Promotion.MANUAL
        return replace(continued(context), announce=not manual or model.promotion is Promotion.MANUAL)

    return call


def promote(model: str) -> CallOf:
    """The run in the triggering event, or the one given by hand."""

    def call(context: Context) -> Call:
        by_hand = params_of(context, PROMOTE_KEYS)["run"]
        if by_hand:
            return Call(run=_run(by_hand, "run"))
        events = context["triggering_asset_events"].get(asset(model, "challenger"), [])
        # Events of several retrainings may arrive as one run: the newest challenger saw the most.
        found = [event.extra.get("run") for event in sorted(events, key=lambda event: event.timestamp)]
        if not found:
            raise ConfigError(
                "no run is given and no challenger triggered this", where="run", remedy="give a run's id as `run`"
            )
        return Call(run=_run(found[-1], "asset event"))

    return call


def card(model: str, context: Context, run: str) -> str:
    """The address of the card of `run`, as the event says that announced it; empty where no event did."""
    events = context.get("triggering_asset_events") or {}
    told = (event.extra for event in events.get(asset(model, "challenger"), []) if event.extra.get("run") == run)
    return next((str(extra["card"]) for extra in told if extra.get("card")), "")


def rollback(context: Context) -> Call:
    """What the form says; started by an event, what a night has asked for."""
    asked, run = params_of(context, ROLLBACK_KEYS), context["dag_run"]
    if run.run_type == "asset_triggered":
        return Call(params={"due": True})
    if not (asked["reason"] or "").strip():
        raise ConfigError("no reason is given", where="reason", remedy="say why: it is kept for ever")
    by = getattr(run, "triggering_user_name", None) or "operator"
    told = {"reason": asked["reason"], "by": by, "key": f"{run.dag_id}/{run.run_id}"[:300]}
    return Call(params=told | ({"to": int(asked["to"])} if asked["to"] else {}))


def reconcile(context: Context) -> Call:  # noqa: ARG001 - there is nothing to ask
    """Compare MLflow with the ledger."""
    return Call()


def _run(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError("holds no run id", where=where, remedy="trigger the DAG run again")
    return names.check_run_id(value)


def _suffix(context: Context) -> str:
    """What follows the as-of day in a run's id: the same for every try and every clearing of one DAG run."""
    run = context["dag_run"]
    key = f"{run.dag_id}/{run.run_id}"
    return names.run_id(date(2000, 1, 1), run.run_after.astimezone(UTC), key).removeprefix("2000-01-01-")


def _newest_day(model: str, suffix: str) -> date:
    from pipelines.ledger.git import Ledger
    from pipelines.ledger.manifest import load_manifest

    current = settings.load()
    ledger = Ledger.open(current, model)
    ledger.fetch()
    # A first try may have opened the run already; data that arrived since must not make the second try open another.
    for name in ledger.branches("run/"):
        if name.endswith(f"-{suffix}"):
            return names.day(name.removeprefix("run/")[:10])
    days = load_manifest(ledger).days(load_model(find_model(current.models, model)).events)
    if not days:
        raise NothingToDo("has no accepted data yet", where=model, remedy=f"run {model}__ingest first")
    return max(days)
