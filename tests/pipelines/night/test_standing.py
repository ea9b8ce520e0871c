from datetime import date, timedelta

import pytest

from pipelines.ledger import champion as champions
from pipelines.ledger.champion import Champion
from pipelines.night.standing import champion_of

NEW_YEAR = date(2013, 1, 1)


def crowned(version: int, as_of: int) -> Champion:
    day = NEW_YEAR + timedelta(days=as_of)
    return Champion.model_validate(
        {
            "version": version,
            "run": f"{day}-20260101T000000Z-{version:06x}",
            "model_sha256": "0" * 64,
            "since": "2026-01-01T00:00:00Z",
            "reason": {"kind": "better"},
            "window": {
                "as_of": day,
                "train": (NEW_YEAR, day - timedelta(days=20)),
                "test": (day - timedelta(days=19), day - timedelta(days=1)),
            },
        }
    )


@pytest.mark.parametrize(
    ("as_ofs", "night", "version"),
    [
        ([30], 31, 1),
        ([30, 40], 41, 2),
        ([30, 40], 40, 1),  # a repeat after the retraining of that night
        ([30, 40], 35, 1),  # a backfill
        ([30], 30, 1),  # made as of the day itself, it has not learnt from its labels
        ([30], 29, None),
        ([30, 40, 30], 45, 3),  # rolled back
        ([], 10, None),
    ],
)
def test_the_champion_of_a_night_knew_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, as_ofs: list[int], night: int, version: int | None
) -> None:
    past = [crowned(number + 1, as_of) for number, as_of in enumerate(as_ofs)][::-1]
    monkeypatch.setattr(champions, "current", lambda _: past[0] if past else None)
    monkeypatch.setattr(champions, "history", lambda _: past)
    found = champion_of(None, NEW_YEAR + timedelta(days=night))  # type: ignore[arg-type]
    assert (found and found.version) == version
