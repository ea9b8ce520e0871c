"""An author's `features.py`: loaded by path, called, and its mistakes told with file and line."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipelines.config.params import RunParams
from pipelines.engines.labels import banned
from pipelines.engines.sources import folded
from pipelines.errors import ConfigError, EvergreenError, shorten

if TYPE_CHECKING:
    import ibis

MAX_BYTES = 1 << 20
# How Ibis tells that a table has no such column.
_ABSENT = re.compile(r"(?:Column |has no attribute )'(?P<name>[^']+)'")
Build = Callable[[Mapping[str, Any], date], Any]


def run_build(path: Path, params: RunParams, tables: Mapping[str, ibis.Table], as_of: date) -> ibis.Table:
    """What `build(tables, as_of)` of the file at `path` gives back.

    Raises:
        ConfigError: it has no `build`, raises, reaches for a banned column, or gives back no Ibis table.
    """
    import ibis

    # The helpers are part of what a feature means: imported here, they belong to the stage's code hash.
    import pipelines.features  # noqa: F401

    build = load_build(path)
    try:
        found = build(dict(tables), as_of)
    except EvergreenError:
        raise
    except Exception as error:
        raise _complain(path, params, error) from error
    if not isinstance(found, ibis.Table):
        raise ConfigError(
            f"build gave back {type(found).__name__}", where=str(path.name), remedy="return an ibis.Table of features"
        )
    return found


def load_build(path: Path) -> Build:
    """The function `build` of the file at `path`, run in a module that `sys.modules` never holds, with no byte code.

    Raises:
        ConfigError: the file cannot be read or run, or has no `build`.
    """
    module = ModuleType(f"evergreen_features_{path.parent.name}")
    module.__file__ = str(path)
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"is larger than {MAX_BYTES} bytes", where=path.name, remedy="shorten it")
        exec(compile(raw, str(path), "exec"), module.__dict__)  # noqa: S102 - the model's author is trusted with its process
    except EvergreenError:
        raise
    except Exception as error:
        raise ConfigError(_reason(error), where=_place(path, error), remedy="mend features.py") from error
    build = module.__dict__.get("build")
    if not callable(build):
        raise ConfigError("has no function build", where=path.name, remedy="define build(tables, as_of)")
    return build  # type: ignore[no-any-return]


def _complain(path: Path, params: RunParams, error: Exception) -> ConfigError:
    """The author's exception with its place in `features.py`; a banned column gets an explanation."""
    place = _place(path, error)
    absent = _ABSENT.search(str(error))
    for table in params.tables:
        if absent and folded(absent["name"]) in banned(params, table):
            return ConfigError(
                f"column {absent['name']} of table {table} is known only after the event and banned from features",
                where=place,
                remedy="use tables['labels'] through a trailing statistic",
            )
    return ConfigError(_reason(error), where=place, remedy="mend features.py; `evergreen check` tries it")


def _place(path: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path.name} line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path.name} line {lines[-1]}" if lines else path.name


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 160)}"
