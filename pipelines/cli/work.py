"""Commands that do the work: ingest, retrain, one stage, predict, reproduce."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings
from pipelines.config.names import Promotion
from pipelines.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from pipelines.stages.context import StageResult


class Step(StrEnum):
    """What `evergreen stage` can do: the five stages of dvc.yaml and the steps around them, and those of the night."""

    INGEST = "ingest"
    SCORE = "score"
    MONITOR = "monitor"
    DECIDE = "decide"
    SNAPSHOT = "snapshot"
    VALIDATE = "validate"
    FEATURES = "features"
    TRAIN = "train"
    EVALUATE = "evaluate"
    REGISTER = "register"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RECONCILE = "reconcile"


_WITHOUT_RUN = (Step.INGEST, Step.SCORE, Step.MONITOR, Step.DECIDE, Step.ROLLBACK, Step.RECONCILE)


def ingest(
    model: ModelName,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day; the first if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take days of source data into the ledger: check each partition, accept or quarantine it (3: accepted none)."""
    from pipelines.night.ingest import ingest as take_in

    days = (names.day(first, where="--from"), names.day(last or first, where="--to"))
    report = take_in(settings.load(), names.model_name(model), *days, log_line(model=model, stage="ingest"))
    if as_json:
        emit(report.to_json())
    else:
        tell(report.render())
    raise typer.Exit(int(report.exit_code))


def run(
    model: ModelName,
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DATE", help="Newest day to use; default: newest accepted.")
    ] = "",
    train_days: Annotated[int | None, typer.Option(help="Days of training data.")] = None,
    test_days: Annotated[int | None, typer.Option(help="Newest days, on which the gates judge.")] = None,
    hpo_trials: Annotated[int | None, typer.Option(help="Trials of the parameter search; 0 for none.")] = None,
    promotion: Annotated[Promotion | None, typer.Option(help="Who decides on promotion.")] = None,
    note: Annotated[str, typer.Option(help="Kept with the run.")] = "",
    as_json: AsJson = False,
) -> None:
    """Retrain: every stage, gates, registry and promotion, in this process, without Airflow."""
    from pipelines.runs.chain import retrain
    from pipelines.runs.request import Request

    request = Request.of(as_of or None, train_days, test_days, hpo_trials, promotion, note)
    report = retrain(settings.load(), names.model_name(model), request, log_line(model=model))
    if as_json:
        emit(report.to_json())
    else:
        tell(report.render())
    raise typer.Exit(int(report.exit_code))


def stage(
    step: Annotated[Step, typer.Argument(metavar="NAME", help=" | ".join(Step))],
    model: Annotated[str, typer.Option(help="A folder under include/models.")] = "",
    run_id: Annotated[str, typer.Option("--run", metavar="RUN_ID", help="The run the stage belongs to.")] = "",
    params: Annotated[str, typer.Option(help="JSON: the request (snapshot), the days (ingest) or the night.")] = "",
    here: Annotated[
        bool, typer.Option("--here", help="Run in this folder, a checked-out run; what dvc.yaml calls.")
    ] = False,
    result_file: Annotated[
        Path | None, typer.Option("--result", help="Write the result here as JSON, errors too, not to standard output.")
    ] = None,
) -> None:
    """One stage of one run, under the stage contract; the last line of output is its result as JSON."""
    from pipelines.runs.result import told

    with told(result_file) as results:
        result = _perform(step, model, run_id, params, here)
        if results is None:
            emit(result.summary | {"exit_code": int(result.exit_code)})
        else:
            results.done(int(result.exit_code), result.summary)
    raise typer.Exit(int(result.exit_code))


def predict(
    model: ModelName,
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="The day whose rows are scored.")],
    out: Annotated[
        Path | None, typer.Option(help="Parquet file to write; default: below .evergreen/predictions.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score one day's rows with the champion, from what was known before that day."""
    from pipelines.runs.predict import predict as score

    done = score(settings.load(), names.model_name(model), names.day(day, where="--date"), out, log_line(model=model))
    if as_json:
        emit(done.to_json())
    else:
        tell(done.render())


def reproduce(
    model: ModelName,
    version: Annotated[int, typer.Argument(min=1, max=10**9, help="A version in the registry.")],
    folder: Annotated[
        Path | None, typer.Option("--in", help="An empty folder to work in; default: a temporary one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Retrain a version from its tag alone, and compare every byte: identical (0) or the first difference (1)."""
    from pipelines.runs.reproduce import reproduce as again

    verdict = again(settings.load(), names.model_name(model), version, folder, log_line(model=model))
    if as_json:
        emit(verdict.to_json())
    else:
        tell(verdict.render())
    raise typer.Exit(int(ExitCode.DONE) if verdict.identical else 1)


def _perform(step: Step, model: str, run_id: str, params: str, here: bool) -> StageResult:
    from pipelines.runs.contract import run_step
    from pipelines.runs.here import run_here

    say = log_line(model=model, run=run_id, stage=step.value)
    if here:
        return run_here(Path.cwd(), step.value, say)
    if not model or (not run_id and step not in _WITHOUT_RUN):
        raise ConfigError("--model and --run are needed", where=f"evergreen stage {step}", remedy="or --here in a run")
    run_id = names.check_run_id(run_id) if run_id else run_id
    return run_step(settings.load(), names.model_name(model), run_id, step.value, params, say)


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (ingest, run, stage, predict, reproduce):
        app.command()(command)
