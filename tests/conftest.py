"""Every test lives in a folder of its own: no state, no settings and no Git identity of the machine leak in."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import buckets as s3
import pytest
import warm
from buckets import Buckets, Faults
from hypothesis import settings as hypothesis_settings
from hypothesis.internal.conjecture import providers
from session_hooks import (  # noqa: F401 - found by pytest
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
    pytest_unconfigure,
)
from support import TinyModel, write_tiny_model

from pipelines import imports
from pipelines.config import settings as configuration
from pipelines.config.settings import Settings

# As cli.main does, and for its reason, before any test imports XGBoost.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
gc.set_threshold(50_000)

# The same examples on every machine; how long one takes says how busy the machine is. `make test-seeds` draws others,
# by --hypothesis-profile=seeds, and what it finds is written down as an @example.
hypothesis_settings.register_profile("evergreen", deadline=None, derandomize=True, database=None)
hypothesis_settings.register_profile("seeds", deadline=None, database=None, print_blob=True, max_examples=500)
hypothesis_settings.load_profile("evergreen")
# Hypothesis also draws constants that it finds in those modules of ours that are imported by then: which, hangs on what
# this process has tested before, and so on how many processes share the tests and how quick they are.
providers._get_local_constants = providers.Constants


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First those who wait for Airflow, then modules with long tests: at the end nobody waits for one alone."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.path.parent.name == "dags" else 1 if item.get_closest_marker("slow") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish() -> None:
    """What all modules of all tests have made stays: a collection that goes through it takes half a second."""
    imports.set_aside()


@pytest.fixture(scope="session", autouse=True)
def warm_commands() -> Iterator[None]:
    """The process that commands are forked from ends with the session."""
    yield
    warm.end()


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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server of this session."""
    with s3.server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3_proxy(s3_server: str) -> Iterator[Faults]:
    """A proxy before it."""
    with s3.faults(s3_server) as proxy:
        yield proxy


@pytest.fixture
def buckets(settings: Settings, s3_server: str) -> Buckets:
    """Lake, remote and predictions on S3."""
    return s3.buckets(settings, s3_server)


@pytest.fixture
def shaky(settings: Settings, s3_proxy: Faults) -> Iterator[tuple[Buckets, Faults]]:
    """The same behind a proxy that fails on demand."""
    s3_proxy.set(mode="pass")
    yield s3.buckets(settings, s3_proxy.endpoint), s3_proxy
    s3_proxy.set(mode="pass")
