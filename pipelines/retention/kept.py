"""Which runs of a ledger stay, and why; the others retention may end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from pipelines.config import names
from pipelines.config.retention import Retention
from pipelines.errors import UnreadableRecord
from pipelines.ledger import broken, champion, lease, nights, reader
from pipelines.ledger.challengers import newest_passed
from pipelines.ledger.git import Ledger
from pipelines.ledger.refs import every
from pipelines.retention.pins import pinned
from pipelines.retention.predictions import oldest

TAG, BRANCH = "refs/tags/runs/", "refs/heads/run/"


@dataclass(frozen=True)
class Fates:
    """Run id to why it stays, and run id to the refs (full name to commit) of those that may end."""

    kept: dict[str, str]
    ended: dict[str, dict[str, str]]


def fates(ledger: Ledger, rules: Retention, now: datetime, young: timedelta, newest: date | None = None) -> Fates:
    """What becomes of every run of `ledger`, as of the last fetch; runs begun or written within `young` stay.

    `newest` is the newest day of data, from which the age of predictions counts; None: all predictions are kept.
    Of a run that stays, the run of the champion that it was judged against stays too: nobody could reproduce it else.
    """
    refs = every(ledger)
    tags, begun = _of_runs(refs, TAG), _of_runs(refs, BRANCH)
    written: dict[str, int] = {}
    for name, (_, when) in refs.items():
        if (run := _run_of(name)) is not None:
            written[run] = max(when, written.get(run, 0))
    kept = dict(_reasons(ledger, rules, now, tags, oldest(newest, rules.predictions_days)))
    kept |= {
        run: "younger than a week" for run, when in written.items() if now.timestamp() - when < young.total_seconds()
    }
    holder = lease.read(ledger)
    if holder is not None and (owner := holder.holder(now)):
        kept[owner] = "in progress"
    kept = _unreadable(ledger, written) | kept
    for run in [run for run in kept if run in written]:
        other = _judged_against(ledger, tags.get(run) or begun[run])
        if other:
            kept.setdefault(other, f"what {run} was judged against")
    both = {run: {f"{TAG}{run}": tags.get(run, ""), f"{BRANCH}{run}": begun.get(run, "")} for run in written}
    ended = {run: {ref: at for ref, at in found.items() if at} for run, found in both.items() if run not in kept}
    return Fates({run: why for run, why in sorted(kept.items()) if run in written}, dict(sorted(ended.items())))


def protected(ledger: Ledger) -> set[str]:
    """The runs that must have their tag whatever happens: the champion's, the one before, and pinned ones."""
    standing = champion.current(ledger)
    found = set(pinned(ledger))
    if standing is not None:
        found |= {standing.run, *([standing.previous.run] if standing.previous else [])}
    return found


def _run_of(ref: str) -> str | None:
    """The run that a ref is of; None: it is of none, whatever stands there, and no run's end takes it along."""
    run = ref.removeprefix(TAG).removeprefix(BRANCH)
    return run if run != ref and names.is_run_id(run) else None


def _of_runs(refs: Mapping[str, tuple[str, int]], prefix: str) -> dict[str, str]:
    return {run: commit for name, (commit, _) in refs.items() if name.startswith(prefix) and (run := _run_of(name))}


def _reasons(
    ledger: Ledger, rules: Retention, now: datetime, tags: dict[str, str], first: date
) -> Iterator[tuple[str, str]]:
    """Run and reason; of several for one run the last counts."""
    history = champion.history(ledger)
    never = [run for run in tags if run not in {item.run for item in history}]
    newest = sorted(never, key=lambda run: run[11:], reverse=True)
    yield from (
        (run, f"one of the newest {rules.refused} that never became champion") for run in newest[: rules.refused]
    )
    yield from _predicted(ledger, {item.run for item in history}, first)
    for newer, older in pairwise(history):
        if now - newer.since.astimezone(UTC) <= timedelta(days=rules.champions_days):
            yield older.run, f"champion until {newer.since:%Y-%m-%d}"
    if challenger := _challenger(ledger, history, list(tags)):
        yield challenger, "the newest challenger"
    yield from ((run, f"pinned: {why}") for run, why in pinned(ledger).items())
    if history:
        if history[0].previous is not None:
            yield history[0].previous.run, "the champion before"
        yield history[0].run, "champion"


def _predicted(ledger: Ledger, reigned: set[str], first: date) -> Iterator[tuple[str, str]]:
    """The champions whose predictions from `first` on are kept: without its run nobody could trace one of them.

    Predictions age by the data's clock and champions by the wall's, so what was scored is asked, not two settings.
    """
    head = ledger.head(nights.BRANCH)
    months = [Path(path).stem for path in ledger.tree(head, "scores")] if head else []
    scored = nights.read(ledger, "scores", [month for month in months if month >= first.isoformat()[:7]])
    for day, entries in scored.items():
        for entry in entries.values() if day >= first else ():
            if entry.get("role") == "champion" and entry.get("run") in reigned:
                yield entry["run"], f"its predictions of {day} are kept"


def _challenger(ledger: Ledger, history: list[champion.Champion], finished: list[str]) -> str | None:
    """The newest run that passed its gates and knows newer days than the champion: the one that may be the shadow.

    After a rollback that may be one that was champion itself.
    """
    newer = [run for run in finished if not history or run[:10] > f"{history[0].window.as_of}"]
    found = newest_passed(ledger, newer)
    return found[0] if found else None


def _judged_against(ledger: Ledger, commit: str) -> str | None:
    """The run of the champion that a run was judged against; None: there was none, or nobody can tell."""
    found = reader.record(ledger, commit, reader.JUDGED)
    try:
        judged = None if found.missing else reader.judged_against(found)
    except UnreadableRecord:
        return None
    return str(judged["run"]) if judged else None


def _unreadable(ledger: Ledger, runs: Iterable[str]) -> dict[str, str]:
    """Why each of `runs` stays that cannot be read: what it may be needed for nobody can tell until it is set aside."""
    faults = {ref.partition("/")[2]: fault for ref, fault in broken.find(ledger, missing=False).items()}
    return {run: f"it cannot be read: {faults[run]}" for run in runs if run in faults}
