"""Not worse than the champion by more than the margin, on rows whose labels neither model has seen."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from pipelines.config.gates import ChampionGate, Gates
from pipelines.evaluation.metrics import HIGHER_IS_BETTER, default_metric
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.record import Compared, Measured
from pipelines.evaluation.stamped import Sources
from pipelines.gates.base import GateResult, number

NAME = "champion"
# Where model.yaml names no margin. Of 117 sound retrainings of flights 14, 30 and 60 days apart, judged on 14 days, the
# interval is within 2 % of the champion's loss of half of them, within 5 % of nearly nine in ten.
RELATIVE_MARGIN = 0.05
HIGHER_MARGIN = 0.02


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """Passed while there is no champion; else whether unseen rows are enough and, if so, who is better on them."""
    rule = gates.champion
    metric = rule.metric or default_metric(measured.task)
    compared = measured.compared
    if compared is None:
        return [GateResult(NAME, True, None, rule.margin, "there is no champion yet", evidence={"metric": metric})]
    unseen = _unseen_rows(measured, compared, rule)
    return [unseen, _difference(compared, rule, metric)] if unseen.passed else [unseen]


def _unseen_rows(measured: Measured, compared: Compared, rule: ChampionGate) -> GateResult:
    """Enough test rows whose labels the champion has not seen; the days missing follow from the mean rows a day."""
    first, last = measured.days
    daily = max(1.0, measured.rows / ((last - first).days + 1))
    passed = compared.rows >= rule.min_rows
    evidence: dict[str, Any] = {"rows": compared.rows, "seen_until": compared.seen_until.isoformat()}
    sentence = (
        f"{compared.rows:,} test rows after {compared.seen_until}, the last day whose labels the champion has seen"
    )
    if not passed:
        # Days the champion has seen beyond our own last test day have to pass first.
        ahead = max(0, (compared.seen_until - last).days)
        missing = ahead + math.ceil((rule.min_rows - compared.rows) / daily)
        evidence["missing_days"] = missing
        sentence = (
            f"only {sentence}; {rule.min_rows:,} are needed: {missing} more day{'s' if missing > 1 else ''} of labels "
            f"are missing, through about {last + timedelta(days=missing)}"
        )
    return GateResult(
        f"{NAME}:unseen_rows", passed, float(compared.rows), float(rule.min_rows), sentence, evidence=evidence
    )


def _difference(compared: Compared, rule: ChampionGate, metric: str) -> GateResult:
    ours, theirs = compared.challenger[metric], compared.champion[metric]
    paired = compared.paired
    evidence: dict[str, Any] = {
        "metric": metric,
        "challenger": ours,
        "champion": theirs,
        "champion_version": compared.version,
        "rows": compared.rows,
        "days": [day.isoformat() for day in compared.days] if compared.days else None,
        **_sources(compared),
        "draws": paired.draws if paired else None,
    }
    if ours is None or theirs is None:
        who = "the challenger" if ours is None else "the champion"
        sentence = f"{metric} of {who} cannot be computed on the {compared.rows:,} compared rows"
        return GateResult(NAME, False, None, rule.margin, sentence, evidence=evidence)
    margin = _margin(rule, metric, theirs)
    worse = theirs - ours if metric in HIGHER_IS_BETTER else ours - theirs
    interval = _interval(paired, rule)
    judged = interval[1] if interval else worse
    # 0.51 - 0.50 is a hair more than 0.01 in binary: a difference of exactly the margin passes.
    slack = 1e-9 * max(abs(ours), abs(theirs))
    passed = judged <= margin + slack
    evidence |= {"judged": float(f"{judged:.9g}"), "superior": interval is not None and interval[1] < 0}
    verdict = "better than" if worse < 0 else "worse than" if worse > 0 else "equal to"
    by = f" by {number(abs(worse), margin)}" if worse else ""
    sentence = (
        f"{metric} {number(ours, theirs)} is {verdict} the champion's {number(theirs, ours)}{by} on the same "
        f"{compared.rows:,} rows; {_how(paired, interval, rule)}; "
        f"at most {number(margin, abs(judged))} worse is allowed"
    )
    found = float(f"{worse:.9g}")
    return GateResult(NAME, passed, found, margin, sentence, evidence=evidence, interval=interval)


def _sources(compared: Compared) -> dict[str, Any]:
    """Of how many days the champion's scores are those of their nights, and on how many it was asked again."""
    sources = compared.sources or Sources(rescored_days=compared.paired.days if compared.paired else 0)
    return {
        "stamped_days": sources.stamped_days,
        "rescored_days": sources.rescored_days,
        "stamped_apart": sources.apart,
    }


def _margin(rule: ChampionGate, metric: str, theirs: float) -> float:
    if rule.margin is not None:
        return rule.margin
    return HIGHER_MARGIN if metric in HIGHER_IS_BETTER else float(f"{RELATIVE_MARGIN * abs(theirs):.4g}")


def _interval(paired: Paired | None, rule: ChampionGate) -> tuple[float, float] | None:
    """How much worse the challenger is, from .. to; None: too few days to say."""
    if paired is None or paired.low is None or paired.high is None or paired.days < rule.min_days:
        return None
    return paired.low, paired.high


def _how(paired: Paired | None, interval: tuple[float, float] | None, rule: ChampionGate) -> str:
    """What the interval says; or why the difference alone has to do."""
    days = paired.days if paired else 0
    if interval is not None:
        low, high = interval
        sure = "surely better: " if high < 0 else "surely worse: " if low > 0 else ""
        return f"{sure}by {days} whole days it is between {_signed(low)} and {_signed(high)} (95%)"
    if days >= rule.min_days:
        return f"{days} days give no interval, so the difference itself decides"
    return f"{days} days of {rule.min_days} are too few for an interval, so the difference itself decides"


def _signed(worse: float) -> str:
    return f"{number(abs(worse))} {'worse' if worse > 0 else 'better'}" if worse else "equal"
