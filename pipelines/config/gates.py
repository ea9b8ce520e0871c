"""The gates of a model: what a challenger must reach, each family of them on, tried (`dry_run`) or off."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pipelines.config.strict import LARGEST, Column, Share, Strict, truth


class Mode(StrEnum):
    """Whether a gate may refuse a challenger, only says what it would do, or is not asked."""

    ON = "on"
    DRY_RUN = "dry_run"
    OFF = "off"


class Family(StrEnum):
    """The families of gates, in the order in which they are asked; a gate's name begins with its family."""

    SANITY = "sanity"
    FLOORS = "floors"
    CHAMPION = "champion"
    AGREEMENT = "agreement"
    BASELINE = "baseline"
    SLICES = "slices"
    OVERLAP = "overlap"
    LEAKAGE = "leakage"
    CALIBRATION = "calibration"
    FAIRNESS = "fairness"
    ROBUSTNESS = "robustness"
    BEHAVIOUR = "behaviour"
    SERVING = "serving"
    POISONING = "poisoning"


# Where cost.json's `serving` holds what these gates saw: it depends on the machine, so passing answers do not say it.
CLOCKED: Mapping[str, tuple[str, ...]] = {
    "serving:row": ("row_ms", "cpu_p99"),
    "serving:throughput": ("rows_per_second",),
}


def observed(gate: Mapping[str, Any], cost: Mapping[str, Any]) -> float | None:
    """What `gate`, an answer of gates.json, observed; from `cost`, the run's cost.json, where its own must not say."""
    found: Any = gate["observed"]
    if found is None and gate["name"] in CLOCKED:
        found = cost.get("serving")
        for key in CLOCKED[gate["name"]]:
            found = (found or {}).get(key)
    return None if found is None else float(found)


def _mode(value: Any) -> Any:
    """`true`, `yes` and the like mean `on`, their opposites `off`."""
    meant = truth(value)
    return (Mode.ON if meant else Mode.OFF) if isinstance(meant, bool) else value


Modes = dict[Annotated[Family, Field(strict=False)], Annotated[Mode, Field(strict=False), BeforeValidator(_mode)]]
Bound = Annotated[float, Field(ge=0, le=LARGEST)]


class ChampionGate(Strict):
    """Not worse than the champion by more than `margin` on `metric`, over at least `min_rows` unseen rows.

    Judged by the upper end of the 95% interval of the paired difference, resampling whole days, where there are at
    least `min_days` of them; by the difference itself where there are fewer. Without a margin it is 5 % of the
    champion's own loss, or 0.02 of a metric of which more is better: a margin of 0 would ask every challenger to be
    surely better, and chance alone would keep a champion for ever.
    """

    metric: str | None = None
    margin: Bound | None = None
    min_rows: Annotated[int, Field(ge=1, le=10**12)] = 500
    # A week: fewer days lack some weekdays, and with five an interval is over three standard errors to each side.
    min_days: Annotated[int, Field(ge=2, le=3660)] = 7


class BaselineGate(Strict):
    """Better than the linear baseline on `metric` (default: the champion gate's), or worse by `margin` at most."""

    metric: str | None = None
    margin: Bound = 0.0


class SlicesGate(Strict):
    """Every slice of `evaluation.slices` and every weak segment found, of `min_rows` rows or more.

    `floors` and `ceilings` are bounds of metrics in each slice; `max_loss` is how much more than the champion a slice
    may lose, relative to the champion's mean loss there; `max_segment_ratio` bounds the mean loss of a segment found by
    a tree over that of all rows.
    """

    floors: dict[str, float] = Field(default_factory=dict)
    ceilings: dict[str, float] = Field(default_factory=dict)
    max_loss: Bound = 0.25
    max_segment_ratio: Annotated[float, Field(gt=1, le=1e6)] = 3.0
    min_rows: Annotated[int, Field(ge=1, le=10**9)] = 200


class LeakageGate(Strict):
    """`single_feature`: the most that one feature alone may explain (AUC, or R2 of a regression).

    `membership`: the most that a classifier may tell training rows from test rows by (AUC), and that a feature may
    follow the order of time by (rank correlation).
    """

    single_feature: Share = 0.98
    membership: Share = 0.99


