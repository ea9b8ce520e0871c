"""Writes refs of a ledger past its rules, as whoever can write to its folder, or a process killed half-way, may."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_WHO = {f"GIT_{role}_{what}": "eve@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class Bare:
    """The bare repository of a ledger."""

    folder: Path

    def git(self, *arguments: str, data: bytes = b"", **env: str) -> bytes:
        """Git in it, past every hook."""
        return subprocess.run(
            ["git", "--git-dir", str(self.folder), *arguments],
            input=data,
            env=os.environ | _WHO | env,
            capture_output=True,
            check=True,
        ).stdout

    def put(self, onto: str | None, files: Mapping[str, bytes | None], *refs: str, message: str = "Write") -> str:
        """Let `refs` lead to a commit with `files` (None: without) on top of the commit or ref `onto`; the commit."""
        index = {"GIT_INDEX_FILE": str(self.folder / "written.index")}
        self.git("read-tree", *([onto] if onto else ["--empty"]), **index)
        lines = b""
        for path, content in files.items():
            mode, blob = "0", "0" * 40
            if content is not None:
                mode, blob = "100644", self.git("hash-object", "-w", "--stdin", data=content).decode().strip()
            lines += f"{mode} {blob}\t{path}\0".encode()
        self.git("update-index", "-z", "--index-info", data=lines, **index)
        tree = self.git("write-tree", **index).decode().strip()
        parents = ("-p", onto) if onto else ()
        commit = self.git("commit-tree", tree, *parents, "-m", message).decode().strip()
        for ref in refs:
            self.git("update-ref", ref, commit)
        return commit
