"""Where signers are listed, a champion that none of them signed is not built upon, and gone back from by name alone."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.config.secrets import SIGNERS, SIGNING
from pipelines.errors import ConfigError, InputError, IntegrityError
from pipelines.ledger import Ledger, signatures
from pipelines.ledger import champion as champions
from pipelines.release.promote import promote
from pipelines.release.rollback import Asked, rollback


def quiet(_: str) -> None:
    """Says nothing."""


def key(folder: Path, name: str = SIGNING) -> str:
    """A new key in `folder`; the line that lists it."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(folder / name)], check=True)
    kind, public, _ = (folder / f"{name}.pub").read_text().split()
    return f"promoter@evergreen {kind} {public}\n"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    (folder.parent / "line").write_text(key(folder))
    return folder


@pytest.fixture
def settings(story, secrets: Path):
    return replace(story.settings, secrets=secrets)


def list_signers(secrets: Path) -> None:
    (secrets / SIGNERS).write_text((secrets.parent / "line").read_text())


def intrude(settings, secrets: Path | None, version: int = 7) -> str:
    """Somebody writes a champion of his own, unsigned or with a key of his own."""
    ledger = Ledger.open(replace(settings, secrets=secrets), "tiny")
    head = ledger.head("champion")
    standing = champions.at(ledger, head)
    return champions.promote(
        ledger, standing.model_copy(update={"version": version, "model_sha256": f"{version}" * 64}), head
    )


def test_an_unsigned_champion_is_refused_by_promotion_and_rollback(settings, secrets, challenger, answer) -> None:
    answer("approve", "ann")
    list_signers(secrets)
    with pytest.raises(IntegrityError, match="newest commit is unsigned"):
        promote(settings, "tiny", challenger, quiet)
    with pytest.raises(IntegrityError, match="newest commit is unsigned"):
        rollback(settings, "tiny", Asked(None, "because", "ann"), quiet)
    ledger = Ledger.open(settings, "tiny")
    assert champions.current(ledger).version == 1


def test_a_list_of_signers_without_a_key_promotes_nothing(settings, secrets, challenger, answer) -> None:
    answer("approve", "ann")
    list_signers(secrets)
    (secrets / SIGNING).unlink()
    with pytest.raises(ConfigError, match="no champion-key"):
        promote(settings, "tiny", challenger, quiet)


@pytest.mark.parametrize("foreign", [False, True], ids=["unsigned", "signed by somebody else"])
def test_what_an_intruder_wrote_is_left_by_name_to_what_was_signed(
    settings, secrets, challenger, answer, tmp_path: Path, foreign: bool
) -> None:
    """The first champion was promoted before there was a key: the one that was signed vouches for it."""
    answer("approve", "ann")
    assert promote(settings, "tiny", challenger, quiet).summary["promoted"]
    list_signers(secrets)
    other = tmp_path / "other"
    if foreign:
        key(other)
    forged = intrude(settings, other if foreign else None)
    for refused in (
        lambda: promote(settings, "tiny", challenger, quiet),
        lambda: rollback(settings, "tiny", Asked(None, "because", "ann"), quiet),
    ):
        with pytest.raises(IntegrityError, match="not among the signers" if foreign else "is unsigned"):
            refused()
    assert Ledger.open(settings, "tiny").head("champion") == forged
    done = rollback(settings, "tiny", Asked(1, "somebody else wrote version 7", "ann"), quiet)
    assert done.summary["version"] == 1
    ledger = Ledger.open(settings, "tiny")
    assert signatures.sound(signatures.verify(ledger, str(ledger.head("champion"))))
    assert promote(settings, "tiny", str(champions.current(ledger).run), quiet).summary["promoted"]


def test_what_only_an_intruder_says_was_champion_never_was(settings, secrets, challenger, answer) -> None:
    answer("approve", "ann")
    assert promote(settings, "tiny", challenger, quiet).summary["promoted"]
    list_signers(secrets)
    intrude(settings, None, 7)
    intrude(settings, None, 8)
    with pytest.raises(InputError, match="version 7 never was champion"):
        rollback(settings, "tiny", Asked(7, "because", "ann"), quiet)
