"""What the bare script is told: files, days and parameters of one retraining, taken from the model folder.

The runner writes it as JSON, so that the bare script itself needs no reader of `model.yaml`.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.config.load import load_model
from pipelines.config.model import Model, Role
from pipelines.config.params import RunParams


def write_job(path: Path, folder: Path, lake: Path, as_of: date) -> RunParams:
    """Write the job of retraining the model in `folder` on `lake` as of `as_of`; gives back its parameters."""
    model = load_model(folder)
    params = RunParams.of(folder.name, model, as_of)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_job(model, params, folder, lake), indent=1))
    return params


def _job(model: Model, params: RunParams, folder: Path, lake: Path) -> dict[str, Any]:
    if params.task != "binary":
        raise SystemExit("the bare script knows binary models only")
    if params.training.class_weight != "none" or params.training.hpo.trials:
        raise SystemExit("the bare script knows neither class weights nor a search for parameters")
    span, training = params.span.model_dump(mode="json"), params.training
    booster = training.booster.model_dump()
    max_bin = booster.pop("max_bin")
    if booster["max_leaves"]:
        booster["grow_policy"] = "lossguide"
    return {
        "model": folder.name,
        "features": str(folder / "features.py"),
        "span": span,
        "tables": {name: _table(model, name, params, lake) for name in model.tables},
        "events": model.events,
        "label": params.label.expression,
        "maturity_days": params.label.maturity_days,
        "booster": booster,
        "max_bin": max_bin,
        "monotone": training.monotone,
        "rounds": training.rounds,
        "patience": training.early_stopping_rounds,
        "seed": training.seed,
        "threads": training.threads,
        "max_categories": training.max_categories,
        "min_category_rows": training.min_category_rows,
        "evaluation": params.evaluation.model_dump(mode="json"),
    }


def _table(model: Model, name: str, params: RunParams, lake: Path) -> dict[str, Any]:
    table = model.tables[name]
    files: list[tuple[str | None, str]] = []
    if table.role is Role.STATIC:
        files = [(None, str(lake / table.uri))]
    else:
        days = (params.span.as_of - params.span.first).days + 1
        for number in range(days):
            day = (params.span.first + timedelta(days=number)).isoformat()
            path = lake / table.uri.replace("{date}", day)
            if path.is_file():
                files.append((day, str(path)))
    return {"role": table.role.value, "after_event": list(table.after_event), "known": table.known, "files": files}
