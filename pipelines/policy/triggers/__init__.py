"""The triggers, one a module: each judges the evidence by its rule, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.policy.answer import Answer
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History
from pipelines.policy.triggers import age, drift, estimated, every, new_rows, performance, request

Judge = Callable[[Evidence, History, Any], Answer]
JUDGES: Mapping[str, Judge] = {
    "drift": drift.judge,
    "performance": performance.judge,
    "estimated_performance": estimated.judge,
    "age": age.judge,
    "new_rows": new_rows.judge,
    "schedule": every.judge,
    "request": request.judge,
}
