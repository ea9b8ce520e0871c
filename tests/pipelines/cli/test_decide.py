"""`evergreen request` and `evergreen decisions` as people call them."""

from __future__ import annotations

from datetime import timedelta

import pytest
import stories
from support import TinyModel

from pipelines.config.policy import Policy
from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, verdicts
from pipelines.policy.decide import decide
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History


@pytest.fixture
def ledger(settings: Settings, tiny_model: TinyModel) -> Ledger:
    return Ledger.open(settings, tiny_model.name, create=True)


def test_the_same_key_twice_is_one_request(settings: Settings, ledger: Ledger) -> None:
    asked = ("request", "tiny", "--reason", "prices moved", "--key", "vendor-1")
    first, again = (stories.evergreen(settings, *asked) for _ in range(2))
    assert first.returncode == again.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    assert first.stdout.startswith("vendor-1: open, since 20")
    without = [stories.last_json(stories.evergreen(settings, *asked[:4], "--json"))["key"] for _ in range(2)]
    assert len({*without, "vendor-1"}) == 3


@pytest.mark.parametrize("extra", [("--reason", ""), ("--reason", "a", "--key", "a\nb")])
def test_what_is_no_request(settings: Settings, ledger: Ledger, extra: tuple[str, ...]) -> None:
    done = stories.evergreen(settings, "request", "tiny", *extra)
    assert done.returncode == 3
    assert done.stderr.startswith("evergreen: request ")


def test_decisions_are_read(settings: Settings, ledger: Ledger, tiny_model: TinyModel) -> None:
    assert "no night was decided yet" in stories.evergreen(settings, "decisions", "tiny").stdout
    for number in range(3):
        evidence = Evidence("tiny", tiny_model.first + timedelta(days=number), requests=("vendor-1",))
        decision = decide(Policy(), evidence, History())
        verdicts.record(ledger, evidence.day, decision.to_json(), evidence.to_json())
    lines = stories.evergreen(settings, "decisions", "tiny", "--nights", "2").stdout.splitlines()
    assert [text[:19] for text in lines] == ["2024-01-02  retrain", "2024-01-03  retrain"]
    assert "asked for by vendor-1" in lines[0]
    one = stories.evergreen(settings, "decisions", "tiny", "--date", "2024-01-01").stdout
    assert "guard" in one
    found = stories.last_json(stories.evergreen(settings, "decisions", "tiny", "--json"))
    assert [night["verdict"] for night in found["nights"]] == ["retrain"] * 3
    missing = stories.evergreen(settings, "decisions", "tiny", "--date", "2024-02-01")
    assert missing.returncode == 3
    assert "was not decided; the newest that was is 2024-01-03" in missing.stderr


def test_a_night_that_nobody_monitored(settings: Settings, ledger: Ledger) -> None:
    done = stories.evergreen(settings, "decide", "tiny", "--date", "2024-01-05")
    assert done.returncode == 3
    assert "nobody has monitored 2024-01-05; `evergreen monitor tiny --date 2024-01-05`" in done.stderr
