"""The months that shards of the ledger are named after."""

from __future__ import annotations

from datetime import date


def months_between(first: date, last: date) -> list[str]:
    """`2013-01` and so on, from the month of `first` to that of `last`."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    steps = (first.year * 12 + first.month - 1 + number for number in range(count))
    return [f"{step // 12:04d}-{step % 12 + 1:02d}" for step in steps]
