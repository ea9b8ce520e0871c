"""One policy run forward over the past, night after night, as it would have been in the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from pipelines.config.policy import DriftRule, Policy
from pipelines.performance.loss import Sums
from pipelines.policy.decide import decide
from pipelines.policy.evidence import ChampionFacts, DriftFacts, EstimateFacts, Evidence
from pipelines.policy.history import History, Night, Retraining
from pipelines.replay.drifting import Drifts
from pipelines.replay.gates import refusal
from pipelines.replay.plans import Plan
from pipelines.replay.world import World, nights

MOST_DAYS = 60


@dataclass(frozen=True)
class Step:
    """A night: who was champion (as of which day), what it was worth that day, and what the night decided."""

    day: date
    champion: date
    sums: Sums
    verdict: str = "wait"
    sentence: str = ""


@dataclass(frozen=True)
class Course:
    """A policy's whole course from the first champion on, whose own retraining is no part of it."""

    plan: str
    steps: tuple[Step, ...]
    retrainings: tuple[Retraining, ...]

    @property
    def seconds(self) -> float:
        """Seconds of fitting."""
        return sum(item.seconds for item in self.retrainings)

    @property
    def promoted(self) -> tuple[date, ...]:
        """The days as of which a challenger became champion."""
        return tuple(item.day for item in self.retrainings if item.outcome == "promoted")

    @property
    def loss(self) -> float:
        """The mean loss of a labelled row over all days."""
        return Sums.total(step.sums for step in self.steps).loss or 0.0


@dataclass
class _Course:
    world: World
    drifts: Drifts
    gated: bool
    champion: date
    version: int = 1
    steps: list[Step] = field(default_factory=list)
    nights: list[Night] = field(default_factory=list)
    retrainings: list[Retraining] = field(default_factory=list)

    def night(self, day: date, choose: Callable[[], tuple[str, str]]) -> None:
        """Score the day, decide, retrain if so decided."""
        scored = self.champion
        verdict, sentence = choose()
        self.steps.append(Step(day, scored, self.world.sums(scored, day), verdict, sentence))
        if verdict == "retrain":
            self._retrain(day)

    def _retrain(self, day: date) -> None:
        made = self.world.fit(day)
        refused = refusal(self.world, day, self.champion) if self.gated else None
        outcome = "refused" if refused else "promoted"
        self.retrainings.append(Retraining(day, f"{day}", made.seconds, "refused" if refused else "promoted"))
        if outcome == "promoted":
            self.champion, self.version = day, self.version + 1


def replay(
    world: World,
    plan: Plan,
    first: date,
    last: date,
    *,
    drifts: Drifts | None = None,
    phase: float = 0.0,
    gated: bool = True,
) -> Course:
    """The course of `plan` from a first champion as of `first` through the night of `last`.

    Without `gated` every retraining becomes champion. `drifts` may be shared by courses over one world. Labels are
    known `label.maturity_days` after their day.

    Raises:
        ConfigError, DataError: a retraining's window leaves nothing to train on.
    """
    course = _Course(world, drifts or Drifts(world), gated, first)
    calendar = plan.calendar(first, last, phase)
    for day in nights(first + timedelta(days=1), last):
        course.night(day, _choose(course, plan, calendar, day, last))
    return Course(plan.name, tuple(course.steps), tuple(course.retrainings))


def _choose(
    course: _Course, plan: Plan, calendar: frozenset[date], day: date, last: date
) -> Callable[[], tuple[str, str]]:
    """The night's verdict and its sentence, once it has scored its day."""
    if day == last:
        return lambda: ("wait", "The last night: what it trained would score no day.")
    policy = plan.policy
    if policy is None:
        return lambda: ("retrain" if day in calendar else "wait", f"Schedule: {plan.name}.")
    return lambda: _decided(course, policy, day)


def _decided(course: _Course, policy: Policy, day: date) -> tuple[str, str]:
    history = History(tuple(course.nights), tuple(course.retrainings))
    known = evidence(course.drifts, course.champion, course.version, day, policy, gated=course.gated)
    decision = decide(policy, known, history)
    course.nights.append(decision.night)
    return decision.verdict, decision.sentence


def evidence(
    drifts: Drifts, champion: date, version: int, day: date, policy: Policy, *, gated: bool = True
) -> Evidence:
    """What the night of `day` knows of the champion as of `champion`: labels only of the days that have matured."""
    world = drifts.world
    made = world.fit(champion)
    span = made.params.span
    matured = day - timedelta(days=world.model.label.maturity_days)
    # It scored nothing before the night after its own.
    oldest = max(champion + timedelta(days=1), matured - timedelta(days=MOST_DAYS - 1))
    facts = (world.facts(champion, item) for item in nights(oldest, matured))
    own, _, _ = world.judged(champion)
    return Evidence(
        model=world.name,
        day=day,
        champion=ChampionFacts(
            version, str(champion), champion, span.test_end, int(made.facts["release_rows"]), made.seconds
        ),
        age_days=(day - champion).days,
        drift=_drift(drifts, champion, day, policy),
        performance=tuple(item for item in facts if item is not None),
        reference={name: value for name, value in own.items() if value is not None},
        estimated=_estimated(world, champion, day) if policy.estimated_performance else (),
        new_rows=world.arrived(span.test_end + timedelta(days=1), matured),
        needed_rows=world.model.gates.unseen_rows if gated else 0,
    )


def _drift(drifts: Drifts, champion: date, day: date, policy: Policy) -> DriftFacts | None:
    """As much of it as the policy looks at."""
    rule = policy.drift or (DriftRule(what="unseen") if policy.unsettled else None)
    return drifts.facts(champion, day, rule) if rule else None


def _estimated(world: World, champion: date, day: date) -> tuple[EstimateFacts, ...]:
    _, score = world.scores(champion, day, day)
    found = world.judged(champion)[1].estimate(score)
    return tuple(EstimateFacts(day=day, **item.to_json()) for item in found.values())
