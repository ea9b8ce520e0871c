"""Validate: is the window as a whole fit to train on? The verdicts on its partitions are those of the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pipelines.config.model import Role, Task
from pipelines.config.params import RunParams
from pipelines.engines.local import connect
from pipelines.engines.sources import SourceFile, source_files
from pipelines.engines.tables import declared_names
from pipelines.errors import DataError, IntegrityError, shorten
from pipelines.quality.measure import duplicate_keys, label_days, mean_label, type_conflicts
from pipelines.quality.report import render
from pipelines.quality.window import CheckResult, DayLabels, Window, check_window
from pipelines.stages.context import StageContext, StageResult
from pipelines.storage.files import read_json, write_bytes, write_json

_REMEDY = "see out/validate/report.html; deliver and ingest the days it names, or choose another as-of date"


def main(ctx: StageContext) -> StageResult:
    """Check the window; write `validation.json`, `report.html` and, if it may be used, `accepted.json`.

    Raises:
        DataError: a critical check failed; the report says which, and nothing later can run.
        IntegrityError: the snapshot is not of this window.
    """
    out = ctx.path("out", "validate")
    shutil.rmtree(out, ignore_errors=True)
    window = read_json(ctx.path("window.json"))
    _same_as_snapshot(window, read_json(ctx.path("out", "snapshot", "snapshot.json")))
    ctx.progress(f"validate: checking {len(window['partitions'])} partitions")
    facts, mean = measure(ctx, source_files(ctx.root, window["partitions"]), window)
    checks = check_window(ctx.params, facts)
    label = label_summary(ctx.params, facts.labels, mean)
    record = {
        "checks": [check.to_dict() for check in checks],
        "quarantined": window["quarantined"],
        "missing": window["missing"],
        "warnings": _warnings(window["partitions"]),
    }
    write_json(out / "validation.json", record)
    write_bytes(out / "report.html", render(ctx.params, window, checks, facts.labels, label).encode())
    _refuse(checks, window["as_of"])
    rows = sum(item.rows for item in facts.labels)
    days = [item.day for item in facts.labels]
    accepted = {"days": days, "partitions": window["partitions"], "rows": rows, "label": label}
    write_json(out / "accepted.json", accepted)
    failed = [check.name for check in checks if not check.passed]
    return StageResult(
        summary={"rows": rows, "days": len(days), "quarantined": len(window["quarantined"]), "warnings": failed}
    )


def measure(ctx: StageContext, files: Sequence[SourceFile], window: Mapping[str, Any]) -> tuple[Window, float | None]:
    """The counts that the checks need, and the mean label of a regression's training and test days."""
    params = ctx.params
    events = [file for file in files if file.table == params.events]
    with connect(ctx.path("out", ".duckdb"), threads=params.training.threads) as session:
        # The label expression is the model's own SQL: it sees the lake of this run and nothing else.
        session.execute("SET allowed_directories = [?]", [str(ctx.path("lake"))])
        session.execute("SET enable_external_access = false")
        conflicts = type_conflicts(files, {name: declared_names(params, name) for name in params.tables})
        labels = [] if conflicts else label_days(session, params, events)
        repeated, example = (0, "") if conflicts else duplicate_keys(session, params, events)
        mean = None
        if params.task is Task.REGRESSION and not conflicts:
            mean = mean_label(session, params, [file for file in events if _judged(params, file.day)])
    days: dict[str, list[date]] = {}
    for file in files:
        if file.day:
            days.setdefault(file.table, []).append(file.day)
    static = [file.table for file in files if params.tables[file.table].role is Role.STATIC]
    left_out = [f"{item['table']} {item['partition']}" for item in window["quarantined"]]
    return Window(days, static, left_out, labels, repeated, example, conflicts), mean


def label_summary(params: RunParams, days: Sequence[DayLabels], mean: float | None) -> dict[str, Any]:
    """Labelled rows of the training and test days, their share, and how the label is spread."""
    judged = [item for item in days if _judged(params, item.day)]
    rows, labelled = sum(item.rows for item in judged), sum(item.labelled for item in judged)
    found: dict[str, Any] = {"rows": labelled, "coverage": round(labelled / rows, 6) if rows else 0.0}
    if params.task is Task.REGRESSION:
        return found | {"mean": mean}
    counts: dict[float, int] = {}
    for item in judged:
        for value, number in item.values.items():
            counts[value] = counts.get(value, 0) + number
    if params.task is Task.BINARY:
        return found | {"positives": counts.get(1.0, 0)}
    return found | {"classes": {name: counts.get(float(at), 0) for at, name in enumerate(params.label.classes)}}


def _judged(params: RunParams, day: date | None) -> bool:
    return day is not None and params.span.train_start <= day <= params.span.test_end


def _same_as_snapshot(window: Mapping[str, Any], snapshot: Mapping[str, Any]) -> None:
    proven = {item["path"]: item["sha256"] for item in snapshot["partitions"]}
    listed = {item["path"]: item["sha256"] for item in window["partitions"]}
    if proven != listed:
        other = sorted(proven.items() ^ listed.items())[0][0]
        raise IntegrityError(
            f"the snapshot proves other partitions than the window lists, such as {shorten(other)}",
            where="out/snapshot/snapshot.json",
            remedy="run the snapshot stage again",
        )


def _warnings(partitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"table": item["table"], "partition": item["partition"], "warnings": item["warnings"]}
        for item in partitions
        if item["warnings"]
    ]


def _refuse(checks: Sequence[CheckResult], as_of: str) -> None:
    failed = [check for check in checks if not check.passed and check.severity == "critical"]
    if failed:
        more = f" (and {len(failed) - 1} more critical checks failed)" if len(failed) > 1 else ""
        raise DataError(f"{failed[0].name}: {failed[0].sentence}{more}", where=f"window as of {as_of}", remedy=_REMEDY)
