"""Whether a new champion does worse than the one before would have: both judged on the rows that both have scored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.config.release import Rollback
from pipelines.ledger import nights
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger


@dataclass(frozen=True)
class Regression:
    """A breach of the bound: mean losses of both over the same `rows` of the same `days`."""

    champion: int
    previous: int
    days: tuple[str, ...]
    rows: int
    loss: float
    previous_loss: float
    bound: float

    @property
    def worse_by(self) -> float:
        """The share by which the loss is over the previous champion's."""
        return self.loss / self.previous_loss - 1

    @property
    def sentence(self) -> str:
        """It in words."""
        return (
            f"over {len(self.days)} matured days ({self.days[0]} to {self.days[-1]}, {self.rows:,} rows) the loss of "
            f"version {self.champion} is {self.loss:.4g}, {self.worse_by:.1%} over the {self.previous_loss:.4g} of "
            f"version {self.previous} on the same rows; {self.bound:.1%} is the bound"
        )

    def to_json(self) -> dict[str, Any]:
        """For the ledger."""
        return asdict(self) | {"worse_by": self.worse_by}


def breach(ledger: Ledger, rule: Rollback, standing: Champion) -> Regression | None:
    """The breach of `rule` by `standing`, as of the last fetch; None: there is none, or not enough to tell.

    Its days count from the first night that it scored as champion: one that waited long for its approval is watched as
    long as any other. A champion that came by a rollback is left alone: going to and fro helps nobody.
    """
    if standing.previous is None or standing.reason.kind == "rollback":
        return None
    first = first_night(ledger, standing)
    if first is None:
        return None
    last = first + timedelta(days=rule.within_days - 1)
    quality = nights.days(ledger, "quality", first, last)
    ours, theirs = str(standing.version), str(standing.previous.version)
    pairs = {day: (entry[ours], entry[theirs]) for day, entry in quality.items() if {ours, theirs} <= set(entry)}
    return judge(rule, standing, {day: pair for day, pair in pairs.items() if _same_rows(*pair)})


def first_night(ledger: Ledger, standing: Champion) -> date | None:
    """The day that `standing` was first asked for as champion, as of the last fetch; None: it has scored none yet.

    The first by the clock, not the earliest: a backfill later tells nights of long ago with it.
    """
    head, since = ledger.head(nights.BRANCH), f"{standing.window.as_of:%Y-%m}"
    months = [Path(path).stem for path in ledger.tree(head, "scores")] if head else []
    scored = nights.read(ledger, "scores", [month for month in months if month >= since])
    own = {day: entry for day, entries in scored.items() if (entry := entries.get(str(standing.version)))}
    reigned = [(entry["at"], day) for day, entry in own.items() if entry["role"] == "champion"]
    return min(reigned)[1] if reigned else None


def judge(
    rule: Rollback, standing: Champion, pairs: dict[date, tuple[dict[str, Any], dict[str, Any]]]
) -> Regression | None:
    """The same from the champion's and the previous one's entries (`labelled`, `loss_sum`) of each day."""
    rows = sum(int(ours["labelled"]) for ours, _ in pairs.values())
    if standing.previous is None or len(pairs) < rule.min_days or rows < rule.min_rows:
        return None
    loss, before = (sum(float(pair[side]["loss_sum"]) for pair in pairs.values()) / rows for side in (0, 1))
    if not before > 0 or loss <= before * (1 + rule.worse_by):
        return None
    days = tuple(day.isoformat() for day in sorted(pairs))
    return Regression(standing.version, standing.previous.version, days, rows, loss, before, rule.worse_by)


def _same_rows(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return bool(ours.get("labelled")) and ours.get("labelled") == theirs.get("labelled")
