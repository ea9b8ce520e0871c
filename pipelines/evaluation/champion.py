"""The champion as the run holds it: proven byte for byte, and scored on rows whose labels it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pipelines.config.load import read_yaml
from pipelines.config.model import Label, Table, Task
from pipelines.config.params import RunParams, Span
from pipelines.errors import ConfigError, IntegrityError, shorten
from pipelines.evaluation import given
from pipelines.storage import files, model_file
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xgboost import Booster

FOLDER = "champion"
_REMEDY = "fetch it again from its run's tag, or roll back to an earlier version"


@dataclass(frozen=True)
class Champion:
    """A verified champion: its booster, what it expects, and the parts of its run's parameters that its rows depend on.

    `seen_until` is the last day whose labels its release was to be fitted on, as its run planned; `given_until` the
    last that its train stage says it was given. They are one unless somebody changed one of them.
    """

    version: int
    run: str
    booster: Booster
    signature: Signature
    features_py: Path
    seen_until: date
    tables: dict[str, Table]
    label: Label
    given_until: date

    def shares_features(self, params: RunParams, features_sha256: str) -> bool:
        """Whether the feature table of the run of `params` is also this champion's."""
        same_code = self.signature.features_sha256 == features_sha256
        return same_code and self.tables == params.tables and self.label == params.label

    def as_classes(self, score: NDArray[Any], classes: Sequence[str]) -> NDArray[Any]:
        """`score` with its columns in the order of `classes`; a class that the champion does not know has score 0."""
        import numpy as np

        if tuple(classes) == self.signature.classes:
            return score
        known = {name: place for place, name in enumerate(self.signature.classes)}
        placed = np.zeros((len(score), len(classes)), np.float32)
        for place, name in enumerate(classes):
            if name in known:
                placed[:, place] = score[:, known[name]]
        return placed


def load(root: Path, task: Task) -> Champion | None:
    """The champion named by champion/champion.json below `root`; None where there is none.

    Raises:
        IntegrityError: one of its files is missing, damaged or not the one the ledger names; the message names it.
        ConfigError: it does another task than this run.
    """
    folder = root / FOLDER
    named = files.read_json(folder / "champion.json")
    entry = named.get("champion") if isinstance(named, dict) else None
    if entry is None:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("version"), int):
        raise IntegrityError("names no version", where=f"{FOLDER}/champion.json", remedy=_REMEDY)
    name = f"champion {shorten(str(entry.get('version')), 12)} of run {shorten(str(entry.get('run')), 40)}"
    try:
        champion = _load(folder, entry)
    except IntegrityError as error:
        raise IntegrityError(error.what, where=f"{name}, {error.where}", remedy=_REMEDY) from None
    if champion.signature.task is not task:
        raise ConfigError(
            f"{name} is a {champion.signature.task} model, this run trains {task}",
            where="model.yaml task",
            remedy="give a model of another task a folder and a name of its own",
        )
    return champion


def _load(folder: Path, entry: dict[str, Any]) -> Champion:
    signature = Signature.read(folder / "signature.json")
    booster = model_file.verify_and_load(folder / "model.json", str(entry.get("model_sha256")), signature)
    features_py = folder / "features.py"
    if not features_py.is_file():
        raise IntegrityError("is missing", where=files.short(features_py))
    found = files.sha256_file(features_py)
    if found != signature.features_sha256:
        raise IntegrityError(
            f"its sha256 is {found[:16]}…, the signature says {signature.features_sha256[:16]}…",
            where=files.short(features_py),
        )
    span, tables, label = _params(folder / "params.yaml")
    training = folder / "training.json"
    _, last = given.days(files.read_json(training), "release", files.short(training))
    return Champion(
        version=entry["version"],
        run=str(entry.get("run")),
        booster=booster,
        signature=signature,
        features_py=features_py,
        seen_until=span.test_end,
        given_until=last,
        tables=tables,
        label=label,
    )


def _params(path: Path) -> tuple[Span, dict[str, Table], Label]:
    """Only the parts that matter here, so that a champion from before a new setting can still be read."""
    try:
        value = read_yaml(path).value
        tables = TypeAdapter(dict[str, Table]).validate_python(value["tables"])
        return Span.model_validate(value["span"]), tables, Label.model_validate(value["label"])
    except (ConfigError, ValidationError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"holds no parameters of a run: {shorten(' '.join(str(error).split()), 120)}", where=files.short(path)
        ) from None
