"""The evaluate stage: trial, champion and baseline on held-out days, and the gates' answers."""

from __future__ import annotations

import shutil
from typing import Any

from pipelines.config.params import RunParams
from pipelines.errors import ExitCode, IntegrityError
from pipelines.evaluation import cost, given, plots, report
from pipelines.evaluation.comparison import CHALLENGER
from pipelines.evaluation.judge import Challenger, Evaluated, evaluate
from pipelines.evaluation.report import Findings
from pipelines.gates import base, families
from pipelines.stages.context import StageContext, StageResult
from pipelines.storage import files, model_file
from pipelines.storage.model_file import Signature


def main(ctx: StageContext) -> StageResult:
    """Write `out/evaluate`; `REFUSED` when a gate refuses, with every out written all the same.

    Raises:
        ConfigError: a gate or a slice names what there is not, or test days overlap training days.
        IntegrityError: a model, the champion or the feature table is not what its hash or signature says.
        DataError: there are no test rows.
    """
    known = cost.read(ctx.root)
    shutil.rmtree(ctx.path("out", "evaluate"), ignore_errors=True)
    families.check(ctx.params.task, ctx.params.gates)
    training = files.read_json(ctx.path("out", "train", "training.json"))
    challenger = _challenger(ctx, training)
    found = evaluate(ctx.root, ctx.params, challenger, ctx.progress)
    results = families.judge(found.measured, ctx.params.gates)
    # The release's sha256 stands here, in Git: what promotion and every later load compare with.
    gates = base.as_json(results) | {
        "model_sha256": challenger.signature.model_sha256,
        "business": found.measured.business,
    }
    spent = cost.document(ctx.root, challenger.signature.model_sha256, found.measured.serving, known)
    _write(ctx, found, gates, training, spent)
    refusals = [result.sentence for result in results if result.refuses]
    measured = found.measured
    summary = {
        "passed": gates["passed"],
        "refusals": refusals,
        "test_rows": measured.rows,
        "challenger": measured.challenger,
        "champion": measured.compared.champion if measured.compared else None,
        "compared_rows": measured.compared.rows if measured.compared else 0,
        "business": measured.business,
        "cost": spent,
    }
    return StageResult(ExitCode.REFUSED if refusals else ExitCode.DONE, summary)


def _challenger(ctx: StageContext, training: dict[str, Any]) -> Challenger:
    folder = ctx.path("out", "train")
    signature = Signature.read(folder / "signature.json")
    schema = files.read_json(ctx.path("out", "features", "schema.json"))
    if signature.features_sha256 != schema["sha256"]:
        raise IntegrityError(
            "the models were trained on features of another features.py than out/features holds",
            where="out/train/signature.json",
            remedy="run the train stage again",
        )
    return Challenger(
        trial=model_file.verify_and_load(folder / "trial.json", signature.trial_sha256, signature),
        release=model_file.verify_and_load(folder / "release.json", signature.model_sha256, signature),
        signature=signature,
        features_sha256=schema["sha256"],
        rounds=int(training["rounds"]),
        trained=given.days(training, "trial", "out/train/training.json"),
        released=given.days(training, "release", "out/train/training.json"),
    )


def _write(
    ctx: StageContext, found: Evaluated, gates: dict[str, Any], training: dict[str, Any], spent: dict[str, Any]
) -> None:
    ctx.progress("writing the report")
    page = report.render(
        Findings(
            params=ctx.params,
            measured=found.measured,
            gates=gates,
            curves=found.curves,
            learning=training,
            importance=found.importance,
            slices=found.slices,
            notes=_notes(ctx.params, found),
        )
    )
    drawn = plots.csv_files(found.curves[CHALLENGER], found.importance["features"], training["curve"])
    with files.atomic_folder(ctx.path("out", "evaluate")) as out:
        for name, value in (
            ("metrics.json", found.measured.as_json()),
            ("gates.json", gates),
            ("cost.json", spent),
            ("slices.json", found.slices),
            ("importance.json", found.importance),
        ):
            (out / name).write_bytes(files.json_bytes(value))
        (out / "report.html").write_bytes(page)
        (out / "plots").mkdir()
        for name, data in drawn.items():
            (out / "plots" / name).write_bytes(data)


def _notes(params: RunParams, found: Evaluated) -> list[str]:
    """What a reader must know about how the numbers came about."""
    span, plain = params.span, found.baseline
    notes = [
        f"The challenger judged here is the trial, fitted on {span.train_start} to {span.train_end}. What is promoted "
        f"is the release: the same parameters and {found.measured.release['rounds']} rounds, refitted through "
        f"{span.test_end}.",
        f"The baseline is a {'ridge' if params.task == 'regression' else 'logistic'} regression on {plain.rows:,} "
        "rows, sampled by row id from the trial's training days: one-hot categories, standardised numbers, medians for "
        f"nulls{'' if plain.converged else '; its fit did not converge'}.",
        f"Importance is the mean absolute SHAP value of the trial on {found.importance['rows']:,} test rows, sampled "
        "by row id.",
        "What training and serving took stands in cost.json, which differs from machine to machine.",
        "Every metric is over all rows named above it, in float64; rows whose label will never come are left out.",
    ]
    if params.task != "regression":
        notes.append(
            "Log loss bounds probabilities away from 0 and 1 by 1e-7. Calibration error is the expected one: |mean "
            "score - mean label| over 15 bins of equal count, averaged by rows; rows of one score share a bin."
        )
    notes += _champions_scores(found)
    if found.champion_rebuilt:
        notes.append("The champion reads other features than this run: they were rebuilt for it on the compared days.")
    return notes


def _champions_scores(found: Evaluated) -> list[str]:
    compared = found.measured.compared
    sources = compared.sources if compared else None
    if sources is None or not sources.stamped_days:
        return []
    days = sources.stamped_days + sources.rescored_days
    return [f"On {sources.stamped_days} of {days} compared days the champion's scores are those of their nights."]
