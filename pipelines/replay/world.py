"""The past as replay sees it: labels by day, retrainings on demand, and what each of them was worth on each day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Model
from pipelines.config.params import RunParams
from pipelines.evaluation.metrics import Metrics, compute
from pipelines.performance.estimate import Estimator
from pipelines.performance.estimate import fit as learn
from pipelines.performance.loss import Sums, prior, prior_loss
from pipelines.policy.evidence import PerformanceFacts
from pipelines.replay import fits
from pipelines.replay.fits import Fit
from pipelines.replay.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPOCH = date(1970, 1, 1)


@dataclass
class World:
    """A model on its feature table, with the retrainings kept in `folder`; what is worked out once is kept in memory.

    `metrics`: whether the facts of a day hold every metric of the task, which takes longer than its loss alone.
    """

    name: str
    model: Model
    table: Table
    folder: Path
    say: Callable[[str], None]
    metrics: bool = False
    _fits: dict[date, Fit] = field(default_factory=dict)
    _sums: dict[tuple[date, date], Sums] = field(default_factory=dict)
    _facts: dict[tuple[date, date], PerformanceFacts | None] = field(default_factory=dict)
    _tests: dict[date, tuple[Metrics, Estimator, tuple[float, ...]]] = field(default_factory=dict)

    def params(self, as_of: date) -> RunParams:
        """The parameters of the retraining as of `as_of`."""
        return RunParams.of(self.name, self.model, as_of)

    def path(self, as_of: date) -> Path:
        """Where that retraining is kept, or will be."""
        return fits.path_of(self.folder, self.params(as_of), self.table)

    def fit(self, as_of: date) -> Fit:
        """The retraining as of `as_of`: kept from before, or made now."""
        if as_of not in self._fits:
            params, path = self.params(as_of), self.path(as_of)
            if not path.is_file():
                self.say(f"retraining as of {as_of}")
                fits.make(path, params, self.table, self.say)
            self._fits[as_of] = fits.read(path, params)
        return self._fits[as_of]

    def scores(self, as_of: date, first: date, last: date) -> tuple[NDArray[Any], NDArray[Any]]:
        """Labels (n,), NaN where none came, and the release's scores of the rows of `first` to `last`."""
        made = self.fit(as_of)
        rows, start = self._rows(first, last), self._rows(made.params.span.test_start, last).start
        return self._labels[rows], made.release[rows.start - start : rows.stop - start]

    def test(self, as_of: date) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Labels (n,), trial scores and days since 1970 (n,) of the labelled rows of a retraining's test days."""
        import numpy as np

        made = self.fit(as_of)
        rows = self._rows(made.params.span.test_start, made.params.span.test_end)
        label, day = self._labels[rows], self._days[rows]
        there = np.isfinite(label)
        return label[there], made.trial[there], day[there]

    def judged(self, as_of: date) -> tuple[Metrics, Estimator, tuple[float, ...]]:
        """The trial's metrics on its test days, the estimator that they teach, and what knowing nothing would say."""
        import numpy as np

        if as_of not in self._tests:
            label, score, day = self.test(as_of)
            span, task = self.fit(as_of).params.span, self.model.task
            seen = self._labels[self._rows(span.train_start, span.test_end)]
            known = prior(task, seen[np.isfinite(seen)], len(self.model.label.classes))
            self._tests[as_of] = (compute(task, label, score), learn(task, label, score, day), known)
        return self._tests[as_of]

    def sums(self, as_of: date, day: date) -> Sums:
        """What the release as of `as_of` was worth on the labelled rows of `day`."""
        import numpy as np

        if (as_of, day) not in self._sums:
            label, score = self.scores(as_of, day, day)
            there = np.isfinite(label)
            self._sums[as_of, day] = Sums.of(self.model.task, label[there], score[there])
        return self._sums[as_of, day]

    def facts(self, as_of: date, day: date) -> PerformanceFacts | None:
        """The same as evidence; None where the day has no label."""
        if (as_of, day) not in self._facts:
            self._facts[as_of, day] = self._measured(as_of, day)
        return self._facts[as_of, day]

    def rows(self, first: date, last: date) -> int:
        """How many labelled rows these days have."""
        import numpy as np

        return int(np.isfinite(self._labels[self._rows(first, last)]).sum())

    def arrived(self, first: date, last: date) -> int:
        """How many rows these days have, those among them that never get a label: what a night counts as new."""
        found = self._rows(first, last)
        return int(found.stop - found.start)

    def _measured(self, as_of: date, day: date) -> PerformanceFacts | None:
        import numpy as np

        sums, task = self.sums(as_of, day), self.model.task
        if sums.loss is None:
            return None
        label, score = self.scores(as_of, day, day)
        there = np.isfinite(label)
        _, estimator, known = self.judged(as_of)
        found = estimator.estimate(score)
        # Of a regression the loss is the squared error, whose mean is the square of the RMSE.
        expected = found["log_loss"].value if "log_loss" in found else None
        expected = found["rmse"].value ** 2 if "rmse" in found else expected
        every = compute(task, label[there], score[there]) if self.metrics else {}
        return PerformanceFacts(
            day=day,
            rows=sums.rows,
            loss=sums.loss,
            estimated_loss=expected,
            metrics={name: value for name, value in every.items() if value is not None},
            label_mean=sums.label_mean,
            score_mean=sums.score_mean,
            baseline_loss=prior_loss(task, label[there], known),
        )

    def _rows(self, first: date, last: date) -> slice:
        import numpy as np

        low, high = (first - EPOCH).days, (last - EPOCH).days
        return slice(int(np.searchsorted(self._days, low)), int(np.searchsorted(self._days, high, "right")))

    @property
    def _days(self) -> NDArray[Any]:
        return self._columns[0]

    @property
    def _labels(self) -> NDArray[Any]:
        return self._columns[1]

    @cached_property
    def _columns(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Days since 1970 and labels of all rows, in the table's order."""
        import numpy as np
        import pyarrow as pa

        from pipelines.engines.rows import Rows

        days, labels = [], []
        for batch in Rows(self.table.folder, self.table.first, self.table.last, labelled=False).batches(
            ["event_date", "label"]
        ):
            days.append(batch.column(0).cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False))
            labels.append(batch.column(1).to_numpy(zero_copy_only=False).astype(np.float64))
        return np.concatenate(days), np.concatenate(labels)


def nights(first: date, last: date) -> list[date]:
    """The days from `first` to `last`."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