class CalibrationGate(Strict):
    """The largest calibration error, and how far the mean score may be from the mean label, relative to the label's."""

    max_error: Share = 0.2
    max_bias: Bound = 0.5


class FairnessGate(Strict):
    """Gaps between the groups of `attributes` (columns of the feature table); none are asked about by default."""

    attributes: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    threshold: Share = 0.5
    max_selection_gap: Share = 0.2
    max_opportunity_gap: Share = 0.2
    min_impact_ratio: Share = 0.8
    min_rows: Annotated[int, Field(ge=1, le=10**9)] = 200


class RobustnessGate(Strict):
    """How much the mean loss may grow when one feature is spoilt, in units of what knowing nothing loses.

    `missing`: the feature is null; `noise`: shaken by a tenth of its spread; `unit`: multiplied by 1.609; `unknown`: of
    a value never seen.
    """

    missing: Bound = 2.0
    noise: Bound = 0.25
    unit: Bound = 2.0
    unknown: Bound = 2.0
    rows: Annotated[int, Field(ge=100, le=10**6)] = 5_000


class Invariance(Strict):
    """Scores must not move by more than `tolerance` on average when `column` gets another of its values."""

    column: Column
    tolerance: Bound = 0.01


class Direction(Strict):
    """When the number `column` grows by `by`, the mean score must `rise` or `fall` (or stay)."""

    column: Column
    by: Annotated[float, Field(gt=0, le=1e12)]
    score: Literal["rise", "fall"]


class BehaviourGate(Strict):
    """What the model's author knows about how scores must behave."""

    invariance: Annotated[tuple[Invariance, ...], Field(strict=False)] = ()
    direction: Annotated[tuple[Direction, ...], Field(strict=False)] = ()


class ServingGate(Strict):
    """The stored bytes, loaded by a fresh process: milliseconds a row (99th percentile), rows a second, size."""

    max_row_ms: Annotated[float, Field(gt=0, le=1e6)] = 100.0
    min_rows_per_second: Bound = 1_000.0
    max_megabytes: Annotated[float, Field(gt=0, le=1e6)] = 500.0


class PoisoningGate(Strict):
    """Any `days` test days in a row against older days: labels that contradict the model, rows that came twice.

    `max_flipped` is the share of flipped labels that the days may seem to have, or what validation days seemed to have
    if that is more. What is surely seen, and how often untouched days are refused, stands in docs/gates.md.
    """

    days: Annotated[int, Field(ge=1, le=365)] = 3
    max_flipped: Share = 0.1
    max_duplicates: Share = 0.05


class Gates(Strict):
    """`floors`: at least; `ceilings`: at most. `agreement`: mean difference of trial and release scores.

    `modes` says of each family whether it is `on` (the default), `dry_run` or `off`.
    """

    modes: Modes = Field(default_factory=dict)
    floors: dict[str, float] = Field(default_factory=dict)
    ceilings: dict[str, float] = Field(default_factory=dict)
    champion: ChampionGate = ChampionGate()
    agreement: Annotated[float, Field(gt=0, le=LARGEST)] = 0.05
    baseline: BaselineGate = BaselineGate()
    slices: SlicesGate = SlicesGate()
    leakage: LeakageGate = LeakageGate()
    calibration: CalibrationGate = CalibrationGate()
    fairness: FairnessGate = FairnessGate()
    robustness: RobustnessGate = RobustnessGate()
    behaviour: BehaviourGate = BehaviourGate()
    serving: ServingGate = ServingGate()
    poisoning: PoisoningGate = PoisoningGate()

    def mode(self, family: Family) -> Mode:
        """The mode of a family."""
        return self.modes.get(family, Mode.ON)

    @property
    def unseen_rows(self) -> int:
        """Labelled rows that the champion has not seen, without which its gate refuses every challenger; 0: none."""
        return self.champion.min_rows if self.mode(Family.CHAMPION) is Mode.ON else 0
