"""An author's `features.py`: loaded by path, called, and its mistakes told with file and line."""

from __future__ import annotations

import ast
import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipelines.config.params import RunParams
from pipelines.engines.impure import check_query, check_source
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
        ConfigError: it has no `build`, raises or ends the process, reaches for a banned column, gives back no Ibis
            table, or one that depends on more than the tables.
    """
    import ibis

    # The helpers are part of what a feature means: imported here, they belong to the stage's code hash.
    import pipelines.features  # noqa: F401

    build = load_build(path)
    try:
        with _staying():
            found = build(dict(tables), as_of)
    except (EvergreenError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _complain(path, params, error) from error
    if not isinstance(found, ibis.Table):
        raise ConfigError(
            f"build gave back {type(found).__name__}", where=str(path.name), remedy="return an ibis.Table of features"
        )
    check_query(str(ibis.to_sql(found, dialect="duckdb")))
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
        tree = compile(raw, str(path), "exec", ast.PyCF_ONLY_AST)
        check_source(tree)
        with _staying():
            exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102 - its author is trusted with the process
    except (EvergreenError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ConfigError(_reason(error), where=_place(path, error), remedy="mend features.py") from error
    build = module.__dict__.get("build")
    if not callable(build):
        raise ConfigError("has no function build", where=path.name, remedy="define build(tables, as_of)")
    return build  # type: ignore[no-any-return]


@contextmanager
def _staying() -> Iterator[None]:
    """`os._exit` and `os.abort` raise as `sys.exit` does: that a build ends the process is its author's mistake."""

    def leave(*status: object) -> None:
        raise SystemExit(*status)

    before = os._exit, os.abort
    os._exit, os.abort = leave, leave  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit, os.abort = before


def _complain(path: Path, params: RunParams, error: BaseException) -> ConfigError:
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
    if isinstance(error, SystemExit):
        return f"it ends the process ({shorten(repr(error.code))}); a mistake is raised, as a ValueError is"
    return f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 160)}"
