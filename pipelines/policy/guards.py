"""What may hold a retraining back although its triggers fired: each guard says whether it does, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pipelines.config.policy import Policy
from pipelines.errors import shorten
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History, Retraining
from pipelines.policy.plain import Record
from pipelines.policy.settled import nights_unsettled

Verdict = Literal["retrain", "wait", "data_bug", "cooldown", "over_budget", "broken"]


@dataclass(frozen=True)
class Guard(Record):
    """One guard's answer: if it holds, the night's verdict is `verdict`."""

    name: str
    holds: bool
    verdict: Verdict
    sentence: str


def guards(policy: Policy, evidence: Evidence, history: History) -> tuple[Guard, ...]:
    """Every guard's answer, the one that counts most first."""
    return tuple(guard(policy, evidence, history) for guard in _GUARDS)


def _data_bug(policy: Policy, evidence: Evidence, history: History) -> Guard:  # noqa: ARG001 - guards are called alike
    ignored = {kind.value for kind in policy.data_bug.ignore}
    found = [bug for bug in evidence.bugs if bug.kind not in ignored]
    if not policy.data_bug.on:
        return Guard("data_bug", False, "data_bug", "nobody looks for broken data")
    if not found:
        return Guard("data_bug", False, "data_bug", "the data look sound")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Guard("data_bug", True, "data_bug", f"The data look broken: {shorten(found[0].sentence, 300)}{more}")


def _backfill(policy: Policy, evidence: Evidence, history: History) -> Guard:  # noqa: ARG001
    told = "a past night only records; the next one decides" if evidence.backfill else "this is the newest night"
    return Guard("backfill", evidence.backfill, "wait", told)


def _quiet(policy: Policy, evidence: Evidence, history: History) -> Guard:  # noqa: ARG001
    span = next((item for item in policy.quiet if item.holds(evidence.day)), None)
    told = f"nothing is retrained from {span.first} to {span.last}" if span else "no quiet day"
    return Guard("quiet", span is not None, "wait", told)


def _breaker(policy: Policy, evidence: Evidence, history: History) -> Guard:
    rule = policy.breaker
    failed: list[Retraining] = []
    for item in reversed(history.retrainings):
        if item.outcome not in ("failed", "refused"):
            break
        failed.append(item)
    open_until = failed[0].day + timedelta(days=rule.days) if failed else evidence.day
    holds = len(failed) >= rule.failures and evidence.day < open_until
    told = f"the last {len(failed)} retrainings failed or were refused" if failed else "the last retraining went well"
    return Guard("breaker", holds, "broken", f"{told}; none is tried before {open_until}" if holds else told)


def _budget(policy: Policy, evidence: Evidence, history: History) -> Guard:
    if policy.budget is None:
        return Guard("budget", False, "over_budget", "no budget is set")
    month = (evidence.day.year, evidence.day.month)
    spent = sum(item.seconds for item in history.retrainings if (item.day.year, item.day.month) == month)
    took = [item.seconds for item in history.retrainings if item.seconds > 0][-1:]
    took += [evidence.champion.train_seconds] if evidence.champion else []
    following, limit = (took or [0.0])[0], policy.budget.seconds_a_month
    told = (
        f"{spent:.0f} s of training this month, the next is expected to take {following:.0f} s; {limit} s are allowed"
    )
    return Guard("budget", spent + following > limit, "over_budget", told)


def _cooldown(policy: Policy, evidence: Evidence, history: History) -> Guard:
    last = history.last_retraining
    if last is None:
        return Guard("cooldown", False, "cooldown", "no retraining yet")
    since = (evidence.day - last).days
    told = f"the last retraining was {since} days ago, {policy.cooldown_days} must pass"
    return Guard("cooldown", since < policy.cooldown_days, "cooldown", told)


def _unjudged(policy: Policy, evidence: Evidence, history: History) -> Guard:  # noqa: ARG001
    if evidence.champion is None or not evidence.needed_rows:
        return Guard("unjudged", False, "cooldown", "no gate asks for rows that the champion has not seen")
    told = f"{evidence.new_rows:,} rows are newer than the champion, its gate asks for {evidence.needed_rows:,}"
    holds = evidence.new_rows < evidence.needed_rows
    more = ": whatever was trained now would be refused" if holds else ""
    return Guard("unjudged", holds, "cooldown", f"{told}{more}")


def _unsettled(policy: Policy, evidence: Evidence, history: History) -> Guard:  # noqa: ARG001
    rule = policy.unsettled
    if rule is None:
        return Guard("unsettled", False, "wait", "nobody asks whether the newest days are usual")
    nights = nights_unsettled(rule, evidence.performance)
    if not nights:
        return Guard("unsettled", False, "wait", f"the newest {rule.days} days are usual")
    told = f"the newest {rule.days} days are out of the ordinary, for {nights} night{'s' if nights > 1 else ''} now"
    if evidence.requests:
        return Guard("unsettled", False, "wait", f"{told}, but a request does not wait")
    unseen = max((column.unseen_share for column in evidence.drift.columns), default=0.0) if evidence.drift else 0.0
    if unseen > rule.unseen:
        return Guard("unsettled", False, "wait", f"{told}, but {unseen:.0%} of the rows hold values never seen before")
    holds = nights <= rule.at_most
    more = f"at most {rule.at_most} are waited for" if holds else f"longer than the {rule.at_most} that are waited for"
    return Guard("unsettled", holds, "wait", f"{told}, {more}")


_GUARDS: tuple[Callable[[Policy, Evidence, History], Guard], ...] = (
    _data_bug,
    _backfill,
    _quiet,
    _breaker,
    _budget,
    _cooldown,
    _unjudged,
    _unsettled,
)
