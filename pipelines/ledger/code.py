"""Which code a stage is: a hash over everything it imports inside `pipelines`, and the commit and image around it."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.config.names import STAGES
from pipelines.config.settings import PROJECT, Settings
from pipelines.errors import InputError
from pipelines.ledger.command import GitFailed, git

PACKAGE = "pipelines"
# A model's features.py is loaded by path and imports these helpers, which no import statement of the stage shows.
HELPERS = {"features": f"{PACKAGE}.features"}
_DOTTED = re.compile(rf"""(?<=["']){PACKAGE}(?:\.[a-z_][a-z0-9_]*)+(?=["'])""")


def describe(settings: Settings, project: Path = PROJECT) -> dict[str, Any]:
    """The contents of `code.json`: commit, image, hash of the lock file, and one hash for each stage."""
    return {
        "git_sha": settings.git_sha or _git_sha(project),
        "image_digest": settings.image_digest,
        "lock_sha256": _lock_sha256(project),
        "stages": stage_hashes(project),
    }


def stage_hashes(project: Path = PROJECT) -> dict[str, str]:
    """Stage to sha256 of its module, of all it imports inside `pipelines` (inside functions too), and of the lock file.

    Raises:
        InputError: a stage has no module, or one of them is not Python.
    """
    return dict(_stage_hashes(project))


def closure(project: Path, module: str) -> frozenset[str]:
    """`module` and every module of `pipelines` that it imports, directly or not, with the packages around them."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or _file(project, name) is None:
            continue
        found.add(name)
        waiting += _imports(project, name)
        waiting += [name.rpartition(".")[0]] if "." in name else []
    return frozenset(found)


@cache
def _stage_hashes(project: Path) -> tuple[tuple[str, str], ...]:
    return tuple((stage, _stage_hash(project, stage)) for stage in STAGES)


def _stage_hash(project: Path, stage: str) -> str:
    root = f"{PACKAGE}.stages.{stage}"
    if _file(project, root) is None:
        raise InputError(f"stage {stage} has no module", where=root, remedy="install Evergreen again, in full")
    modules = set(closure(project, root))
    for helper in _below(project, HELPERS[stage]) if stage in HELPERS else ():
        modules |= closure(project, helper)
    digest = hashlib.sha256(_lock_sha256(project).encode())
    for name in sorted(modules):
        file = _file(project, name)
        if file is not None:
            digest.update(f"\n{name} {hashlib.sha256(file.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


@cache
def _imports(project: Path, module: str) -> tuple[str, ...]:
    file = _file(project, module)
    if file is None:
        return ()
    source = file.read_bytes()
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InputError(f"is not Python: {error.msg}", where=f"{file.name} line {error.lineno}") from None
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    named = {name for node in _statements(tree.body) for name in _named(node, package)}
    return tuple(sorted(named.union(_DOTTED.findall(source.decode(errors="replace")))))  # import_module("pipelines.…")


def _statements(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Every statement, those inside of others too: nothing else can import, and most of a tree is something else."""
    for node in nodes:
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _statements(getattr(node, part, ()))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    """The modules of `pipelines` a node may mean; names that are no module are dropped when they have no file."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.split(".")[0] == PACKAGE)
        case ast.ImportFrom(module=module, names=names, level=level):
            base = module or ""
            if level:
                parents = package.split(".")[: len(package.split(".")) - level + 1]
                base = ".".join([*parents, *([module] if module else [])])
            if base.split(".")[0] == PACKAGE:
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
        case _:
            return


def _file(project: Path, module: str) -> Path | None:
    path = project.joinpath(*module.split("."))
    for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _below(project: Path, package: str) -> list[str]:
    folder = project.joinpath(*package.split("."))
    return [package, *(f"{package}.{file.stem}" for file in sorted(folder.glob("*.py")) if file.stem != "__init__")]


def _lock_sha256(project: Path) -> str:
    lock = project / "requirements.lock"
    return hashlib.sha256(lock.read_bytes() if lock.is_file() else b"").hexdigest()


def _git_sha(project: Path) -> str:
    try:
        head = git(project, "rev-parse", "HEAD").decode().strip()
        return f"{head}-dirty" if git(project, "status", "--porcelain", "--untracked-files=no") else head
    except GitFailed:
        return "unknown"  # installed from an archive: the stage hashes say all that results depend on
