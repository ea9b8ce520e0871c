"""A run's own folder: a clone of its branch, held by one process at a time, from which its stages are published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, chdir
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipelines.config import names, plain_yaml
from pipelines.config.settings import Settings
from pipelines.errors import InputError, IntegrityError, shorten
from pipelines.ledger import checkout, lease, server, stamps
from pipelines.ledger.command import GitFailed, git
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Out, Pipeline
from pipelines.ledger.locks import locked
from pipelines.ledger.outs import fetch_files, link
from pipelines.ledger.remotes import passing
from pipelines.ledger.store import Store
from pipelines.storage.files import read_json, write_bytes

LAKE_STAGES = frozenset({"snapshot", "validate", "features"})
CHAMPION_FILES = {
    "out/train/release.json": "model.json",
    "out/train/signature.json": "signature.json",
    "out/train/training.json": "training.json",
    "model/features.py": "features.py",
    "params.yaml": "params.yaml",
}


@dataclass
class Workspace:
    """The workspace of run `run_id` in the folder `root`; use it as a context manager, its lock ends with it."""

    settings: Settings
    ledger: Ledger
    run_id: str
    root: Path
    head: str
    fencing: int | None = None
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)
    _store: Store | None = field(default=None, repr=False)
    _stages: dict[str, Any] = field(default_factory=dict, repr=False)
    _known: Pipeline | None = field(default=None, repr=False)

    @classmethod
    def open(cls, settings: Settings, ledger: Ledger, run_id: str, *, fencing: int | None = None) -> Self:
        """The workspace at the head of the run's branch: the one left by an earlier stage, else a fresh clone.

        `fencing` is the number the lease gave; what is published without the newest one is refused.

        Raises:
            InputError: there is no such run.
            LeaseHeld: another live process is at work in it.
        """
        names.check_run_id(run_id)
        ledger.fetch()
        head = ledger.head(f"run/{run_id}")
        if head is None:
            raise InputError(
                f"there is no run {run_id}", where=ledger.url, remedy="copy its id from `evergreen status`"
            )
        root = settings.workspaces / ledger.model / run_id
        with ExitStack() as stack:
            stack.enter_context(locked(root.with_name(f"{run_id}.lock"), seconds=0, what=f"run {run_id}"))
            _check_out(ledger, run_id, root, head)
            return cls(settings, ledger, run_id, root, head, fencing, stack.pop_all())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder; it stays for the next stage."""
        if self._store:
            self._store.close()
            self._store = None
            self._stages.clear()
        self._stack.close()

    @property
    def pipeline(self) -> Pipeline:
        """What the head says of the stages, read once: it changes with the head alone."""
        if self._known is None or self._known.commit != self.head:
            self._known = Pipeline(self.ledger, self.head)
        return self._known

    def finished(self, stage: str) -> bool:
        """Whether the run's branch holds `stage`, done with exactly these inputs."""
        return self.pipeline.finished(stage)

    def prepare(self, stage: str) -> None:
        """Bring everything `stage` reads: the window's partitions, outs of earlier stages, the champion's files.

        Raises:
            IntegrityError: an earlier stage is not finished, or its bytes are not what the ledger says.
            PassingFault: the remote cannot be reached.
        """
        pipeline = self.pipeline
        for out in pipeline.needs(stage):
            if not pipeline.finished(out.stage):
                raise IntegrityError(f"stage {out.stage} is not finished", where=stage, remedy="run it first")
        self.check_out(pipeline.needs(stage))
        if stage in LAKE_STAGES:
            self.pull_lake()
        if "champion/champion.json" in pipeline.stages[stage].get("deps", []):
            self.pull_champion()

    def pull_lake(self, paths: Iterable[str] | None = None) -> None:
        """Bring partitions of the window by their paths (default: all of them), each a read-only link into the cache.

        The remote's bytes are verified by md5 as they come; `snapshot` verifies the sha256 of every file.
        """
        listed = {item["path"]: item["md5"] for item in read_json(self.root / "window.json")["partitions"]}
        wanted = list(listed if paths is None else paths)
        unknown = [path for path in wanted if path not in listed]
        if unknown:
            raise InputError(f"{shorten(unknown[0])} is not in the window", where="window.json")
        store = self._bytes()
        store.fetch(listed[path] for path in wanted)
        for path in wanted:
            link(store.cached(listed[path]), self.root / path)

    def pull_champion(self) -> dict[str, Any] | None:
        """Bring the champion's files and what it said of the test days beside `champion.json`; None: no champion.

        Raises:
            IntegrityError: the champion's run is gone, or its bytes are not what it says.
        """
        standing: dict[str, Any] | None = read_json(self.root / "champion" / "champion.json")["champion"]
        if standing is None:
            return None
        tag = f"runs/{standing['run']}"
        if self.ledger.head(tag) is None:
            raise IntegrityError("the champion's run is not in the ledger", where=tag, remedy="restore its tag")
        folder = self.root / "champion"
        fetch_files(self.settings, self.ledger, tag, {path: folder / name for path, name in CHAMPION_FILES.items()})
        stamps.bring(self.settings, self.ledger, self.root)
        return standing

    def check_out(self, outs: Iterable[Out]) -> None:
        """Put finished outs into the workspace, from cache or remote."""
        wanted = [out for out in outs if out.cached]
        if not wanted:
            return
        store = self._bytes()
        for out in wanted:
            store.fetch(store.folder(out.md5).values() if out.md5.endswith(".dir") else [out.md5])
        paths = {out.path for out in wanted}
        with passing("the workspace"), store.repo.lock:
            for name in {out.stage for out in wanted}:
                for item in self._dvc_stage(name).outs:
                    if item.def_path in paths:
                        item.checkout(force=True)

    def restore(self, stage: str) -> bool:
        """Put the outs of `stage` there from this machine's run cache; False where its exact inputs never ran."""
        from dvc.stage.cache import RunCacheNotFoundError

        with passing("the run cache"), chdir(self.root):  # DVC looks for the stages of its run cache from there
            repo = self._bytes().repo
            with repo.lock:
                found = self._dvc_stage(stage)
                try:
                    repo.stage_cache.restore(found)
                except RunCacheNotFoundError:
                    return False
        return True

    def publish(self, stage: str, summary: Mapping[str, Any] | None = None) -> str:
        """Make what `stage` left in the workspace part of the run, and return the branch's head.

        Bytes go into the cache, then to the remote where their presence is seen, then `dvc.lock` is committed and
        pushed under the lease's number. Publishing the same again changes nothing.

        Raises:
            IntegrityError: an out is missing, or an input is not what the run's branch says.
            LeaseHeld: the lease was taken by another run meanwhile; nothing is published.
            PassingFault: remote or ledger cannot be reached; repeating it is safe.
        """
        # The stage has run a model's code here.
        checkout.disarm(self.root, self.ledger.mirror, f"run/{self.run_id}")
        files = self._save(stage)
        self._push_bytes(files["dvc.lock"], stage)
        if self.fencing is not None:
            lease.check(self.ledger, self.run_id, self.fencing)
        standing = self.ledger.read_many((self.head, path) for path in files)
        if any(standing[self.head, path] != content for path, content in files.items()):
            text = self._message(stage, summary or {})
            head = self.ledger.commit(f"run/{self.run_id}", files, text, parent=self.head)
            git(self.root, "reset", "--quiet", "--hard", head)
            self.head = head
        return self.head

    def _save(self, stage: str) -> dict[str, bytes]:
        """Record the stage's inputs and outs in `dvc.lock`; the files that go into Git."""
        pipeline = self.pipeline
        with passing("the workspace"), chdir(self.root):  # as in `restore`
            with self._bytes().repo.lock:
                found = self._dvc_stage(stage)
                for out in found.outs:
                    if not out.exists:
                        raise IntegrityError(f"{stage} made no {out.def_path}", where=stage, remedy="run it again")
                found.save()
                found.commit()
                found.dump(update_pipeline=False)
            taken = {dep.def_path: dep.hash_info.value for dep in found.deps if dep.hash_info}
            for out in pipeline.needs(stage):
                if taken.get(out.path) != out.md5:
                    raise IntegrityError(f"{out.path} is not what {out.stage} made", where=stage, remedy="run it again")
            in_git = [out.path for out in pipeline.outs(stage) if not out.cached]
            return {path: (self.root / path).read_bytes() for path in ("dvc.lock", *in_git)}

    def _push_bytes(self, lock: bytes, stage: str) -> None:
        store = self._bytes()
        outs = plain_yaml.load(lock)["stages"][stage]["outs"]
        kept = {out.path for out in self.pipeline.outs(stage) if out.cached}
        oids: list[str] = []
        for out in outs:
            if out["path"] in kept:
                oids += store.folder(out["md5"]).values() if out["md5"].endswith(".dir") else []
                oids.append(out["md5"])
        store.push(oids)

    def _message(self, stage: str, summary: Mapping[str, Any]) -> str:
        told = shorten(json.dumps(summary, sort_keys=True, default=str), 4000)
        trailers = f"Stage: {stage}\nRun: {self.run_id}\n"
        if self.fencing is not None:
            trailers += f"Fencing: {self.fencing}\n"
        return f"{stage} of {self.ledger.model}, run {self.run_id}\n\n{told}\n\n{trailers}"

    def _bytes(self) -> Store:
        if self._store is None:
            # A process that was killed leaves DVC's list of readers and writers behind; ours is the only one here.
            (self.root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
            # What lies there may be a stage's.
            _configure(self.settings, self.ledger, self.root)
            self._store = Store.open(self.settings, self.root, scm=True)
        return self._store

    def _dvc_stage(self, stage: str) -> Any:
        """DVC's object for `stage`, loaded once: each loading parses dvc.yaml again, and only we write its lock."""
        if stage not in self._stages:
            self._stages[stage] = self._bytes().repo.stage.load_one(str(self.root / "dvc.yaml"), name=stage)
        return self._stages[stage]


def _check_out(ledger: Ledger, run_id: str, root: Path, head: str) -> None:
    branch = f"run/{run_id}"
    if root.is_symlink() or (root.exists() and not (root / ".git").is_dir()):
        root.unlink() if root.is_symlink() else shutil.rmtree(root)
    if root.is_dir():
        try:
            checkout.check_out(root, ledger.mirror, branch, head)
        except GitFailed:
            shutil.rmtree(root)  # damaged beyond reuse: everything in it is in the ledger or made again
    if not root.is_dir():
        draft = root.with_name(f".{run_id}.new")
        shutil.rmtree(draft, ignore_errors=True)
        checkout.check_out(draft, ledger.mirror, branch, head)
        draft.rename(root)


def _configure(settings: Settings, ledger: Ledger, root: Path) -> None:
    """DVC's configuration as this program writes it, whatever the run's branch, or a stage, says; Store adds ours."""
    folder = root / ".dvc"
    if folder.is_symlink():
        folder.unlink()
    for name in ("config", "config.local"):
        (folder / name).unlink(missing_ok=True)
    write_bytes(folder / "config", server.first_files(ledger.model, settings.dvc_remote)[".dvc/config"], durable=False)
