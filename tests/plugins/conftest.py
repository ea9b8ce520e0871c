"""The plugins are imported as Airflow does it: under their bare names, from their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.fixture(autouse=True)
def _plugins_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGINS))


@pytest.fixture
def fake_evergreen(tmp_path: Path):
    """Writes an `evergreen` that runs the given Python code, and returns its path."""
    import sys

    def write(code: str) -> Path:
        path = tmp_path / "evergreen"
        path.write_text(f"#!{sys.executable}\nimport json, os, signal, subprocess, sys, time\n{code}\n")
        path.chmod(0o700)
        return path

    return write
