"""Which nights a new champion is watched on, and what their losses say."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.config.release import Rollback
from pipelines.ledger import Ledger, nights, server
from pipelines.ledger.champion import Champion, ChampionWindow, Previous, Reason
from pipelines.release.regression import breach, first_night

AS_OF = date(2024, 2, 5)
RULE = Rollback(automatic="on", worse_by=0.1, within_days=5, min_days=3, min_rows=500)
CHAMPION = Champion(
    version=2,
    run="2024-02-05-20260101T000000Z-000002",
    model_sha256="2" * 64,
    since="2026-01-01T00:00:00Z",
    reason=Reason(kind="approved"),
    window=ChampionWindow(as_of=AS_OF, train=(AS_OF, AS_OF), test=(AS_OF, AS_OF)),
    previous=Previous(version=1, run="2024-01-30-20260101T000000Z-000001", model_sha256="1" * 64),
)


def day(number: int) -> date:
    return AS_OF + timedelta(days=number)


@pytest.fixture
def ledger(settings) -> Ledger:
    server.create(settings.home / "ledger" / "tiny.git", "tiny", settings.dvc_remote)
    return Ledger.open(settings, "tiny")


def night(ledger: Ledger, number: int, *, ours: float, role: str = "champion", at: int | None = None) -> None:
    """A matured night: version 1 lost 0.6 a row, version 2 `ours`, which scored it in this role."""
    when = f"2026-03-01T00:00:{number if at is None else at:02}+00:00"
    values = {
        ("scores", day(number)): {"1": {"role": "shadow", "at": when}, "2": {"role": role, "at": when}},
        ("quality", day(number)): {
            version: {"labelled": 200, "loss_sum": 200 * loss} for version, loss in (("1", 0.6), ("2", ours))
        },
    }
    nights.write(ledger, values, "Night")


def test_a_champion_approved_late_is_watched_from_its_own_first_night(ledger) -> None:
    for number in range(1, 8):
        night(ledger, number, ours=0.5, role="shadow")
    for number in range(8, 11):
        assert breach(ledger, RULE, CHAMPION) is None
        night(ledger, number, ours=0.7)
    found = breach(ledger, RULE, CHAMPION)
    assert found is not None
    assert (found.days, found.rows) == (tuple(str(day(number)) for number in (8, 9, 10)), 600)
    assert found.worse_by == pytest.approx(0.7 / 0.6 - 1)


def test_only_its_first_days_count(ledger) -> None:
    for number in range(8, 13):
        night(ledger, number, ours=0.6)
    for number in range(13, 20):
        night(ledger, number, ours=5.0)
    assert breach(ledger, RULE, CHAMPION) is None


def test_a_backfill_of_long_ago_moves_no_beginning(ledger) -> None:
    night(ledger, 20, ours=0.7)
    night(ledger, 2, ours=0.7, at=59)
    assert first_night(ledger, CHAMPION) == day(20)


def test_a_champion_that_has_scored_nothing_breaches_nothing(ledger) -> None:
    assert first_night(ledger, CHAMPION) is None
    for number in range(1, 5):
        night(ledger, number, ours=9.0, role="shadow")
    assert breach(ledger, RULE, CHAMPION) is None
