"""One model's ledger, read and written through a private bare mirror.

Writing is compare-and-swap: a commit is made on a parent that was seen and pushed as a fast-forward; the server's
refusal says that somebody was quicker. An answer that got lost is read back, never guessed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Self

from pipelines.config import names
from pipelines.config.secrets import LEDGER, PROMOTER, secret_file
from pipelines.config.settings import Settings
from pipelines.errors import InputError, PassingFault, UnreadableRecord, shorten
from pipelines.ledger import answers, checkout, hook, server, web
from pipelines.ledger.command import GitFailed, blobs, credentials, git
from pipelines.ledger.locks import locked

BRANCHES = frozenset({"data", "nights", "decisions", "champion", "lease"})
_NULL = "0" * 40
_MIRROR_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[gc]
\tautoDetach = false
"""


@dataclass(frozen=True)
class Ledger:
    """The ledger of `model`: the server's repository at `url`, mirrored in the folder `mirror`.

    `secret` is the file with the login that a server over HTTP asks for, `secrets` the folder of all such files.
    """

    model: str
    url: str
    mirror: Path
    secret: Path | None = None
    secrets: Path | None = None

    @classmethod
    def open(cls, settings: Settings, model: str, *, create: bool = False) -> Self:
        """The ledger of `model`, freshly fetched; `create` makes one where there never was one.

        Raises:
            InputError: the model has no ledger yet, or its name is illegal.
            ConfigError: the server does not accept our login.
            PassingFault: the ledger was there before and cannot be reached now.
        """
        names.model_name(model)
        url = f"{settings.ledgers.rstrip('/')}/{model}.git"
        ledger = cls(model, url, settings.mirrors / f"{model}.git", secret_file(settings, LEDGER), settings.secrets)
        if web.is_web(url):
            ledger._open_over_http(settings, create)
            return ledger
        if "://" not in url and not (Path(url) / "HEAD").is_file():
            ledger._absent(settings, create)
        elif "://" not in url:
            hook.renew(Path(url))
        ledger._prepare_mirror()
        ledger.fetch()
        return ledger

    def as_promoter(self) -> Self:
        """The same with the promoter's login, where the secrets have that beside ours."""
        own = self.secrets / PROMOTER if self.secrets else None
        return replace(self, secret=own) if own and own.is_file() else self

    def fetch(self) -> None:
        """Bring every ref of the mirror up to the server's.

        Raises:
            PassingFault: the server cannot be reached.
            ConfigError: it does not accept our login.
        """
        try:
            with self._lock() as lock:
                self._fetch(lock, "--prune", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        except GitFailed as error:
            raise answers.of_server(error, self.url) from error

    def head(self, ref: str) -> str | None:
        """The commit at `ref` (`data`, `run/<id>`, `runs/<id>`) when last fetched; None: no such."""
        shown = git(self.mirror, "for-each-ref", "--format=%(objectname)", full_ref(ref)).decode().split()
        return shown[0] if shown else None

    def read(self, at: str, path: str) -> bytes | None:
        """The bytes of `path` at a commit or ref; None where it has no such file."""
        return self.read_many([(at, path)])[at, path]

    def read_many(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes | None]:
        """The bytes of many `(commit or ref, path)` in one go; None for a file or ref that is not there.

        Raises:
            UnreadableRecord: where a file should be is something else.
        """
        files: dict[tuple[str, str], bytes | None] = {}
        for key, found in self.read_each(wanted).items():
            if isinstance(found, UnreadableRecord):
                raise found
            files[key] = found
        return files

    def read_each(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes | UnreadableRecord | None]:
        """As `read_many`, with the error in the place of what is no file."""
        asked = list(dict.fromkeys(wanted))
        for at, path in asked:
            _check_path(path)
            if any(character in at for character in "\n\0 :"):
                raise InputError(f"{shorten(repr(at))} is not a commit or ref", where="ledger")
        request = "".join(f"{_revision(at)}:{path}\n" for at, path in asked).encode()
        answer = git(self.mirror, "cat-file", "--batch", stdin=request)
        found = zip(asked, blobs(answer, len(asked)), strict=True)
        return {
            (at, path): UnreadableRecord(item.what, where=f"{self.model} {at[:60]}: {path}", remedy="mend the ledger")
            if isinstance(item, UnreadableRecord)
            else item
            for (at, path), item in found
        }

    def tree(self, commit: str, prefix: str = "") -> list[str]:
        """The paths of all files at `commit` below the folder `prefix`, sorted."""
        where = [prefix.rstrip("/") + "/"] if prefix else []
        listed = git(self.mirror, "ls-tree", "-r", "-z", "--name-only", "--full-tree", _revision(commit), "--", *where)
        return sorted(name for name in listed.decode().split("\0") if name)

    def log(self, ref: str) -> list[str]:
        """The commits of a ref, newest first; none where there is no such ref."""
        return git(self.mirror, "rev-list", full_ref(ref)).decode().split() if self.head(ref) else []

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether commit `old` is `new` or in its past, as far as the mirror knows."""
        try:
            git(self.mirror, "merge-base", "--is-ancestor", old, new)
        except GitFailed:
            return False
        return True

    def commit(
        self,
        branch: str,
        changes: Mapping[str, bytes | None],
        message: str,
        *,
        parent: str | None,
        base: str | None = None,
        signing: Mapping[str, str] | None = None,
    ) -> str:
        """Put `changes` (None deletes a path) on top of `parent`, push it to `branch`, return the new commit.

        `parent` is the branch's head as the caller saw it; None begins the branch, on top of `base` if given.
        `signing` is Git's configuration that signs the commit.

        Raises:
            PushRefused: the branch is elsewhere by now; nothing was written.
            LeaseHeld: the ledger knows a newer fencing number than this commit's.
            PassingFault: the ledger cannot be reached; repeating it is safe.
        """
        made = self._make(changes, message, parent or base, signing or {})
        self.push(made, f"refs/heads/{branch}", parent)
        return made

    def push(self, commit: str, full_name: str, seen: str | None = None) -> None:
        """Move the ref `full_name`, last seen at the commit `seen`, forward to `commit`; raises as `commit` does."""
        try:
            self._exchange("push", "--porcelain", "--no-verify", "--quiet", self.url, f"{commit}:{full_name}")
        except GitFailed as error:
            if self._arrived(commit, full_name):
                return
            raise answers.of_push(error, self.url, full_name) from error
        with self._lock() as lock, suppress(GitFailed):  # the push is done; a mirror behind is fetched when next opened
            try:
                git(self.mirror, "update-ref", full_name, commit, seen or _NULL)
            except GitFailed:  # somebody has fetched meanwhile, maybe more than ours: the server knows
                self._fetch(lock, f"+{full_name}:{full_name}")

    def tag(self, name: str, commit: str) -> None:
        """Tag `commit`; a tag that is there already must be on the same commit, else PushRefused."""
        self.push(commit, f"refs/tags/{name}")

    def tags(self, prefix: str = "runs/") -> dict[str, str]:
        """Tag name to commit, of all tags that begin with `prefix` (which ends with /)."""
        return self._refs("refs/tags/", prefix)

    def branches(self, prefix: str = "run/") -> dict[str, str]:
        """Branch name to commit, of all branches that begin with `prefix` (which ends with /)."""
        return self._refs("refs/heads/", prefix)

    def _refs(self, kind: str, prefix: str) -> dict[str, str]:
        shown = git(self.mirror, "for-each-ref", "--format=%(refname) %(objectname)", f"{kind}{prefix}").decode()
        pairs = (line.split(" ") for line in shown.splitlines())
        return {name.removeprefix(kind): commit for name, commit in pairs}

    def _open_over_http(self, settings: Settings, create: bool) -> None:
        # The fetch itself asks whether it is there: opening a known ledger costs no question more.
        self._prepare_mirror()
        try:
            self.fetch()
        except GitFailed as error:
            if not answers.missing(error):
                raise
            self._absent(settings, create)
            self.fetch()

    def _absent(self, settings: Settings, create: bool) -> None:
        if (self.mirror / "HEAD").is_file() and _known_url(self.mirror) == self.url:
            raise PassingFault(
                f"the ledger of {self.model} was there and is away",
                where=self.url,
                remedy=f"bring it back; only if it is meant to begin anew, remove {self.mirror}",
            )
        if not create:
            raise InputError(
                f"model {self.model} has no ledger yet",
                where=self.url,
                remedy=f"`evergreen ingest {self.model}` creates it",
            )
        if web.is_web(self.url):
            web.create(settings, self.url)
            return
        try:
            server.create(Path(self.url), self.model, settings.dvc_remote)
        except OSError as error:
            raise PassingFault(f"cannot create the ledger: {error}", where=self.url, remedy="see the disk") from error

    def _prepare_mirror(self) -> None:
        if (self.mirror / "HEAD").is_file():
            # It lies where stages of the same user can write.
            checkout.disarm_bare(self.mirror, _MIRROR_CONFIG)
            return
        with self._lock():
            if (self.mirror / "HEAD").is_file():
                return
            with tempfile.TemporaryDirectory(prefix=".mirror-", dir=self.mirror.parent) as folder:
                draft = Path(folder) / "draft"
                git(self.mirror.parent, "init", "--quiet", "--bare", "--template=", "--initial-branch=data", str(draft))
                checkout.disarm_bare(draft, _MIRROR_CONFIG)
                draft.rename(self.mirror)

    def _fetch(self, lock: locked, *arguments: str) -> None:
        flags = ("--quiet", "--no-tags", "--no-write-fetch-head")
        option = [argument for argument in arguments if argument.startswith("--")]
        specs = [argument for argument in arguments if not argument.startswith("--")]
        # Who is killed here leaves a Git that still moves the mirror's refs: the lock is held until that ends too.
        self._exchange("fetch", *flags, *option, self.url, *specs, holds=(lock.fileno(),))
        if _known_url(self.mirror) != self.url:
            (self.mirror / "evergreen-url").write_text(self.url)

    def _exchange(self, *arguments: str, holds: tuple[int, ...] = ()) -> None:
        """A command of Git that talks to the server."""
        git(self.mirror, *arguments, extra=credentials(self.secret), holds=holds)

    def _lock(self) -> locked:
        return locked(self.mirror.with_suffix(".lock"))

    def _make(
        self, changes: Mapping[str, bytes | None], message: str, parent: str | None, signing: Mapping[str, str]
    ) -> str:
        with tempfile.TemporaryDirectory(prefix="evergreen-commit-") as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            if parent:
                git(self.mirror, "read-tree", parent, extra=index)
            git(self.mirror, "update-index", "-z", "--index-info", stdin=self._entries(changes, folder), extra=index)
            tree = git(self.mirror, "write-tree", extra=index).decode().strip()
        parents = ["-p", parent] if parent else []
        sign = ["-S"] if signing else []  # commit-tree, unlike commit, does not sign by configuration alone
        text = message.strip().encode() + b"\n"
        made = git(self.mirror, "commit-tree", tree, *parents, *sign, stdin=text, extra=signing)
        return made.decode().strip()

    def _entries(self, changes: Mapping[str, bytes | None], folder: str) -> bytes:
        added = {_check_path(path): content for path, content in changes.items() if content is not None}
        drafts = []
        for number, content in enumerate(added.values()):
            drafts.append(f"{folder}/{number}")
            Path(drafts[-1]).write_bytes(content)
        listed = "".join(f"{name}\n" for name in drafts).encode()
        blobs = git(self.mirror, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed).decode().split()
        lines = [f"100644 {blob}\t{path}\0" for path, blob in zip(added, blobs, strict=True)]
        lines += [f"0 {_NULL}\t{_check_path(path)}\0" for path, content in changes.items() if content is None]
        return "".join(lines).encode()

    def _arrived(self, commit: str, full_name: str) -> bool:
        # A push whose answer got lost may have done its work all the same.
        with suppress(PassingFault):
            self.fetch()
            found = git(self.mirror, "for-each-ref", "--format=%(objectname)", full_name).decode().split()
            return bool(found) and (
                found[0] == commit or ("/tags/" not in full_name and self.is_ancestor(commit, found[0]))
            )
        return False


def full_ref(ref: str) -> str:
    """The full name of a ledger's ref: `data` is refs/heads/data, `runs/<id>` refs/tags/runs/<id>."""
    if ref.startswith("runs/"):
        return f"refs/tags/runs/{names.check_run_id(ref.removeprefix('runs/'))}"
    if ref.startswith("run/"):
        return f"refs/heads/run/{names.check_run_id(ref.removeprefix('run/'))}"
    if ref not in BRANCHES:
        raise InputError(f"{shorten(repr(ref))} is not a ref of a ledger", where="ledger")
    return f"refs/heads/{ref}"


def _revision(at: str) -> str:
    return at if len(at) == len(_NULL) and all(c in "0123456789abcdef" for c in at) else full_ref(at)


def _check_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(c in path for c in "\n\0\\") or ".git" in parts:
        raise InputError(f"{shorten(repr(path))} is not a path inside a ledger", where="ledger")
    return path


def _known_url(mirror: Path) -> str | None:
    note = mirror / "evergreen-url"
    return note.read_text() if note.is_file() else None
