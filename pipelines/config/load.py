"""Strict reading of a model folder's YAML: size and depth caps, no tags, no aliases; errors name file, line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from typing_extensions import TypeVar

from pipelines.config import names, plain_yaml
from pipelines.config.model import Model
from pipelines.errors import ConfigError, shorten

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
# Octal to YAML 1.1, decimal to YAML 1.2; an author may mean either, or text.
_TWO_NUMBERS = re.compile(r"[-+]?0[0-9_]*[1-9][0-9_]*\Z", re.ASCII)
FOLDER_FILES = ("model.yaml", "features.py", "expectations.yaml")

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
T = TypeVar("T", bound=BaseModel)
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML file's plain value and the line of every key in it."""

    path: Path
    value: Any
    lines: Mapping[Location, int]

    def parse(self, kind: type[T]) -> T:
        """The document as a `kind`; raises ConfigError naming file, line, key and value."""
        try:
            return kind.model_validate(self.value)
        except ValidationError as error:
            raise self.complain(error) from None

    def complain(self, error: ValidationError) -> ConfigError:
        """The first of pydantic's complaints, in our words."""
        first = error.errors(include_url=False)[0]
        location: Location = first["loc"]
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        key = ".".join(str(part) for part in location) or "the file"
        value = "" if isinstance(first["input"], dict | list) else f" {shorten(repr(first['input']))}"
        said = first["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return ConfigError(
            f"{key}:{value} {said[:1].lower()}{said[1:]}{more}",
            where=f"{_short(self.path)} line {self.lines.get(known, 1)}",
            remedy=_remedy(first["type"], first["input"]),
        )


def read_yaml(path: Path) -> Document:
    """The YAML document in `path`.

    Raises:
        ConfigError: unreadable, too large, not UTF-8, not YAML, or holding a tag, an alias or a key twice.
    """
    raw = _read(path)
    try:
        node = yaml.compose(_refuse_aliases(raw, path), Loader=plain_yaml.LOADER)
        lines: dict[Location, int] = {}
        if node is not None:
            _walk(node, (), lines, path)
        return Document(path, plain_yaml.load(raw), lines)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"not readable as YAML: {shorten(str(problem), 120)}",
            where=f"{_short(path)}{line}",
            remedy="mend the syntax",
        ) from None


def load_model(folder: Path) -> Model:
    """The model in `folder`, whose three files must be there and be ordinary files.

    Raises:
        ConfigError: the folder or one of its files is wrong; nothing else is read or run.
    """
    names.model_name(folder.name)
    for part in (folder, *(folder / name for name in FOLDER_FILES)):
        if part.is_symlink():
            raise ConfigError("is a symbolic link", where=_short(part), remedy="put the file itself there")
    for name in FOLDER_FILES:
        if not (folder / name).is_file():
            raise ConfigError(
                f"{name} is missing", where=_short(folder), remedy="`evergreen new` drafts a complete model folder"
            )
    return read_yaml(folder / "model.yaml").parse(Model)


def model_folders(root: Path) -> list[Path]:
    """The folders below `root` that are meant as models, in order of name; hidden and `_` folders are not."""
    if not root.is_dir():
        raise ConfigError(
            "is not a folder", where=str(root), remedy="set EVERGREEN_MODELS to the folder of model folders"
        )
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")


def find_model(root: Path, name: str) -> Path:
    """The folder of model `name`; raises ConfigError, naming those there are, when it is not there."""
    folder = root / names.model_name(name)
    if not folder.is_dir():
        known = ", ".join(path.name for path in model_folders(root)[:10]) or "none"
        raise ConfigError(f"there is no model {name!r}", where=_short(root), remedy=f"choose one of: {known}")
    return folder


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"is larger than {MAX_BYTES} bytes", where=_short(path), remedy="shorten it")
        return raw.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=_short(path), remedy="check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is not UTF-8", where=_short(path), remedy="save it as UTF-8") from None


def _refuse_aliases(raw: str, path: Path) -> str:
    # Composing expands nothing, but loading would: an alias bomb must be seen in the event stream, before either.
    depth = 0
    for event in yaml.parse(raw, Loader=plain_yaml.LOADER):
        where = f"{_short(path)} line {event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(
                f"alias *{shorten(str(event.anchor))} is not allowed",
                where=where,
                remedy="write the value out",
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"is nested deeper than {MAX_DEPTH}", where=where, remedy="flatten it")
    return raw


def _walk(node: yaml.Node, at: Location, lines: dict[Location, int], path: Path) -> None:
    line = node.start_mark.line + 1
    lines.setdefault(at, line)
    if node.tag not in _PLAIN_TAGS:
        raise ConfigError(
            f"tag {shorten(node.tag)} is not allowed", where=f"{_short(path)} line {line}", remedy="use plain values"
        )
    if isinstance(node, yaml.ScalarNode):
        _plain_scalar(node, f"{_short(path)} line {line}")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*at, index), lines, path)
    if isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            where = (*at, str(key.value))
            if where in lines:
                raise ConfigError(
                    f"key {shorten(str(key.value))!r} stands twice",
                    where=f"{_short(path)} line {key.start_mark.line + 1}",
                )
            lines[where] = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                _plain_scalar(key, f"{_short(path)} line {key.start_mark.line + 1}")
            _walk(item, where, lines, path)


def _plain_scalar(node: yaml.ScalarNode, where: str) -> None:
    """Refuse what two readers of YAML would take for two things, and the one sign that DVC's writer does not keep."""
    if not node.style and _TWO_NUMBERS.match(node.value):
        raise ConfigError(
            f"{shorten(node.value)} is octal to some readers of YAML",
            where=where,
            remedy=f"write it without the leading 0, or '{shorten(node.value)}' if it is text",
        )
    if "\x85" in node.value:
        raise ConfigError("holds the sign U+0085, which DVC does not keep", where=where, remedy="leave it out")


def _remedy(kind: str, value: object) -> str:
    if kind == "string_type" and not isinstance(value, dict | list):
        return "write it in quotes where it is meant as text"
    return "see docs/model-reference.md"


def _short(path: Path) -> str:
    return "/".join(path.parts[-3:]) if len(path.parts) > 3 else str(path)
