"""Proves that a Git server guards a ledger, by pushes that cannot change it.

First one that creates a branch no ledger has. Only where the server refuses that, pushes follow that ask for something
forbidden *and* for such a branch, atomically: a server that would allow the first still refuses the whole, and says for
which of the two. Each names the commit that it expects to stand there.
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pipelines.doctor.base import Finding, fail, ok, warn
from pipelines.errors import PassingFault
from pipelines.ledger import answers
from pipelines.ledger.command import GitFailed, credentials, git

_SECONDS = 6.0
_QUIET_SECONDS = "4"
_DATA, _CHAMPION, _TAGS = "refs/heads/data", "refs/heads/champion", "refs/tags/runs/"
_NIGHTS, _DECISIONS = "refs/heads/nights", "refs/heads/decisions"
# As `decisions.record` would name one.
_APPROVAL = "decisions/doctor/probe-approval-0.json"
_GUARD = "use `evergreen serve-ledgers`, or protect branches and tags on this server; see docs/operate.md"


class Verdict(Enum):
    """What a server says of one ref of an atomic push."""

    REFUSED = "refused"
    ALLOWED = "allowed, but for the other"
    UNTOLD = "untold"


@dataclass(frozen=True)
class _Server:
    """The repository at `url`, spoken to from the bare repository `folder`, which holds the commit `stray`."""

    url: str
    secret: Path | None
    folder: Path
    stray: str

    def push(self, refs: dict[str, str], wanted: dict[str, str], *options: str) -> dict[str, str]:
        """Push `{ref: commit, empty to delete}`; `{ref: why not}` of those that the server refused.

        `refs` is what stands there. Raises PassingFault where it does not any more; then nothing was sent.
        """
        leases = [f"--force-with-lease={ref}:{refs.get(ref, '')}" for ref in wanted]
        specs = [f"{commit}:{ref}" for ref, commit in wanted.items()]
        try:
            self.git("push", "--porcelain", "--no-verify", *options, *leases, self.url, *specs)
        except GitFailed as error:
            refused = _told(error.output)
            if not refused:
                raise answers.of_server(error, self.url) from None
            if any("[remote rejected]" not in why for why in refused.values()):
                raise PassingFault("the ledger moves just now", where=self.url, remedy="try again") from None
            return refused
        return {}

    def git(self, *arguments: str) -> str:
        """Git in the probe's own repository."""
        return git(self.folder, *arguments, extra=speaking(self.secret), timeout=_SECONDS).decode().strip()

    def with_file(self, head: str | None, path: str) -> str:
        """A commit that follows `head`, which is here, or begins a branch, with one file more."""
        self.git("read-tree", head or "--empty")
        blob = self.git("hash-object", "-w", "--stdin")
        self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        parent = ("-p", head) if head else ()
        return self.git("commit-tree", self.git("write-tree"), *parent, "-m", "A probe of evergreen doctor")

    def judge(self, refs: dict[str, str], ref: str, commit: str) -> Verdict:
        """Whether the server would let `ref` become `commit`; it stays as it is."""
        blocker = _blocker()
        try:
            told = self.push(refs, {ref: commit, blocker: self.stray}, "--atomic")
        except GitFailed as error:
            if "does not support --atomic" in error.output:
                return Verdict.UNTOLD
            raise
        # The first that is refused ends the transaction; of the other it is said that it was given up with it.
        given_up = [name for name in (ref, blocker) if "atomic" in told.get(name, "")]
        if len(told) < 2 or len(given_up) != 1:
            return Verdict.UNTOLD
        return Verdict.REFUSED if given_up == [blocker] else Verdict.ALLOWED


def speaking(secret: Path | None) -> dict[str, str]:
    """For `extra` of `git`: our login, and little patience with a server that says nothing."""
    return credentials(secret) | {"GIT_HTTP_LOW_SPEED_TIME": _QUIET_SECONDS}


