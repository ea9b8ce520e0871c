"""The table that `build` gives back."""

from __future__ import annotations

from collections.abc import Sequence

from ibis import Table


def finish(rows: Table, features: Sequence[str]) -> Table:
    """`row_id`, `known_at` (midnight, when the row's day begins) and the named feature columns, in that order."""
    known_at = rows.event_date.cast("timestamp").name("known_at")
    return rows.select(rows.row_id, known_at, *features)
