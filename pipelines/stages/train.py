"""train: fit the trial without the newest days, then the release, the same parameters refitted through the last one."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pipelines.config.model import Training
from pipelines.config.params import RunParams
from pipelines.engines import boost, example, search
from pipelines.engines.boost import Fitted
from pipelines.engines.matrix import Progress, matrix, release_memory
from pipelines.engines.rows import Rows
from pipelines.engines.survey import Survey, check_labels, survey
from pipelines.errors import IntegrityError, shorten
from pipelines.evaluation.sampling import sample
from pipelines.stages.context import StageContext, StageResult
from pipelines.storage import files, model_file
from pipelines.storage.model_file import Feature, Signature

if TYPE_CHECKING:
    from xgboost import Booster


@dataclass(frozen=True)
class Trained:
    """A trial, the release with its rounds, and what they were fitted with."""

    trial: Fitted
    release: Booster
    survey: Survey
    training: Training
    search: dict[str, Any] | None
    release_rows: int


def main(ctx: StageContext) -> StageResult:
    """Read out/features, write out/train; raises DataError when the rows cannot be trained on."""
    started = time.monotonic()
    out = ctx.path("out", "train")
    if out.exists():
        shutil.rmtree(out)
    schema = ctx.path("out", "features", "schema.json")
    features, features_sha256 = read_schema(schema)
    features = with_missing(
        features, Rows(ctx.path("out", "features", "data"), ctx.params.span.train_start, ctx.params.span.test_end)
    )
    trained = train(ctx.path("out", "features", "data"), features, ctx.params, ctx.progress)
    shas = {
        "trial": model_file.save(out / "trial.json", trained.trial.booster),
        "release": model_file.save(out / "release.json", trained.release),
    }
    said = signature(ctx.params, trained.survey, features_sha256, shas, read_types(schema))
    said = with_example(said, trained.release, Rows(ctx.path("out", "features", "data"), *_test_days(ctx.params)))
    said.write(out / "signature.json")
    files.write_json(out / "training.json", document(ctx.params, trained, shas))
    seconds = round(time.monotonic() - started, 3)
    files.write_json(ctx.path("out", "cost", "train.json"), cost(trained, seconds))
    return StageResult(
        summary={
            "rounds": trained.trial.rounds,
            "loss": trained.trial.loss,
            "metric": trained.trial.curve.metric,
            "model_sha256": shas["release"],
            "search_trials": len(trained.search["trials"]) if trained.search else 0,
            "seconds": seconds,
        }
    )


def train(folder: Path, features: tuple[Feature, ...], params: RunParams, progress: Progress) -> Trained:
    """Trial and release from the feature table in `folder`.

    The trial is fitted on the days before `span.validation_start`, stopped early on those through `span.train_end`.
    The release takes its parameters and rounds to all days through `span.test_end`. Matrices are never held together.
    """
    span, task, classes = params.span, params.task, len(params.label.classes)
    whole = Rows(folder, span.train_start, span.test_end)
    progress(f"labels and categories of {span.train_start} to {span.test_end}")
    release_rows = check_labels(whole, task, classes)
    early = replace(whole, last=span.validation_start - timedelta(days=1))
    later = replace(whole, first=span.validation_start, last=span.train_end)
    seen = survey(early, features, params.training, task, classes)
    training, log = _searched(replace(whole, last=span.train_end), seen, params, progress)
    settings = boost.parameters(training, task, seen.columns, classes)
    release_memory()
    progress(f"trial: at most {training.rounds} rounds on {seen.rows} rows")
    trial = _trial(early, later, seen, settings, training, progress)
    release_memory()
    progress(f"release: {trial.rounds} rounds on {release_rows} rows")
    binned = matrix(whole, seen.columns, training, weights=seen.weights(training), progress=progress)
    release = boost.fit(binned, None, settings, rounds=trial.rounds, progress=progress)
    return Trained(trial, release.booster, seen, training, log, release_rows)


def read_schema(path: Path) -> tuple[tuple[Feature, ...], str]:
    """The features in order and the sha256 of the features.py that made them; raises IntegrityError."""
    document = files.read_json(path)
    try:
        return tuple(Feature.model_validate(item) for item in document["features"]), str(document["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"is no feature schema: {shorten(str(error))}", where=files.short(path), remedy="run the features stage"
        ) from None


def read_types(path: Path) -> dict[str, dict[str, str]]:
    """The types of the columns that the features were built from, by table; raises IntegrityError."""
    found = files.read_json(path).get("tables", {})
    try:
        return TypeAdapter(dict[str, dict[str, str]]).validate_python(found, strict=True)
    except ValidationError as error:
        raise IntegrityError(
            f"holds no types of columns: {shorten(str(error))}",
            where=files.short(path),
            remedy="run the features stage",
        ) from None


def with_missing(features: tuple[Feature, ...], rows: Rows) -> tuple[Feature, ...]:
    """`features`, of which each says whether any of `rows` lacks it."""
    nulls = rows.nulls([item.name for item in features])
    return tuple(item.model_copy(update={"missing": item.name in nulls}) for item in features)


def signature(
    params: RunParams,
    survey: Survey,
    features_sha256: str,
    shas: dict[str, str],
    tables: dict[str, dict[str, str]] | None = None,
) -> Signature:
    """What the models of this run expect and where they come from; `tables` as `read_types` gives them."""
    return Signature(
        task=params.task,
        classes=params.label.classes,
        features=survey.columns.features,
        vocabularies=dict(survey.columns.vocabularies),
        label=params.label.expression,
        seed=params.training.seed,
        xgboost=model_file.xgboost_version(),
        features_sha256=features_sha256,
        model_sha256=shas["release"],
        trial_sha256=shas["trial"],
        tables=tables or {},
    )


def with_example(said: Signature, release: Booster, rows: Rows) -> Signature:
    """`said` with a few of `rows` and what the release says of them now, before anybody has read it from a file."""
    if next(rows.batches(["row_id"]), None) is None:
        return said
    release.set_param({"device": "cpu"})  # where it is served; a GPU adds up in another order
    (batch,) = sample(rows, said.names, example.ROWS).to_batches()
    return said.model_copy(update={"example": example.make(release, said, batch)})


def cost(trained: Trained, seconds: float) -> dict[str, Any]:
    """What training took, with reading and the search: an out of its own, for it is never the same twice."""
    rows = trained.survey.rows + trained.release_rows
    return {
        "seconds": seconds,
        "rows": rows,
        "rounds": trained.trial.rounds,
        "rows_per_second": round(rows / seconds) if seconds else None,
    }


def document(params: RunParams, trained: Trained, shas: dict[str, str]) -> dict[str, Any]:
    """training.json: no clock in it, for `evergreen reproduce` compares its bytes."""
    span = params.span
    return {
        "rounds": trained.trial.rounds,
        "training": trained.training.model_dump(mode="json"),
        "curve": trained.trial.curve.document(),
        "trial": {
            "sha256": shas["trial"],
            "days": _days(span.train_start, span.train_end),
            "fitted": _days(span.train_start, span.validation_start - timedelta(days=1)),
            "rows": trained.survey.rows,
            "classes": list(trained.survey.classes),
        },
        "release": {
            "sha256": shas["release"],
            "days": _days(span.train_start, span.test_end),
            "rows": trained.release_rows,
        },
        "search": trained.search,
    }


def _trial(
    early: Rows, later: Rows, seen: Survey, settings: dict[str, Any], training: Training, say: Progress
) -> Fitted:
    weights = seen.weights(training)
    binned = matrix(early, seen.columns, training, weights=weights, progress=say)
    validation = matrix(later, seen.columns, training, weights=weights, ref=binned, progress=say)
    patience = training.early_stopping_rounds
    return boost.fit(binned, validation, settings, rounds=training.rounds, patience=patience, progress=say)


def _searched(
    rows: Rows, seen: Survey, params: RunParams, progress: Progress
) -> tuple[Training, dict[str, Any] | None]:
    training, columns = params.training, seen.columns
    if not training.hpo.trials:
        return training, None
    count, weights = training.hpo.folds, seen.weights(training)
    every = search.sampling(seen.rows, len(columns.features), count)
    pairs = []
    for fold in search.folds(replace(rows, every=every), params.span, count):
        binned = matrix(fold.train, columns, training, weights=weights, progress=progress)
        later = matrix(fold.validation, columns, training, weights=weights, ref=binned, progress=progress)
        pairs.append((binned, later))
    on_fold = search.judge(pairs, params.task, columns, len(params.label.classes), progress)
    found = search.search(training, count, on_fold, progress)
    return found.training, {"every": every} | found.log


def _test_days(params: RunParams) -> tuple[date, date]:
    return params.span.test_start, params.span.test_end


def _days(first: date, last: date) -> list[str]:
    return [first.isoformat(), last.isoformat()]
