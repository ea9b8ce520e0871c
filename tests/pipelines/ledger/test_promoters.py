"""Many promoters at once: each round has one winner, history is a line, and older data never replace newer."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from pipelines.errors import GateRefusal, PushRefused
from pipelines.ledger import Ledger, champion
from pipelines.ledger.champion import Champion, ChampionWindow, Reason
from pipelines.ledger.command import git

pytestmark = pytest.mark.slow

PROMOTERS = 20
# Twenty at once for fifty rounds take minutes: `EVERGREEN_PROMOTION_ROUNDS=50 make test ARGS=tests/pipelines/ledger`.
ROUNDS = int(os.environ.get("EVERGREEN_PROMOTION_ROUNDS", "3"))
FIRST = date(2024, 2, 4)


def version(number: int, test_end: date, kind: str = "better") -> Champion:
    return Champion(
        version=number,
        run=f"2024-02-05-20260101T000000Z-{number:06x}",
        model_sha256=f"{number:064x}",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        reason=Reason(kind=kind, text="because"),
        evidence={"gates": [{"name": "floors", "passed": True}], "passed": True},
        window=ChampionWindow(as_of=test_end, train=(date(2024, 1, 1), date(2024, 1, 20)), test=(FIRST, test_end)),
    )


@pytest.fixture
def ledgers(world) -> list[Ledger]:
    """The same ledger as twenty machines see it, each through a mirror of its own."""
    homes = [replace(world.settings, home=world.settings.home / f"machine-{number}") for number in range(PROMOTERS)]
    return [Ledger.open(home, "tiny") for home in homes]


@pytest.mark.timeout(1800)
def test_of_twenty_at_once_one_wins_each_round(world, ledgers: list[Ledger]) -> None:
    champion.promote(world.ledger, version(1, FIRST, "first"), None)
    gate = threading.Barrier(PROMOTERS)
    kept = [world.fresh().head("champion")]

    def promote(number: int, round_: int) -> str | None:
        """Every fourth comes with data of the day before the champion's, every seventh rolls back on purpose."""
        ledger = ledgers[number]
        ledger.fetch()
        head = ledger.head("champion")
        standing = champion.at(ledger, head)
        older = standing.window.test_end - timedelta(days=1)
        newer = FIRST + timedelta(days=round_ + 1)
        kind = "rollback" if number % 7 == 6 else "better"
        candidate = version(
            2 + round_ * PROMOTERS + number, older if number % 4 == 3 or kind == "rollback" else newer, kind
        )
        gate.wait(600)  # all have seen the same champion
        try:
            return champion.promote(ledger, candidate, head)
        except PushRefused:
            return None
        except GateRefusal:
            assert (number % 4, kind) == (3, "better")
            return None

    with ThreadPoolExecutor(PROMOTERS) as pool:
        for round_ in range(ROUNDS):
            won = [made for made in pool.map(promote, range(PROMOTERS), [round_] * PROMOTERS) if made]
            assert won == [world.fresh().head("champion")]
            kept.append(won[0])
    ledger = world.fresh()
    assert ledger.log("champion") == kept[::-1]
    parents = git(ledger.mirror, "log", "--format=%P", "refs/heads/champion").decode().splitlines()
    assert parents == [*kept[-2::-1], ""]
    reigns = champion.history(ledger)[::-1]
    for before, after in pairwise(reigns):
        assert after.previous.version == before.version
        assert after.reason.kind == "rollback" or after.window.test_end >= before.window.test_end
        assert after.evidence["passed"] is True
