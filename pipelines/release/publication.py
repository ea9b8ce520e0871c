"""What is published of a run, out of the ledger; and `evergreen republish`: versions from before are published anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, IntegrityError
from pipelines.ledger.git import Ledger
from pipelines.ledger.outs import fetch_files
from pipelines.night.scratch import scratch_folder
from pipelines.night.version import read_params
from pipelines.registry import Publication, Registry
from pipelines.release import seen
from pipelines.release.answers import GATES, METRICS
from pipelines.release.seen import Seen
from pipelines.runs.record import thresholds_of
from pipelines.stages.context import Progress
from pipelines.storage.files import read_json
from pipelines.storage.model_file import Signature

FILES = {
    "out/train/release.json": "release.json",
    "out/train/signature.json": "signature.json",
    "params.yaml": "params.yaml",
    GATES: "gates.json",
    METRICS: "metrics.json",
}


@dataclass(frozen=True)
class Republished:
    """One version: whether it was published anew, or `why` it was not."""

    version: int
    run: str
    done: bool
    why: str = ""


def of_run(settings: Settings, ledger: Ledger, run: str, folder: Path) -> Publication:
    """What is to be published of finished run `run`, whose files are brought to `folder`.

    Raises:
        IntegrityError: a file is missing or is not what the ledger says.
        PassingFault: the remote cannot be reached.
    """
    tag = f"runs/{run}"
    fetch_files(settings, ledger, tag, {path: folder / name for path, name in FILES.items()})
    signature = Signature.read(folder / "signature.json")
    gates, metrics = (read_json(folder / name) for name in ("gates.json", "metrics.json"))
    if not isinstance(gates, dict) or not isinstance(metrics, dict):
        raise IntegrityError("its gates or metrics are none", where=tag)
    if signature.model_sha256 != gates.get("model_sha256"):
        raise IntegrityError("its signature names another model than its gates judged", where=tag)
    serving = metrics.get("serving")
    params = read_params(folder / "params.yaml")
    return Publication(
        folder / "release.json",
        signature,
        thresholds_of(params.model_dump(mode="json")),
        str(serving.get("published") or "") if isinstance(serving, dict) else "",
    )


def republish(settings: Settings, model: str, version: int | None, say: Progress) -> dict[str, Any]:
    """Publish `version` of `model` anew, or every one of the old kind; number and aliases stay. May be repeated.

    Raises:
        ConfigError: there is no such version, or no run of the ledger made it.
        IntegrityError: a version does not score outside as it does here.
        PassingFault: MLflow or the ledger is away.
    """
    ledger, registry = Ledger.open(settings, model), Registry.of(settings)
    runs = ledger.tags("runs/")
    known = seen.versions(registry, model)
    if version is not None and version not in known:
        raise ConfigError(f"there is no version {version}", where=model, remedy=f"there are {_listed(known)}")
    wanted = [version] if version is not None else [number for number, item in sorted(known.items()) if item.old]
    done = [_one(settings, ledger, registry, known[number], item_runs=runs, say=say) for number in wanted]
    left = [item for item in done if not item.done]
    return {
        "model": model,
        "republished": [asdict(item) for item in done if item.done],
        "left": list(map(asdict, left)),
    }


def _one(
    settings: Settings, ledger: Ledger, registry: Registry, item: Seen, *, item_runs: Any, say: Progress
) -> Republished:
    run = item.tag.removeprefix("runs/")
    if item.retired or item.tag not in item_runs:
        return Republished(item.version, run, False, "no run of the ledger made it")
    if item.model_id is None or item.source != item.logged:
        return Republished(item.version, run, False, "what its run logged is gone, or elsewhere: `evergreen reconcile`")
    say(f"version {item.version}: publishing run {run} anew")
    with scratch_folder(settings, "republish") as folder:
        registry.put(item.model_id, of_run(settings, ledger, run, folder))
    return Republished(item.version, run, True)


def _listed(known: dict[int, Seen]) -> str:
    return ", ".join(map(str, sorted(known))) or "none"
