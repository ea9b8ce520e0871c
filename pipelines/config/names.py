"""Names that become paths, Git refs and DAG ids: one allow-list each, checked before any use."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime
from enum import StrEnum

from pipelines.errors import ConfigError, shorten

STAGES = ("snapshot", "validate", "features", "train", "evaluate")
STATIC = "static"
# The steps that may write `champion`: in a container they have a volume, and with it a login, of their own.
PROMOTER_STEPS = ("promote", "rollback")

_MODEL = re.compile(r"[a-z][a-z0-9_]{0,62}\Z", re.ASCII)
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_RUN = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d{8}T\d{6}Z)-([0-9a-f]{6})\Z", re.ASCII)
EARLIEST, LATEST = date(1850, 1, 1), date(2100, 1, 1)


class Promotion(StrEnum):
    """Who decides that a challenger that passed its gates becomes champion."""

    DRY_RUN = "dry_run"
    MANUAL = "manual"
    AUTO = "auto"


def strictest(*modes: Promotion) -> Promotion:
    """The one of `modes` that lets the least become champion: dry_run, then manual, then auto."""
    return min(modes, key=list(Promotion).index)


def model_name(text: str) -> str:
    """`text` if it is a legal model name.

    Raises:
        ConfigError: it is not; nothing outside the allow-list reaches a path or a ref.
    """
    return _checked(text, _MODEL, "model name", "a-z, 0-9 and _, beginning with a letter, at most 63 characters")


def table_name(text: str) -> str:
    """`text` if it is a legal table name; raises ConfigError otherwise."""
    return _checked(text, _TABLE, "table name", "a-z, 0-9 and _, beginning with a letter, at most 63 characters")


def partition_name(text: str) -> str:
    """`text` if it is a day (`YYYY-MM-DD`) or `static`; raises ConfigError otherwise."""
    return text if text == STATIC else day(text).isoformat()


def day(text: str, *, where: str = "date") -> date:
    """The day written `YYYY-MM-DD`, between 1850 and 2100; raises ConfigError otherwise."""
    try:
        if not _DAY.match(text):
            raise ValueError
        parsed = date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{shorten(repr(text))} is not a day", where=where, remedy="write it YYYY-MM-DD, as in 2013-03-31"
        ) from None
    if not EARLIEST <= parsed < LATEST:
        raise ConfigError(f"{text} is out of range", where=where, remedy=f"use a day from {EARLIEST} to {LATEST}")
    return parsed


def run_id(as_of: date, now: datetime, key: str) -> str:
    """`<as-of>-<utc stamp>-<6 hex>`: the same `now` and `key` give the same id, legal as a ref and a file name."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{as_of.isoformat()}-{stamp}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def check_run_id(text: str) -> str:
    """`text` if it is a legal run id; raises ConfigError otherwise."""
    match = _RUN.match(text)
    if not match:
        raise ConfigError(
            f"{shorten(repr(text))} is not a run id", where="--run", remedy="copy it from `evergreen status`"
        )
    day(match[1], where="--run")
    return text


def is_run_id(text: str) -> bool:
    """Whether `text` is a legal run id."""
    try:
        check_run_id(text)
    except ConfigError:
        return False
    return True


def _checked(text: str, pattern: re.Pattern[str], what: str, rule: str) -> str:
    if not pattern.match(text):
        raise ConfigError(f"{shorten(repr(text))} is not a legal {what}", where=what, remedy=f"use {rule}")
    return text
