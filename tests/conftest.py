"""Every test lives in a folder of its own: no state, no settings and no Git identity of the machine leak in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import TinyModel, write_tiny_model

from pipelines.config import settings as configuration
from pipelines.config.settings import Settings

# As cli.main does, and for its reason, before any test imports XGBoost.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings below `tmp_path`, in the environment too, so that child processes and the command line see the same."""
    for name in [name for name in os.environ if name.startswith("EVERGREEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EVERGREEN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return configuration.load()


@pytest.fixture
def tiny_model(settings: Settings) -> TinyModel:
    """A small binary model that has something to learn: 40 days of 120 orders, a context and a static table."""
    return write_tiny_model(settings)
