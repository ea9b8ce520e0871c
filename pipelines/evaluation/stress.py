"""The models of a run under stress: spoilt and changed inputs, a fresh process, the newest days looked at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.gates import Family, Mode
from pipelines.config.params import RunParams
from pipelines.engines import relearnt
from pipelines.engines.columns import Columns
from pipelines.engines.matrix import predict, trees_of
from pipelines.engines.rows import Rows
from pipelines.evaluation import behaviour, copies, poisoning, robustness, serving
from pipelines.evaluation.behaviour import Behaviour
from pipelines.evaluation.poisoning import Poisoning, Relearn, Seen
from pipelines.evaluation.robustness import Robustness
from pipelines.evaluation.sampling import sample
from pipelines.evaluation.serving import Serving
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from xgboost import Booster

    Array = NDArray[Any]

# Of the test days and of those before: with 10,000 rows a window the order is known to a hundredth.
POISONING_ROWS = 50_000


class Stress:
    """What the trial and the release of the run at `root` are put through; families that are off are left out."""

    def __init__(self, root: Path, params: RunParams, trial: Booster, release: Booster, signature: Signature) -> None:
        self.root, self.params, self.signature = root, params, signature
        self.columns = Columns.of(signature)
        self.trial, self.release = self._predict(trial), self._predict(release)
        self.release_booster = release
        self.trees = trees_of(trial, signature), trees_of(release, signature)
        behaviour.check(params.gates.behaviour, params.task, self.columns)

    def measured(self, test: Rows) -> dict[str, Any]:
        """The fields of `Measured` that these families judge by, measured on `test`, the run's test days."""
        # Most of the fresh process's time goes into its imports: the others need not wait for it.
        with ThreadPoolExecutor(max_workers=1) as aside:
            served = None if self._off(Family.SERVING) else aside.submit(self._served, self._asked(test))
            return {
                "robustness": self._robustness(test),
                "behaviour": self._behaviour(test),
                "poisoning": self._poisoning(test),
                "serving": served.result() if served else None,
            }

    def _robustness(self, test: Rows) -> Robustness | None:
        if self._off(Family.ROBUSTNESS):
            return None
        block, label = self._block(test, self.params.gates.robustness.rows)
        params = self.params
        seed, trees = params.training.seed, self.trees[0]
        return robustness.measure(params.task, self.columns, self.trial, block, label, seed, trees)

    def _behaviour(self, test: Rows) -> Behaviour | None:
        rule = self.params.gates.behaviour
        if self._off(Family.BEHAVIOUR) or not (rule.invariance or rule.direction):
            return None
        block, _ = self._block(test, self.params.gates.robustness.rows)
        return behaviour.measure(rule, self.columns, self.release, block, self.trees[1])

    def _served(self, rows: pa.Table) -> Serving:
        """What a fresh process says of the release, as it is published, on `rows`."""
        file = self.root / "out" / "train" / "release.json"
        thresholds = {name: rule.threshold for name, rule in self.params.evaluation.business.items()}
        return serving.measure(file, self.signature, thresholds, rows, self._scores)

    def _scores(self, table: pa.Table) -> Array:
        return predict(self.release_booster, self.signature, table.to_batches())

    def _asked(self, test: Rows) -> pa.Table:
        return sample(test, self.columns.names, serving.ROWS)

    def _poisoning(self, test: Rows) -> Poisoning | None:
        if self._off(Family.POISONING):
            return None
        span, rule = self.params.span, self.params.gates.poisoning
        before = replace(test, first=span.validation_start, last=test.first - timedelta(days=1))
        (then, learn_then), (now, learn_now) = self._scored(before), self._scored(test)
        spans = poisoning.windows(test.first, test.last, rule.days)
        order, usual, labels = poisoning.judged(
            self.params.task, spans, rule.max_flipped, (then, now), (learn_then, learn_now)
        )
        copied = copies.measure(test, self.columns, rule.days, span.train_start)
        return Poisoning(test.first, test.last, rule.days, order, usual, labels, copied)

    def _scored(self, rows: Rows) -> tuple[Seen, Relearn]:
        """A sample of `rows` with the trial's scores, and how to learn their days anew."""
        import numpy as np
        import pyarrow as pa

        if next(rows.batches(["row_id"]), None) is None:
            nobody = Seen(np.empty(0, np.int32), np.empty(0), np.empty(0, np.float32))
            return nobody, lambda: nobody
        table = sample(rows, [*self.columns.names, "label", "event_date"], POISONING_ROWS)
        block, label = self._split(table)
        day = table.column("event_date").cast(pa.date32()).cast(pa.int32()).to_numpy()
        seen = Seen(day, label, self.trial(block))
        seed = self.params.training.seed
        return seen, lambda: seen._replace(score=relearnt.scores(self.params.task, *seen, block, seed))

    def _block(self, rows: Rows, count: int) -> tuple[Array, Array]:
        return self._split(sample(rows, [*self.columns.names, "label"], count))

    def _split(self, table: Any) -> tuple[Array, Array]:
        (batch,) = table.to_batches()
        return self.columns.block(batch), batch.column("label").to_numpy(zero_copy_only=False).astype("float64")

    def _predict(self, booster: Booster) -> Callable[[Array], Array]:
        import numpy as np

        return lambda block: np.asarray(booster.inplace_predict(block), np.float32)

    def _off(self, family: Family) -> bool:
        return self.params.gates.mode(family) is Mode.OFF
