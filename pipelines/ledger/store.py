"""Bytes by their md5: the DVC cache of this machine and the DVC remote behind it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError, shorten
from pipelines.ledger import reader, remotes
from pipelines.ledger.remotes import Remote, passing
from pipelines.storage import bounded
from pipelines.storage.files import write_bytes

_NAME = re.compile(r"[0-9a-f]{32}(\.dir)?\Z", re.ASCII)
_LOCAL_CONFIG = """\
[core]
    analytics = false
    autostage = false
    check_update = false
    site_cache_dir = {site}
    remote = store
{scm}[cache]
    dir = {cache}
    type = "hardlink,copy"
{remote}"""


@dataclass(frozen=True)
class Store:
    """The cache and the remote as one DVC repository object sees them."""

    repo: Any
    remote: Remote

    @classmethod
    def open(cls, settings: Settings, root: Path, *, scm: bool) -> Self:
        """The store seen from the folder `root`, which needs no Git repository unless `scm`.

        Raises:
            PassingFault: the cache's disk cannot be written.
        """
        config = _LOCAL_CONFIG.format(
            site=settings.home / "dvc",
            cache=settings.cache,
            remote=remotes.section(settings),
            scm="" if scm else "    no_scm = true\n",
        )
        with passing("the DVC cache"):
            settings.cache.mkdir(parents=True, exist_ok=True)
            if not scm:
                (root / ".dvc" / "config.local").unlink(missing_ok=True)
            write_bytes(root / ".dvc" / ("config.local" if scm else "config"), config.encode(), durable=False)
            from dvc.repo import Repo

            # DVC tells its progress on standard output, which belongs to our callers; its faults reach us as errors.
            logging.getLogger("dvc").setLevel(logging.CRITICAL)
            logging.getLogger("dvc_data").addHandler(logging.NullHandler())
            repo = Repo(str(root))
        return cls(repo, remotes.open_remote(settings, repo))

    def close(self) -> None:
        """Close DVC's databases."""
        self.repo.close()

    def add(self, files: Mapping[str, Path]) -> None:
        """Copy `files`, by md5, into the cache. Copied and hashed again, for the source may change meanwhile."""
        with passing("the DVC cache"):
            paths = [str(path) for path in files.values()]
            self._cache.add(paths, _local(), list(files), hardlink=False, verify=True)

    def add_folder(self, entries: Mapping[str, tuple[str, int]]) -> tuple[str, int]:
        """Make the DVC directory of `{file name: (md5, bytes)}` in the cache; its md5 (`….dir`) and total bytes."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.meta import Meta
        from dvc_data.hashfile.tree import Tree

        tree = Tree()
        for name, (md5, size) in sorted(entries.items()):
            tree.add((name,), Meta(size=size), HashInfo("md5", md5))
        tree.digest()
        with passing("the DVC cache"):
            self._cache.add(tree.path, tree.fs, tree.oid, hardlink=False)
        return str(tree.oid), sum(size for _, size in entries.values())

    def folder(self, oid: str) -> dict[str, str]:
        """File name to md5 of a DVC directory, fetched first where the cache lacks it; raises as `fetch` does."""
        self.fetch([oid])
        where = f"object {oid}"
        found: dict[str, str] = {}
        for value in reader.of_kind(bounded.parse_json(self.cached(oid).read_bytes(), where), list, where):
            item = reader.Fields(reader.of_kind(value, dict, where), where)
            name = item.get("relpath", str)
            if not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
                raise bounded.unreadable(f"{shorten(repr(name))} is not a path inside a folder", where)
            found[name] = _md5(item.get("md5", str), where)
        return found

    def cached(self, oid: str) -> Path:
        """Where the cache keeps, or would keep, an object."""
        _md5(oid, "object")
        return Path(self._cache.oid_to_path(oid))

    def push(self, oids: Iterable[str]) -> None:
        """Bring objects from the cache to the remote and see that each is there, in full.

        Raises:
            PassingFault: the remote cannot be reached or written; repeating it is safe.
            IntegrityError: an object is in neither of them.
        """
        self.remote.push(list(dict.fromkeys(oids)))

    def fetch(self, oids: Iterable[str]) -> None:
        """Bring objects that the cache lacks from the remote, verified by their md5.

        Raises:
            PassingFault: the remote cannot be reached.
            IntegrityError: an object is not in the remote, or not what its name says.
        """
        lacking = [oid for oid in dict.fromkeys(oids) if not self.cached(oid).is_file()]
        if not lacking:
            return
        self.remote.fetch(lacking)
        for oid in lacking:
            if not self.cached(oid).is_file():
                raise IntegrityError(
                    f"object {oid} holds other bytes than its name says",
                    where=self.remote.where,
                    remedy="restore it from a backup",
                )

    @property
    def _cache(self) -> Any:
        return self.repo.cache.local


def _md5(text: str, where: str) -> str:
    """`text` if it is an object's name, and nothing that leads out of the cache."""
    if not _NAME.match(text):
        raise bounded.unreadable(f"{shorten(repr(text))} is no md5", where)
    return text


def _local() -> Any:
    from dvc.fs import localfs

    return localfs
