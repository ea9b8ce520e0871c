"""One evaluation from models and rows to numbers; reading and writing of outs is the stage's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.params import RunParams
from pipelines.engines.matrix import contributions, predict, trees_of
from pipelines.engines.rows import Rows
from pipelines.errors import ConfigError, DataError
from pipelines.evaluation import baseline, champion, comparison, cost, segments, slices, trust
from pipelines.evaluation.baseline import Baseline
from pipelines.evaluation.comparison import BASELINE, CHALLENGER, CHAMPION, RELEASE, booster_model
from pipelines.evaluation.importance import importance
from pipelines.evaluation.metrics import compute
from pipelines.evaluation.plots import Curves, curves
from pipelines.evaluation.record import Agreement, Days, Measured, ScoreFacts
from pipelines.evaluation.sampling import affordable, sample, spread
from pipelines.evaluation.scoring import Model, Scored, score
from pipelines.evaluation.stamped import Sources
from pipelines.evaluation.stress import Stress
from pipelines.evaluation.trust import Rival, Trust
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    import pyarrow as pa
    from xgboost import Booster

    from pipelines.engines.matrix import Progress

# Of the training rows, for agreement and leakage.
TRAIN_ROWS = 20_000
# SHAP walks a tree a hundred times as slowly as a score does: two thousand rows of five hundred trees are a second.
SHAP_WALKS = 1_000_000
FEWEST_SHAP_ROWS = 50


@dataclass(frozen=True)
class Challenger:
    """This run's models and what they expect; `features_sha256` is of the features.py behind the feature table.

    `trained` and `released` are the days that the train stage says it gave to trial and release.
    """

    trial: Booster
    release: Booster
    signature: Signature
    features_sha256: str
    rounds: int
    trained: Days
    released: Days


@dataclass(frozen=True)
class Evaluated:
    """The numbers of an evaluation. Slices and curves are on `shown` rows: the compared ones where there are enough.

    `champion_rebuilt`: the champion was asked again on some day, and reads other features than this run.
    """

    measured: Measured
    baseline: Baseline
    slices: dict[str, Any]
    importance: dict[str, Any]
    curves: dict[str, Curves]
    champion_rebuilt: bool


def evaluate(root: Path, params: RunParams, ours: Challenger, progress: Progress) -> Evaluated:
    """Judge `ours` on the run's test days against the champion and the baseline.

    Raises:
        IntegrityError: the champion or the feature table is not what it should be.
        ConfigError: a test day is not after the training days, or a slice is no column.
    """
    span = params.span
    if span.test_start <= span.train_end:
        raise ConfigError(
            f"test days begin on {span.test_start}, training days end on {span.train_end}",
            where="params.yaml span",
            remedy="held-out days must lie strictly after the training days",
        )
    slices.check(params.evaluation.slices, ours.signature.names)
    trust.check(params, ours.signature.names)
    stress = Stress(root, params, ours.trial, ours.release, ours.signature)
    rival = champion.load(root, params.task)
    train = Rows(root / "out" / "features" / "data", span.train_start, span.train_end)
    test = replace(train, first=span.test_start, last=span.test_end)
    progress("fitting the linear baseline")
    plain = baseline.fit(train, ours.signature, params.evaluation.baseline_rows)
    progress("scoring the test days")
    shares = rival is not None and rival.shares_features(params, ours.features_sha256)
    scored = score(test, _models(params, ours, plain, rival if shares else None), trust.columns_wanted(params))
    if not len(scored):
        raise DataError(
            "no labelled row to judge on", where=f"{span.test_start} to {span.test_end}", remedy="ingest these days"
        )
    unseen, sources = _unseen(scored, rival, root, params, shares=shares)
    given = sample(train, [*ours.signature.names, "label"], TRAIN_ROWS)
    measured = _measured(params, ours, scored, unseen, rival, sources, _agreement(given, ours))
    enough = unseen is not None and len(unseen) >= params.gates.champion.min_rows
    shown = unseen if unseen is not None and enough else scored
    names = [CHALLENGER, CHAMPION] if enough else [CHALLENGER]
    scores = {name: shown.scores[name] for name in [*names, BASELINE]}
    worth = cost.business(params.evaluation.business, shown.label, scores)
    progress("spoilt inputs, a fresh process, the newest days")
    measured = replace(measured, business=worth, **stress.measured(test))
    progress("slices and importance")
    sliced = _slices(params, shown, names)
    progress("overlap, leakage and calibration")
    checks = Trust(root, params, ours.signature, ours.trained, ours.released, train, given, test)
    parts = segments.parts_of(_large(params, shown, names, sliced), names, params.gates.slices.min_rows)
    against = Rival(rival.given_until, unseen.day) if rival is not None and unseen is not None else Rival()
    measured = replace(measured, **checks.measured(scored, scored.scores[CHALLENGER], parts, against))
    return Evaluated(
        measured,
        plain,
        sliced,
        _importance(test, params, ours),
        {name: curves(params.task, shown.label, shown.scores[name]) for name in [*names, BASELINE]},
        rival is not None and not shares and sources.rescored_days > 0,
    )


def _models(params: RunParams, ours: Challenger, plain: Baseline, rival: champion.Champion | None) -> dict[str, Model]:
    threads = params.training.threads
    models = {
        CHALLENGER: booster_model(ours.trial, ours.signature, threads),
        RELEASE: booster_model(ours.release, ours.signature, threads),
        BASELINE: Model(plain.encoder.columns, plain.predict),
    }
    if rival is not None:
        models[CHAMPION] = booster_model(rival.booster, rival.signature, threads)
    return models


def _unseen(
    scored: Scored, rival: champion.Champion | None, root: Path, params: RunParams, *, shares: bool
) -> tuple[Scored | None, Sources]:
    """The rows the champion has not seen, with its scores, and where those come from; None without a champion."""
    if rival is None:
        return None, Sources()
    return comparison.with_champion(comparison.unseen(scored, rival), rival, root, params, shares=shares)


def _agreement(given: pa.Table, ours: Challenger) -> Agreement:
    """Trial and release on `given`, a sample of the trial's training rows, which both have seen.

    On the test days they differ by what the release has learnt there, which is what it was refitted for.
    """
    rows = affordable(len(given), 2, trees_of(ours.trial, ours.signature))
    batches = (
        given.take(spread(len(given), rows)).combine_chunks().to_batches() if rows < len(given) else given.to_batches()
    )
    trial, release = (predict(booster, ours.signature, batches) for booster in (ours.trial, ours.release))
    return Agreement.of(trial, release)


def _measured(
    params: RunParams,
    ours: Challenger,
    scored: Scored,
    unseen: Scored | None,
    rival: champion.Champion | None,
    sources: Sources,
    agreement: Agreement,
) -> Measured:
    trial, release = scored.scores[CHALLENGER], scored.scores[RELEASE]
    whole = {name: compute(params.task, scored.label, scored.scores[name]) for name in (CHALLENGER, BASELINE)}
    compared = None
    if unseen is not None and rival is not None:
        same = unseen.label is scored.label
        compared = comparison.compared(unseen, rival, params, whole if same else {}, sources)
    return Measured(
        task=params.task,
        rows=len(scored),
        days=(params.span.test_start, params.span.test_end),
        challenger=whole[CHALLENGER],
        baseline=whole[BASELINE],
        compared=compared,
        agreement=agreement,
        trial_scores=ScoreFacts.of(trial),
        release_scores=ScoreFacts.of(release),
        release={"rounds": ours.rounds},
    )


def _slices(params: RunParams, shown: Scored, names: Sequence[str]) -> dict[str, Any]:
    found = slices.by_slice(params.task, _sliced(params, shown), names, params.evaluation.min_slice_rows)
    return {"rows": len(shown), "models": list(names), "columns": found}


def _large(params: RunParams, shown: Scored, names: Sequence[str], sliced: dict[str, Any]) -> list[dict[str, Any]]:
    """Every slice that the gate asks about, even one too small for the report."""
    if params.gates.slices.min_rows < params.evaluation.min_slice_rows:
        return slices.by_slice(params.task, _sliced(params, shown), names, params.gates.slices.min_rows)
    found: list[dict[str, Any]] = sliced["columns"]
    return found


def _sliced(params: RunParams, shown: Scored) -> Scored:
    """Without the columns that are only looked at for fairness."""
    return replace(shown, slices={name: shown.slices[name] for name in params.evaluation.slices})


def _importance(test: Rows, params: RunParams, ours: Challenger) -> dict[str, Any]:
    names = ours.signature.names
    most = max(FEWEST_SHAP_ROWS, SHAP_WALKS // max(1, trees_of(ours.trial, ours.signature)))
    rows = sample(test, names, min(params.evaluation.shap_rows, most))
    return importance(names, lambda batch: contributions(ours.trial, ours.signature, batch), rows)
