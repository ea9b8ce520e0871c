"""`evergreen reproduce`: retrain a version in an empty folder, from its tag alone, and compare what comes out."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.config.names import STAGES
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, InputError
from pipelines.ledger import champion as champions
from pipelines.ledger import checkout, code, stamps
from pipelines.ledger.command import git
from pipelines.ledger.git import Ledger
from pipelines.ledger.outs import fetch_files, link
from pipelines.ledger.store import Store
from pipelines.ledger.workspace import CHAMPION_FILES
from pipelines.runs import stage
from pipelines.stages.context import Progress
from pipelines.storage import bounded
from pipelines.storage.files import read_json, sha256_file

MODEL = "out/train/release.json"
METRICS = "out/evaluate/metrics.json"
# Seconds and rows a second: never the same twice.
CLOCKS = frozenset({"out/cost/train.json", "out/evaluate/cost.json"})


@dataclass(frozen=True)
class Verdict:
    """Whether a version came out again: sha256 of model and metrics then and now, and the first out that differs."""

    model: str
    version: int
    tag: str
    identical: bool
    model_sha256: tuple[str, str]
    metrics_sha256: tuple[str, str]
    first_difference: str
    code_changed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def render(self) -> str:
        """For a person: `identical`, or the first difference."""
        word = "identical" if self.identical else f"different: {self.first_difference}"
        lines = [
            word,
            f"  {self.model} version {self.version}, tag {self.tag}",
            f"  model    {self.model_sha256[0][:16]}… then, {self.model_sha256[1][:16]}… now",
            f"  metrics  {self.metrics_sha256[0][:16]}… then, {self.metrics_sha256[1][:16]}… now",
        ]
        if self.code_changed:
            lines.append(
                f"  note     the code of {', '.join(self.code_changed)} has changed since; check out its commit"
            )
        return "\n".join(lines)


def reproduce(settings: Settings, model: str, version: int, folder: Path | None, say: Progress) -> Verdict:
    """Check out the tag of `version`, pull its bytes, run every stage again and compare.

    Raises:
        InputError: there is no such version, or `folder` is not empty.
        IntegrityError: the bytes of its data are no longer what the ledger says.
        PassingFault: ledger, remote or registry cannot be reached.
    """
    ledger = Ledger.open(settings, model)
    tag = _tag(settings, ledger, version)
    with ExitStack() as stack:
        root = _empty(folder) if folder else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reproduce-")))
        git(root, "clone", "--quiet", "--single-branch", "--branch", tag, "--template=", str(ledger.mirror), ".")
        recorded = read_json(root / "out/evaluate/gates.json")["model_sha256"], sha256_file(root / METRICS)
        _bring(settings, ledger, root)
        for name in STAGES:
            say(f"{name} again")
            stage.run(root, name, say)
        # The stages have run a model's code here.
        checkout.disarm(root, ledger.mirror, "reproduced")
        found = sha256_file(root / MODEL), sha256_file(root / METRICS)
        first = _first_difference(settings, root)
        same = recorded == found and not first
        return Verdict(
            model=model,
            version=version,
            tag=tag,
            identical=same,
            model_sha256=(recorded[0], found[0]),
            metrics_sha256=(recorded[1], found[1]),
            first_difference=first or ("" if same else f"{MODEL if recorded[0] != found[0] else METRICS}"),
            code_changed=_code_changed(root),
        )


def _tag(settings: Settings, ledger: Ledger, version: int) -> str:
    """The tag of a version: from the ledger if it ever was champion, else from the registry."""
    for standing in champions.history(ledger):
        if standing.version == version:
            return standing.tag
    from pipelines.registry import Registry

    tag = Registry.of(settings).tag_of(ledger.model, version)
    if tag is None or ledger.head(tag) is None:
        raise InputError(
            f"there is no version {version} of {ledger.model}", where="registry", remedy="see `evergreen status`"
        )
    return tag


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigError("is not empty", where=str(folder), remedy="give an empty folder")
    return folder


def _bring(settings: Settings, ledger: Ledger, root: Path) -> None:
    """The window's partitions and the champion it was judged against; nothing that a stage of the run made."""
    listed = {item["path"]: item["md5"] for item in read_json(root / "window.json")["partitions"]}
    store = Store.open(settings, root, scm=True)
    try:
        store.fetch(listed.values())
        for path, md5 in listed.items():
            link(store.cached(md5), root / path)
    finally:
        store.close()
    judged = read_json(root / "champion/champion.json")["champion"]
    if judged is not None:
        files = {path: root / "champion" / name for path, name in CHAMPION_FILES.items()}
        fetch_files(settings, ledger, f"runs/{judged['run']}", files)
        stamps.bring(settings, ledger, root)


def _first_difference(settings: Settings, root: Path) -> str:
    """The first out, in the order of the stages, whose bytes are not those in `dvc.lock`; empty if none."""
    locked = bounded.parse_yaml((root / "dvc.lock").read_bytes(), "dvc.lock")["stages"]
    store = Store.open(settings, root, scm=True)
    try:
        with chdir(root), store.repo.lock:
            for name in STAGES:
                found = store.repo.stage.load_one(str(root / "dvc.yaml"), name=name)
                then = {out["path"]: out["md5"] for out in locked[name]["outs"]}
                for out in found.outs:
                    if out.def_path not in CLOCKS and out.get_hash().value != then[out.def_path]:
                        return f"{out.def_path} of stage {name}"
    finally:
        store.close()
    return ""


def _code_changed(root: Path) -> tuple[str, ...]:
    then: dict[str, str] = read_json(root / "code.json")["stages"]
    now = code.stage_hashes()
    return tuple(name for name in STAGES if then.get(name) != now[name])
