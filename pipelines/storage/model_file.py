"""Model files: XGBoost JSON beside a signature of what the model expects; verified before anything parses them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pipelines.config.model import Task
from pipelines.config.strict import Strict
from pipelines.errors import IntegrityError, UnreadableRecord, shorten
from pipelines.storage import bounded, files, trees

if TYPE_CHECKING:
    from xgboost import Booster

UNKNOWN = "(unknown)"
NULL_NUMBER = -1e30
_REMEDY = "pull it again from the ledger, or retrain"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Feature(Strict):
    """One column of the feature table that the model reads.

    `type` is what `features.py` gave it, and `missing` whether any row of the feature table lacked it; both are None in
    signatures from before they were recorded.
    """

    name: str
    kind: Literal["number", "category"]
    type: Literal["text", "float", "integer", "boolean"] | None = None
    missing: bool | None = None

    @property
    def xgboost_type(self) -> str:
        """`c` for a category's code, `float` for a number."""
        return "c" if self.kind == "category" else "float"


class Example(Strict):
    """A few rows and what the release said of them before it was ever written to a file.

    `rows` holds every feature in the model's order: a number, a category's value, or null. `scores` are float32, one
    number a row, or one for every class.
    """

    rows: tuple[tuple[float | str | None, ...], ...]
    scores: tuple[float | tuple[float, ...], ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.rows) != len(self.scores):
            raise ValueError("there must be one score per row")
        return self


class Signature(Strict):
    """What a model expects of its input, in order, and where it comes from.

    A category's code is its place in its vocabulary; place 0 is always `(unknown)`, for nulls and unseen values.
    A number that is null becomes `null_number` (`engines.columns` says why). `tables` are the types of the columns that
    the features were built from, by table (empty in models from before they were kept).
    """

    format: Literal[1] = 1
    task: Task
    classes: tuple[str, ...] = ()
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    vocabularies: dict[str, tuple[str, ...]]
    null_number: float = NULL_NUMBER
    label: str
    seed: int
    xgboost: str
    features_sha256: str
    model_sha256: Sha256
    trial_sha256: Sha256
    example: Example | None = None
    tables: dict[str, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError("a feature stands twice")
        if set(self.vocabularies) != {item.name for item in self.features if item.kind == "category"}:
            raise ValueError("there must be one vocabulary per category")
        if any(values[:1] != (UNKNOWN,) or len(set(values)) != len(values) for values in self.vocabularies.values()):
            raise ValueError(f"a vocabulary must begin with {UNKNOWN} and hold no value twice")
        if self.example is not None and any(len(row) != len(self.features) for row in self.example.rows):
            raise ValueError("a row of the example must hold every feature")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names in the order in which the model reads them."""
        return tuple(item.name for item in self.features)

    @property
    def types(self) -> tuple[str, ...]:
        """XGBoost's types of the features, in the same order."""
        return tuple(item.xgboost_type for item in self.features)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The signature in `path`; raises IntegrityError when it is missing or not a whole signature."""
        try:
            value = bounded.parse_json(path.read_bytes(), files.short(path))
            return cls.model_validate_json(files.json_bytes(value))
        except FileNotFoundError:
            raise IntegrityError("is missing", where=files.short(path), remedy=_REMEDY) from None
        except UnreadableRecord as error:
            raise UnreadableRecord(f"is no signature: {error.what}", where=error.where, remedy=_REMEDY) from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "the file"
            raise IntegrityError(
                f"is no signature: {shorten(key)}: {shorten(first['msg'])}", where=files.short(path), remedy=_REMEDY
            ) from None

    def write(self, path: Path) -> None:
        """Put the signature at `path` as JSON."""
        files.write_json(path, self.model_dump(mode="json"))


def xgboost_version() -> str:
    """The version of XGBoost that models are written with here."""
    return str(trees.xgboost().__version__)


def save(path: Path, booster: Booster) -> str:
    """Put `booster` at `path` as XGBoost JSON and give its sha256: the same training gives the same bytes."""
    raw = bytes(booster.save_raw(raw_format="json"))
    files.write_bytes(path, raw)
    return files.sha256_bytes(raw)


def verify_and_load(path: Path, sha256: str, signature: Signature | None = None) -> Booster:
    """The booster in `path`, whose bytes must have this sha256 before anything looks at them.

    With `signature`, the model must also have been trained with exactly its columns.

    Raises:
        IntegrityError: missing, other bytes than expected, no XGBoost JSON (a pickle, say), or other columns.
    """
    where = files.short(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError("is missing", where=where, remedy=_REMEDY) from None
    found = files.sha256_bytes(raw)
    if found != sha256:
        raise IntegrityError(
            f"its sha256 is {found[:16]}…, the ledger says {shorten(sha256, 17)}", where=where, remedy=_REMEDY
        )
    document = _parse(raw, where)
    if signature is not None:
        names, types = (_texts(document, key) for key in ("feature_names", "feature_types"))
        check_columns(names, signature.names, where=where)
        check_columns(
            [f"{name} ({kind})" for name, kind in zip(names, types, strict=False)],
            [f"{name} ({kind})" for name, kind in zip(signature.names, signature.types, strict=True)],
            where=where,
        )
    return _load(raw, where)


def check_columns(found: Sequence[str], expected: Sequence[str], *, where: str) -> None:
    """Refuse `found` unless it is `expected`, in its order.

    Raises:
        IntegrityError: with what is missing, what is unexpected, or the first two that changed places.
    """
    if list(found) == list(expected):
        return
    missing = [name for name in expected if name not in set(found)]
    unexpected = [name for name in found if name not in set(expected)]
    parts = [f"{word} {_listed(names)}" for word, names in (("missing", missing), ("unexpected", unexpected)) if names]
    if not parts:
        pairs = zip(found, expected, strict=False)
        place, (got, want) = next((i, pair) for i, pair in enumerate(pairs, 1) if pair[0] != pair[1])
        parts = [f"column {place} is {shorten(got, 40)} instead of {shorten(want, 40)}"]
    raise IntegrityError(
        f"its columns are not those of the model: {', '.join(parts)}",
        where=where,
        remedy="use the features.py and signature.json of the same run",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(shorten(name, 40) for name in names[:4]) + more


def _parse(raw: bytes, where: str) -> Mapping[str, Any]:
    # XGBoost tells its formats apart by the first bytes: text JSON alone is let through, for damaged UBJ crashes it.
    if raw[:1] == b"\x80":
        raise IntegrityError("is a pickle, which is never loaded", where=where, remedy=_REMEDY)
    try:
        document = json.loads(raw) if raw[:1] == b"{" else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("learner"), dict):
        raise IntegrityError(f"is no XGBoost JSON: it begins with {raw[:12]!r}", where=where, remedy=_REMEDY)
    learner: dict[str, Any] = document["learner"]
    return learner


def _texts(learner: Mapping[str, Any], key: str) -> list[str]:
    value = learner.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []


def _load(raw: bytes, where: str) -> Booster:
    xgboost = trees.xgboost()
    try:
        return xgboost.Booster(model_file=bytearray(raw))
    except (xgboost.core.XGBoostError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise IntegrityError(f"XGBoost cannot load it: {shorten(reason, 120)}", where=where, remedy=_REMEDY) from None
