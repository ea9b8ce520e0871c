"""The fixed bins of a version's features and scores and of its label, and where profiles by them are kept.

A grid is made once, by the first version of a feature table, and never changes: profiles of all later days, and of all
later versions with the same features, merge with those before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipelines.config.model import Label
from pipelines.drift.grid import Grid, make_grid
from pipelines.errors import IntegrityError
from pipelines.ledger import nights
from pipelines.ledger.git import Ledger
from pipelines.night.version import KEY_LENGTH, Version
from pipelines.storage.files import json_bytes, sha256_bytes

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "label"


@dataclass(frozen=True)
class Grids:
    """The grids of a version."""

    features: Grid
    scores: Grid
    labels: Grid

    @classmethod
    def read(cls, ledger: Ledger, version: Version) -> Self:
        """Those that are kept; raises IntegrityError where there are none, for they are made with the reference."""
        found = [nights.read_file(ledger, name) for name in _names(version)]
        features, scores, labels = (Grid.from_json(value) if value else None for value in found)
        if features is None or scores is None or labels is None:
            raise IntegrityError("a grid is missing", where=f"nights: {_names(version)[0]}", remedy="mend the ledger")
        return cls(features, scores, labels)

    @classmethod
    def keep(cls, ledger: Ledger, version: Version, rows: pa.Table, scores: pa.Table) -> Self:
        """Those that are kept, or made now from a sample of labelled rows and from scores of unseen ones."""
        tables = (rows.select(list(version.signature.names)), scores, rows.select([LABEL]))
        pairs = zip(_names(version), tables, strict=True)
        fresh = {name: make_grid(table).to_json() for name, table in pairs if nights.read_file(ledger, name) is None}
        if fresh:
            nights.put_new(ledger, fresh, f"Grids of version {version.named.version}")
        return cls.read(ledger, version)


def features_kind(version: Version) -> str:
    """Where the profiles of its feature table are kept, by day."""
    return f"profiles/{version.features_key}"


def labels_kind(label: Label) -> str:
    """Where the profiles of this label are kept, by day."""
    return f"labels/{_label_key(label)}"


def _names(version: Version) -> tuple[str, str, str]:
    key, label = version.features_key, _label_key(version.params.label)
    return f"grids/{key}", f"grids/scores-{key}", f"grids/labels-{label}"


def _label_key(label: Label) -> str:
    made_of = label.model_dump(mode="json", include={"expression", "classes"})
    return sha256_bytes(json_bytes(made_of))[:KEY_LENGTH]
