"""One policy run forward over the past, night after night, as it would have been in the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from pipelines.config.policy import Policy
from pipelines.performance.loss import Sums
from pipelines.policy.decide import decide
from pipelines.policy.evidence import ChampionFacts, EstimateFacts, Evidence
from pipelines.policy.history import History, Night, Retraining
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
    """A policy's whole course from the first champion on; the first retraining, which all policies share, is no part."""

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
    world: World, plan: Plan, first: date, last: date, *, phase: float = 0.0, gated: bool = True
) -> Course:
    """The course of `plan` from a first champion as of `first` through the night of `last`.

    Without `gated` every retraining becomes champion. Labels are known `label.maturity_days` after their day.

    Raises:
        ConfigError, DataError: a retraining's window leaves nothing to train on.
    """
    course = _Course(world, gated, first)
    calendar = plan.calendar(first, last, phase)
    for day in nights(first + timedelta(days=1), last):
        # The last night would train a model that scores no day.
        if day == last:
            course.night(day, lambda: ("wait", "the last night"))
        elif plan.policy is None:
            course.night(day, lambda day=day: ("retrain" if day in calendar else "wait", plan.name))
        else:
            course.night(day, lambda day=day: _decided(course, plan.policy, day))
    return Course(plan.name, tuple(course.steps), tuple(course.retrainings))


def _decided(course: _Course, policy: Policy, day: date) -> tuple[str, str]:
    history = History(tuple(course.nights), tuple(course.retrainings))
    decision = decide(policy, evidence(course.world, course.champion, course.version, day, policy), history)
    course.nights.append(decision.night)
    return decision.verdict, decision.sentence


def evidence(world: World, champion: date, version: int, day: date, policy: Policy) -> Evidence:
    """What the night of `day` knows of the champion as of `champion`: labels only of the days that have matured."""
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
        performance=tuple(item for item in facts if item is not None),
        reference={name: value for name, value in own.items() if value is not None},
        estimated=_estimated(world, champion, day) if policy.estimated_performance else (),
        new_rows=world.rows(span.test_end + timedelta(days=1), matured),
    )


def _estimated(world: World, champion: date, day: date) -> tuple[EstimateFacts, ...]:
    _, score = world.scores(champion, day, day)
    found = world.judged(champion)[1].estimate(score)
    return tuple(EstimateFacts(day=day, **item.to_json()) for item in found.values())
