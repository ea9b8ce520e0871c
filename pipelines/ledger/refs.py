"""All refs of a ledger as retention needs them: what hangs on each, how old it is, and the end of a run's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines.config.names import model_name
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, IntegrityError
from pipelines.ledger import answers, web
from pipelines.ledger.command import GitFailed, blobs, credentials, git
from pipelines.ledger.git import Ledger

_RECEIVE = "git -c receive.denyDeletes=false receive-pack"


def all_ledgers(settings: Settings) -> list[str]:
    """The models of every ledger there is, sorted.

    Raises:
        ConfigError: they cannot be listed: a server that is not ours.
        PassingFault: the server cannot be reached.
    """
    if web.is_web(settings.ledgers):
        found = web.models(settings)
    elif "://" in settings.ledgers:
        raise ConfigError("its ledgers cannot be listed", where=settings.ledgers, remedy="name them all by --ledger")
    else:
        found = [path.name.removesuffix(".git") for path in Path(settings.ledgers).glob("[a-z]*.git")]
    return sorted(map(model_name, found))


def every(ledger: Ledger) -> dict[str, tuple[str, int]]:
    """Full name of each ref to its commit and when that was made (seconds since 1970), as of the last fetch.

    A ref that leads to no commit, as none of ours does, is as old as can be.
    """
    form = "--format=%(refname) %(objectname) %(committerdate:unix)%(*committerdate:unix)"
    lines = git(ledger.mirror, "for-each-ref", form).decode().splitlines()
    found = (line.split(" ") for line in lines)
    return {name: (commit, int(when) if when.isdigit() else 0) for name, commit, when in found}


def entries(ledger: Ledger, commit: str) -> dict[str, str]:
    """Path to blob of every file at `commit`; none where a ref leads to something that has no files."""
    try:
        shown = git(ledger.mirror, "ls-tree", "-r", "-z", "--full-tree", commit).decode(errors="surrogateescape")
    except GitFailed as error:
        if "not a tree object" not in error.output:
            raise
        return {}
    pairs = (line.split("\t", 1) for line in shown.split("\0") if line)
    return {path: head.split(" ")[2] for head, path in pairs if head.split(" ")[1] == "blob"}


def contents(ledger: Ledger, found: Iterable[str]) -> dict[str, bytes]:
    """Blob to its bytes.

    Raises:
        IntegrityError: one is missing: what it names nobody knows.
    """
    asked = list(dict.fromkeys(found))
    answer = git(ledger.mirror, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in asked).encode())
    known: dict[str, bytes] = {}
    for blob, content in zip(asked, blobs(answer, len(asked)), strict=True):
        if not isinstance(content, bytes):
            raise IntegrityError(f"blob {blob} is missing", where=f"mirror of {ledger.model}", remedy="restore it")
        known[blob] = content
    return known


def delete(ledger: Ledger, refs: Mapping[str, str]) -> None:
    """Delete refs that stand at these commits, all of them or none; `{}` and what is gone already change nothing.

    Raises:
        PushRefused: one of them has moved.
        ConfigError: our role may not.
        InputError: the server's rules forbid it.
        PassingFault: the ledger cannot be reached.
    """
    ledger.fetch()
    there = every(ledger)
    wanted = {name: commit for name, commit in refs.items() if name in there}
    if not wanted:
        return
    leases = [f"--force-with-lease={name}:{commit}" for name, commit in wanted.items()]
    local = [f"--receive-pack={_RECEIVE}"] if "://" not in ledger.url else []
    try:
        git(
            ledger.mirror,
            *("push", "--porcelain", "--no-verify", "--quiet", "--atomic", *local, *leases, ledger.url),
            *(f":{name}" for name in wanted),
            extra=credentials(ledger.secret),
        )
    except GitFailed as error:
        if "deletion prohibited" in error.output:
            remedy = "run gc with the promoter's login; another Git server must allow it for tags runs/* and run/*"
            raise ConfigError("only the promoter may end runs", where=ledger.url, remedy=remedy) from error
        raise answers.of_push(error, ledger.url, next(iter(wanted))) from error
    ledger.fetch()
