"""Whom to tell of what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from pipelines.config.strict import Strict


class AlertKind(StrEnum):
    """What an alert may be about."""

    DATA_BUG = "data_bug"
    BROKEN = "broken"
    OVER_BUDGET = "over_budget"
    MISSING = "missing"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    REFUSED = "refused"
    RETRAIN = "retrain"
    PROMOTED = "promoted"
    ROLLBACK = "rollback"
    REGISTRY = "registry"


_USUAL = (
    AlertKind.DATA_BUG,
    AlertKind.BROKEN,
    AlertKind.OVER_BUDGET,
    AlertKind.MISSING,
    AlertKind.QUARANTINED,
    AlertKind.FAILED,
    AlertKind.ROLLBACK,
    AlertKind.REGISTRY,
)
_Kind = Annotated[AlertKind, Field(strict=False)]


class Alerts(Strict):
    """`urls_secret` names the secret file with one URL a line; without it alerts stay in the ledger's outbox."""

    urls_secret: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] | None = None
    on: Annotated[tuple[_Kind, ...], Field(strict=False)] = _USUAL
