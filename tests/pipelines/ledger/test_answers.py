"""What Git says when a server refuses, and what that means for whoever asked."""

from __future__ import annotations

import pytest

from pipelines.errors import ConfigError, InputError, LeaseHeld, PassingFault, PushRefused
from pipelines.ledger import answers
from pipelines.ledger.command import GitFailed

URL = "http://ledger:8300/tiny.git"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: unable to access 'X': Failed to connect to ledger port 8300: Connection refused", GitFailed),
        ("fatal: unable to access 'X': Could not resolve host: ledger", GitFailed),
        ("fatal: unable to access 'X': The requested URL returned error: 503", GitFailed),
        ("error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500\nsend-pack: unexpected", GitFailed),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: the remote end hung up", GitFailed),
        ("fatal: could not read Username for 'http://ledger:8300': terminal prompts disabled", ConfigError),
        ("fatal: Authentication failed for 'http://ledger:8300/tiny.git/'", ConfigError),
        ("fatal: unable to access 'X': The requested URL returned error: 403", ConfigError),
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", InputError),
        ("remote: evergreen: stale fencing number 1, the newest is 2: refs/heads/run/x", LeaseHeld),
        ("remote: evergreen: not a fast-forward: refs/heads/data\n! [remote rejected] (hook declined)", PushRefused),
        ("! [remote rejected] x -> data (failed to update ref)", PushRefused),
        ("! x:refs/heads/data [rejected] (fetch first)", PushRefused),
        ("remote: evergreen: only the promoter may write it, not tasks: x\n! (hook declined)", InputError),
        ("! [remote rejected] x -> data (pre-receive hook declined)", InputError),
    ],
)
def test_a_refused_push_is_whose_turn(said: str, kind: type[Exception]) -> None:
    found = answers.of_push(GitFailed("push", said), URL, "refs/heads/data")
    assert type(found) is kind
    assert isinstance(found, PassingFault) is (kind in (GitFailed, LeaseHeld, PushRefused))
    assert len(found.line()) <= 300


def test_a_missing_repository_is_told_from_a_missing_host() -> None:
    assert answers.missing(GitFailed("fetch", f"fatal: repository '{URL}/' not found"))
    assert not answers.missing(GitFailed("fetch", "fatal: unable to access 'X': Could not resolve host: not found"))
    assert not answers.missing(GitFailed("fetch", "fatal: '/srv/tiny.git' does not appear to be a git repository"))
