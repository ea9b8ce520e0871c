"""`expectations.yaml`: per table a list of Great Expectations by their own names, each with a severity.

    flights:
      - {expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: distance, min_value: 1}}

Reading checks form, names and columns' shape without loading Great Expectations; `pipelines.quality.expectations`
checks the names and arguments against it where it is loaded anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, RootModel, field_validator

from pipelines.config.load import Document, read_yaml
from pipelines.config.model import Model
from pipelines.config.strict import Strict
from pipelines.engines import mentions
from pipelines.engines.mentions import EVERYTHING, Mentions
from pipelines.errors import ConfigError, shorten

CHECKS_VERSION = 2  # raised whenever a framework check changes what it accepts: every verdict is then made anew
FILE = "expectations.yaml"
FEATURES = "features.py"
SCHEMA_RULES = frozenset(
    {
        "ExpectColumnToExist",
        "ExpectColumnValuesToBeInTypeList",
        "ExpectColumnValuesToBeOfType",
        "ExpectTableColumnsToMatchSet",
    }
)
_RESERVED = frozenset(
    {"batch_id", "catch_exceptions", "description", "id", "meta", "notes", "rendered_content", "result_format"}
    | {"severity", "row_condition", "condition_parser"}  # the last two are code in a string
)
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
_COLUMN_LIST_ARGUMENTS = ("column_list", "column_set")


class Rule(Strict):
    """One expectation: `expect` is the class name in Great Expectations, `with` its arguments."""

    expect: Annotated[str, Field(pattern=r"^Expect[A-Z][A-Za-z0-9]{2,100}$")]
    severity: Literal["critical", "warning"]
    arguments: Annotated[dict[str, Any], Field(alias="with", max_length=20, default_factory=dict)]

    @field_validator("arguments")
    @classmethod
    def _plain(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        reserved = sorted(_RESERVED & arguments.keys())
        if reserved:
            raise ValueError(f"{', '.join(reserved)} cannot be set in `with`")
        return arguments

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the expectation names."""
        single = [self.arguments[name] for name in _COLUMN_ARGUMENTS if name in self.arguments]
        several = [self.arguments.get(name) for name in _COLUMN_LIST_ARGUMENTS]
        listed = [item for items in several if isinstance(items, list) for item in items]
        return tuple(str(column) for column in (*single, *listed))

    @property
    def in_schema(self) -> bool:
        """Whether the rule declares columns or types, which the framework judges on the file's own Arrow schema."""
        return self.expect in SCHEMA_RULES

    def title(self) -> str:
        """The expectation with its arguments, short enough for a sentence."""
        arguments = ", ".join(f"{key}={shorten(str(value), 40)}" for key, value in self.arguments.items())
        return shorten(f"{self.expect}({arguments})", 160)


class _File(RootModel[dict[str, Annotated[tuple[Rule, ...], Field(strict=False, max_length=5000)]]]):
    pass


@dataclass(frozen=True)
class Suite:
    """All expectations of a model, and what else a verdict on its partitions depends on.

    `features` are the names that its `features.py` mentions.
    """

    document: Document
    rules: Mapping[str, tuple[Rule, ...]]
    model: Model
    features: Mentions = EVERYTHING

    @classmethod
    def load(cls, path: Path, model: Model) -> Self:
        """The suite in `path`, a model folder or the file itself.

        Raises:
            ConfigError: the file is wrong in form, or names a table that `model` does not have.
        """
        document = read_yaml(path / FILE if path.is_dir() else path)
        rules = document.parse(_File).root
        for table in rules:
            if table not in model.tables:
                raise ConfigError(
                    f"{shorten(table)}: model.yaml has no such table",
                    where=f"{document.path.name} line {document.lines.get((table,), 1)}",
                    remedy=f"use one of: {', '.join(model.tables)}",
                )
        features = mentions.in_features(path / FEATURES) if path.is_dir() else EVERYTHING
        return cls(document, rules, model, features)

    def of(self, table: str) -> tuple[Rule, ...]:
        """The rules of `table`; none where the file says nothing about it."""
        return self.rules.get(table, ())

    def named(self, table: str) -> Mentions:
        """The columns of `table` that the model folder names."""
        ruled = [column for rule in self.of(table) for column in rule.columns]
        return mentions.of_table(self.model, table, ruled, self.features)

    def hash(self, table: str) -> str:
        """sha256 over everything besides the data that a verdict on a partition of `table` depends on."""
        model = self.model
        parts: dict[str, Any] = {
            "checks": CHECKS_VERSION,
            "rules": [rule.model_dump(mode="json", by_alias=True) for rule in self.of(table)],
            "table": model.tables[table].model_dump(mode="json"),
            "row_count": [model.validation.row_count_low, model.validation.row_count_high],
        }
        if table == model.events:
            parts |= {"task": model.task.value, "label": model.label.model_dump(mode="json")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def complain(self, table: str, index: int, key: str, problem: str) -> ConfigError:
        """An error that names the line of rule `index` of `table`, or of its argument `key`."""
        lines = self.document.lines
        line = lines.get((table, index, "with", key)) or lines.get((table, index, "expect")) or 1
        return ConfigError(
            f"{table}[{index}] {self.of(table)[index].expect}: {problem}",
            where=f"{self.document.path.name} line {line}",
            remedy="see Great Expectations' gallery for its names and arguments",
        )
