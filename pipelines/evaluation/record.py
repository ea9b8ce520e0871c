"""What an evaluation found, as the gates read it and as `metrics.json` keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.evaluation.behaviour import Behaviour
from pipelines.evaluation.calibration import CalibrationFacts
from pipelines.evaluation.fairness import Gaps
from pipelines.evaluation.leakage import LeakageFacts
from pipelines.evaluation.metrics import Metrics, rounded
from pipelines.evaluation.overlap import OverlapFacts
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.poisoning import Poisoning
from pipelines.evaluation.robustness import Robustness
from pipelines.evaluation.segments import SliceFacts
from pipelines.evaluation.serving import Serving
from pipelines.evaluation.stamped import Sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

Days = tuple[date, date]
STRESS = ("robustness", "behaviour", "serving", "poisoning")


@dataclass(frozen=True)
class ScoreFacts:
    """A model's scores on the test rows: how many, how many are no finite number, the rest's lowest and highest."""

    rows: int
    broken: int
    low: float | None
    high: float | None

    @classmethod
    def of(cls, score: NDArray[Any]) -> ScoreFacts:
        """The facts of scores (n,) or (n, k). Where every row has the same scores, `low` equals `high`."""
        import numpy as np

        finite = np.isfinite(score)
        broken = int((~finite.reshape(len(score), -1).all(axis=1)).sum())
        # Several classes: the class that moves most between rows tells whether rows differ at all.
        moving = score if score.ndim == 1 else score[:, int(np.argmax(np.ptp(np.nan_to_num(score), axis=0)))]
        known = moving[np.isfinite(moving)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
        return cls(len(score), broken, rounded(low), rounded(high))


@dataclass(frozen=True)
class Agreement:
    """How far the release's scores are from the trial's on `rows` rows both have seen; None where they are no numbers.

    A row's difference is half the sum over classes of |trial - release|: for two classes |difference of probability|;
    for a regression it is |difference of value|.
    """

    mean: float | None
    max: float | None
    rows: int = 0

    @classmethod
    def of(cls, trial: NDArray[Any], release: NDArray[Any]) -> Agreement:
        """The agreement of scores (n,) or (n, k) of the same rows."""
        import numpy as np

        apart = np.abs(trial.astype(np.float64) - release.astype(np.float64))
        if apart.ndim == 2:
            apart = apart.sum(axis=1) / 2
        if not len(apart) or not np.isfinite(apart).all():
            return cls(None, None, len(apart))
        return cls(rounded(float(np.mean(apart))), rounded(float(np.max(apart))), len(apart))


@dataclass(frozen=True)
class Compared:
    """Challenger and champion on the test rows after `seen_until`, the last day whose labels the champion has seen.

    `sources` says of which days the champion's scores are those of their nights; None: it was asked again for all.
    """

    version: int | None
    seen_until: date
    rows: int
    days: Days | None
    challenger: Metrics
    champion: Metrics
    baseline: Metrics
    paired: Paired | None = None
    sources: Sources | None = None
    # Of every metric that both have: challenger minus champion, with its interval.
    differences: dict[str, dict[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Everything the gates judge by. `compared` is None while there is no champion.

    A fact that is None could not be known where the gates are asked: its family then gives no answer.
    """

    task: Task
    rows: int
    days: Days
    challenger: Metrics
    baseline: Metrics
    compared: Compared | None
    agreement: Agreement
    trial_scores: ScoreFacts
    release_scores: ScoreFacts
    release: dict[str, Any]
    slices: SliceFacts | None = None
    overlap: OverlapFacts | None = None
    leakage: LeakageFacts | None = None
    calibration: CalibrationFacts | None = None
    fairness: tuple[Gaps, ...] | None = None
    robustness: Robustness | None = None
    behaviour: Behaviour | None = None
    serving: Serving | None = None
    poisoning: Poisoning | None = None
    business: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The contents of `metrics.json`: numbers by name, for `dvc metrics diff`; no clock and no run in it."""
        compared = self.compared
        return {
            "challenger": self.challenger,
            "champion": compared.champion if compared and compared.rows else None,
            "baseline": self.baseline,
            "compared": _compared_json(compared) if compared else None,
            "test": {"rows": self.rows, "days": [day.isoformat() for day in self.days]},
            "agreement": asdict(self.agreement),
            "release": self.release,
            "business": self.business,
            **{name: found.as_json() for name in STRESS if (found := getattr(self, name)) is not None},
        }


def _compared_json(compared: Compared) -> dict[str, Any]:
    return {
        "challenger": compared.challenger,
        "champion": compared.champion,
        "baseline": compared.baseline,
        "rows": compared.rows,
        "days": [day.isoformat() for day in compared.days] if compared.days else None,
        "differences": compared.differences,
    }
