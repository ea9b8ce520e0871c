"""Champions: where signers are listed, one that none of them has signed is told."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.config.secrets import SIGNERS, SIGNING
from pipelines.config.settings import Settings
from pipelines.doctor import ledger
from pipelines.doctor.base import Mark
from pipelines.doctor.run import run
from pipelines.ledger import Ledger
from pipelines.ledger import champion as champions

DAY = date(2024, 2, 4)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A promoter's key, and the list that names it."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / SIGNING)], check=True)
    kind, public, *_ = (folder / f"{SIGNING}.pub").read_text().split()
    (folder / SIGNERS).write_text(f"promoter@evergreen {kind} {public}\n")
    return folder


def crown(settings: Settings, number: int) -> None:
    opened = Ledger.open(settings, "tiny")
    record = champions.Champion(
        version=number,
        run=f"2024-02-05-20260101T000000Z-{number:06x}",
        model_sha256=f"{number:064x}",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        reason=champions.Reason(kind="first"),
        window=champions.ChampionWindow(as_of=DAY, train=(DAY, DAY), test=(DAY, DAY)),
    )
    champions.promote(opened, record, opened.head("champion"))


def told(settings: Settings) -> list[tuple[Mark, str]]:
    """What is said of the champion."""
    report = run(ledger.checks(settings), [].append)
    return [(item.mark, item.found) for item in report.results if item.name == "champion tiny"]


def test_a_champion_counts_only_with_the_signature_of_a_listed_signer(home: Settings, secrets: Path) -> None:
    signing = replace(home, secrets=secrets)
    assert told(home) == []
    assert told(signing) == [(Mark.OK, "none yet")]
    crown(signing, 1)
    ((mark, words),) = told(signing)
    assert (mark, words.startswith("signed by promoter@evergreen")) == (Mark.OK, True)
    crown(home, 2)
    ((mark, words),) = told(signing)
    assert (mark, words.endswith("is unsigned")) == (Mark.FAIL, True)
    # As a server would be asked.
    served = replace(signing, ledgers=f"file://{home.ledgers}")
    ((mark, words),) = told(served)
    assert (mark, words.endswith("is unsigned")) == (Mark.FAIL, True)