def proved(url: str, secret: Path | None, refs: dict[str, str], *, promoter: bool) -> Finding:
    """What the server at `url`, whose refs are `refs`, does about forbidden pushes by our login.

    Raises:
        ConfigError: the login may not push at all.
        PassingFault: the server cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="evergreen-doctor-") as folder:
        git(None, "init", "--quiet", "--bare", "--template=", folder)
        tree = git(Path(folder), "mktree").decode().strip()
        stray = git(Path(folder), "commit-tree", tree, stdin=b"A probe of evergreen doctor\n").decode().strip()
        server = _Server(url, secret, Path(folder), stray)
        return (
            _strange_branch(server)
            or _forbidden(server, refs)
            or _nights(server, refs)
            or _champion(server, refs, promoter)
        )


def _strange_branch(server: _Server) -> Finding | None:
    branch = _blocker()
    if server.push({}, {branch: server.stray}):
        return None
    # It was taken, so this server may well let it be deleted too.
    left = server.push({branch: server.stray}, {branch: ""})
    rest = f"; {branch} is still there: remove it" if left else ""
    return fail(f"{server.url} takes branches that no ledger has{rest}", _GUARD)


def _forbidden(server: _Server, refs: dict[str, str]) -> Finding | None:
    tag = next((ref for ref in refs if ref.startswith(_TAGS) and not ref.endswith("^{}")), None)
    # Of `data`, where HEAD leads, Git itself refuses the deletion: another branch says more.
    branch = next((ref for ref in refs if ref.startswith("refs/heads/") and ref not in (_DATA, _CHAMPION)), _DATA)
    wanted = [(_DATA, server.stray, "branches go back"), (branch, "", "branches be deleted")]
    if tag:
        wanted += [(tag, server.stray, "tags move"), (tag, "", "tags be deleted")]
    verdicts = {what: server.judge(refs, ref, commit) for ref, commit, what in wanted}
    allowed = [what for what, verdict in verdicts.items() if verdict is Verdict.ALLOWED]
    if allowed:
        return fail(f"{server.url} lets {' and '.join(allowed)}", _GUARD)
    if Verdict.UNTOLD in verdicts.values():
        return warn(f"{server.url} refuses, but does not tell for which ref: unproved", _GUARD)
    return None


def _nights(server: _Server, refs: dict[str, str]) -> Finding | None:
    if server.judge(refs, _NIGHTS, _next(server, refs, _NIGHTS)) is not Verdict.REFUSED:
        return None
    return fail(
        f"{server.url} takes no branch nights, which every night writes", "update it, or allow that branch there"
    )


def _champion(server: _Server, refs: dict[str, str], promoter: bool) -> Finding:
    verdict = server.judge(refs, _CHAMPION, _next(server, refs, _CHAMPION))
    held = "refs are guarded" if any(ref.startswith(_TAGS) for ref in refs) else "branches are guarded, no tag to try"
    if verdict is Verdict.UNTOLD:
        return warn(f"{server.url}: {held}; champion unproved", _GUARD)
    if verdict is Verdict.REFUSED:
        if promoter:
            return fail(f"{server.url} does not let the promoter write champion", "see the roles of its logins")
        return _approvals(server, refs, held)
    if promoter:
        return ok(f"{server.url}: {held}, the promoter may write champion")
    return fail(
        f"{server.url} lets this login write champion, and with it any model's code",
        "give tasks a login of their own that may not; only `promote` uses the promoter's",
    )


def _approvals(server: _Server, refs: dict[str, str], held: str) -> Finding:
    """What a login that may not write champion may do by another way: approve a run itself."""
    verdict = server.judge(refs, _DECISIONS, server.with_file(_here(server, refs, _DECISIONS), _APPROVAL))
    if verdict is Verdict.REFUSED:
        return ok(f"{server.url}: {held}, this login may write neither champion nor approvals")
    if verdict is Verdict.UNTOLD:
        return warn(f"{server.url}: {held}, this login may not write champion; approvals unproved", _GUARD)
    return warn(
        f"{server.url}: {held}, this login may not write champion, but approvals, and with it any model's code",
        "`promotion: manual` needs the newest `evergreen serve-ledgers`; see docs/operate.md, Two logins",
    )


def _here(server: _Server, refs: dict[str, str], branch: str) -> str | None:
    """The head of `branch`, fetched; None where there is no such branch."""
    head = refs.get(branch)
    if head is None:
        return None
    server.git("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", server.url, branch)
    if server.git("rev-parse", f"{head}^{{commit}}") != head:
        raise PassingFault(f"{branch} moves just now", where=server.url, remedy="try again")
    return head


def _next(server: _Server, refs: dict[str, str], branch: str) -> str:
    """A commit that may follow `branch` by every rule but that of who writes it, and changes nothing."""
    head = _here(server, refs, branch)
    if head is None:
        return server.stray
    return server.git("commit-tree", f"{head}^{{tree}}", "-p", head, "-m", "A probe of evergreen doctor")


def _blocker() -> str:
    return f"refs/heads/doctor/{secrets.token_hex(8)}"


def _told(output: str) -> dict[str, str]:
    """`{ref: reason}` of the refusals in what `git push --porcelain` wrote: `!<tab>from:to<tab>summary`."""
    lines = [line.split("\t") for line in output.splitlines() if line.startswith("!\t")]
    return {line[1].rpartition(":")[2]: line[2] for line in lines if len(line) > 2}
