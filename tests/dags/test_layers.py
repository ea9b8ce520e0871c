"""What DAG files and plugins may import: of `pipelines`, only what stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "dags").glob("*.py"), *(ROOT / "plugins").glob("*.py")])
LIGHT = ("pipelines.config", "pipelines.errors", "pipelines.ledger", "pipelines.alerts")
HEAVY = ("pandas", "numpy", "sklearn", "xgboost", "mlflow", "dvc", "great_expectations", "duckdb", "ibis", "pyarrow")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_light_rooms_are_imported(path: Path) -> None:
    found = [name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node)]
    foreign = [name for name in found if name.startswith("pipelines") and not name.startswith(LIGHT)]
    assert not foreign


def test_the_light_rooms_are_light() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for room in ("config", "ledger", "alerts")
        for path in sorted((ROOT / "pipelines" / room).glob("*.py"))
    ]
    code = f"import importlib, sys; [importlib.import_module(m) for m in {[*modules, 'pipelines.errors']}]; "
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def imported(node: ast.AST) -> list[str]:
    """The modules an import statement names."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
