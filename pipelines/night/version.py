"""A version of the model on the bench: its booster, what it expects, and the parameters it was made with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ValidationError

from pipelines.config.model import Window, history_days
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError, shorten
from pipelines.ledger import broken, reader
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.ledger.outs import fetch_files
from pipelines.ledger.workspace import CHAMPION_FILES
from pipelines.storage.files import json_bytes, sha256_bytes
from pipelines.storage.model_file import Signature, verify_and_load

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray
    from xgboost import Booster

KEY_LENGTH = 12
Role = Literal["champion", "shadow"]
_FILES = {**CHAMPION_FILES, "model/model.yaml": "model.yaml"}


@dataclass(frozen=True)
class Named:
    """Which version, as the ledger names it."""

    version: int
    run: str
    model_sha256: str
    role: Role

    @classmethod
    def champion(cls, standing: Champion) -> Self:
        """The champion."""
        return cls(standing.version, standing.run, standing.model_sha256, "champion")

    @property
    def tag(self) -> str:
        """The ledger's tag of its run."""
        return f"runs/{self.run}"


@dataclass(frozen=True)
class Version:
    """A version whose files lie in `folder`."""

    named: Named
    folder: Path
    params: RunParams
    signature: Signature

    @classmethod
    def bring(cls, settings: Settings, ledger: Ledger, named: Named, folder: Path) -> Self:
        """Fetch its files into `folder`.

        Raises:
            IntegrityError: its run is gone, or a file of it is not what the ledger says.
            PassingFault: the remote cannot be reached.
        """
        if ledger.head(named.tag) is None:
            raise IntegrityError("the version's run is not in the ledger", where=named.tag, remedy="restore its tag")
        fetch_files(settings, ledger, named.tag, {path: folder / name for path, name in _FILES.items()})
        return cls(named, folder, read_params(folder / "params.yaml"), Signature.read(folder / "signature.json"))

    @property
    def features_py(self) -> Path:
        """The module that builds its features."""
        return self.folder / "features.py"

    @cached_property
    def history_days(self) -> int:
        """How many days before a row are read for its features.

        Not what the run's span opens with: a run near the start of the schedule had fewer days before it.
        """
        found = reader.Record("model.yaml", (self.folder / "model.yaml").read_bytes()).fields().get("window", dict, {})
        try:
            return history_days(Window.model_validate(found or {}), self.params.label)
        except ValidationError as error:
            told = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise IntegrityError(f"window: {shorten(told)}", where=f"{self.named.tag}: model.yaml") from None

    @cached_property
    def features_key(self) -> str:
        """Twelve characters that stand for its feature table: features.py and the tables and label behind it."""
        made_of = self.params.model_dump(mode="json", include={"tables", "label"})
        return sha256_bytes(json_bytes([self.signature.features_sha256, made_of]))[:KEY_LENGTH]

    @cached_property
    def booster(self) -> Booster:
        """Its booster, verified; raises IntegrityError."""
        return verify_and_load(self.folder / "model.json", self.named.model_sha256, self.signature)

    def scores(self, batches: Iterable[pa.RecordBatch]) -> NDArray[Any]:
        """Its scores of feature rows, float32: (n,), or (n, k) for k classes."""
        from pipelines.engines.matrix import predict

        return predict(self.booster, self.signature, batches)


def read_params(path: Path) -> RunParams:
    """The parameters in a run's `params.yaml`; raises IntegrityError."""
    return broken.params(reader.Record(path.name, path.read_bytes()))
