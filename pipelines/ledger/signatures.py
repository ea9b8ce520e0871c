"""Signed commits of the `champion` branch: made with the promoter's SSH key, checked against a list of signers.

Both are files of EVERGREEN_SECRETS, and either may be missing: without a key commits are as Git makes them, chained by
their hashes; without the list a signature can be shown but not trusted.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pipelines.config.secrets import SIGNERS, SIGNING
from pipelines.errors import ConfigError
from pipelines.ledger.command import configuration, git
from pipelines.ledger.git import Ledger

UNSIGNED = "unsigned"
_WORDS = {
    "G": "signed by {who}, key {key}",
    "U": "signed with a key that is not among the signers, {key}",
    "B": "bad signature: the commit is not what was signed",
    "X": "signed by {who}, whose time is over, key {key}",
    "Y": "signed by {who} with a key whose time is over, {key}",
    "R": "signed by {who} with a revoked key, {key}",
    "E": "the signature cannot be checked",
}


def signing(secrets: Path | None) -> dict[str, str]:
    """For `extra` of `git`: signs what it commits with the key in folder `secrets`; empty where there is none.

    Raises:
        ConfigError: there is a key, and nothing to sign with.
    """
    key = secrets / SIGNING if secrets else None
    if key is None or not key.is_file():
        return {}
    if shutil.which("ssh-keygen") is None:
        raise ConfigError("there is no ssh-keygen to sign with", where=str(key), remedy="install openssh-client")
    return configuration([("gpg.format", "ssh"), ("user.signingKey", str(key)), ("commit.gpgSign", "true")])


def signers(secrets: Path | None) -> Path | None:
    """The list of those whose signatures count, in folder `secrets`; None where there is none."""
    listed = secrets / SIGNERS if secrets else None
    return listed if listed is not None and listed.is_file() else None


def verify(ledger: Ledger, commit: str) -> str:
    """What the signature of `commit` is worth, in words: `unsigned`, `signed by ...`, `bad signature ...`.

    Raises:
        PassingFault: there is no such commit in the mirror.
    """
    if b"\ngpgsig " not in git(ledger.mirror, "cat-file", "commit", commit).partition(b"\n\n")[0]:
        return UNSIGNED
    listed = signers(ledger.secrets)
    if listed is None:
        return f"signed; there is no {SIGNERS} in EVERGREEN_SECRETS to check it by"
    known = configuration([("gpg.format", "ssh"), ("gpg.ssh.allowedSignersFile", str(listed))])
    told = git(ledger.mirror, "show", "--no-patch", "--format=%G?%n%GS%n%GK", commit, extra=known).decode()
    state, who, key = [*told.splitlines(), "", "", ""][:3]
    return _WORDS.get(state, _WORDS["E"]).format(who=who, key=key)


def sound(words: str) -> bool:
    """Whether `verify` found a signature that is known and whole."""
    return re.fullmatch(r"signed by \S+, key \S+", words) is not None
