"""The reaper against a made-up list of containers; against a real engine: tests/stack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

NOW = 1_800_000_000.0


@pytest.fixture
def reaper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module without Airflow, which would set up logging and warn in this process."""
    import importlib

    for name in ("airflow", "airflow.sdk", "airflow.sdk.exceptions"):
        monkeypatch.setitem(sys.modules, name, MagicMock(BaseOperator=object))
    yield importlib.import_module("evergreen_reaper")
    sys.modules.pop("evergreen_reaper")


def stamp(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


class Engine:
    """A list of containers, as the engine shows them."""

    def __init__(self, **containers: tuple[bool, float, str]) -> None:
        self.containers, self.removed = containers, []

    def tasks(self) -> list[dict[str, Any]]:
        return [{"Id": name} for name in (*self.containers, "gone")]

    def state(self, name: str) -> dict[str, Any] | None:
        if name not in self.containers:
            return None
        running, ended, deadline = self.containers[name]
        state = {"Running": running, "FinishedAt": stamp(ended) if ended else "0001-01-01T00:00:00Z"}
        labels = {"evergreen.task": "1", "evergreen.deadline": deadline}
        return {"Name": f"/{name}", "Created": stamp(max(ended, 300)), "State": state, "Config": {"Labels": labels}}

    def stop(self, name: str) -> None:
        self.removed.append(f"stop {name}")

    def remove(self, name: str) -> None:
        self.removed.append(name)


def test_what_ended_long_ago_or_ran_too_long_goes(reaper: Any) -> None:
    engine = Engine(
        just_ended=(False, 60.0, "0"),
        long_ended=(False, 700.0, "0"),
        never_started=(False, 0.0, "0"),
        in_time=(True, 0.0, str(int(NOW) + 5)),
        too_long=(True, 0.0, str(int(NOW) - 5)),
        no_deadline=(True, 0.0, "soon"),
    )
    lines: list[str] = []
    assert reaper.reap(engine, NOW, lines.append) == 2
    assert engine.removed == ["stop long_ended", "long_ended", "stop too_long", "too_long"]
    assert lines == ["removing long_ended: ended 12 minutes ago", "removing too_long: past its deadline"]


def test_it_asks_for_nothing_but_its_label(tmp_path: Path) -> None:
    from evergreen_engine import connect
    from fake_engine import FakeEngine

    fake, seen = FakeEngine(tmp_path / "engine.sock"), []
    fake.answers["GET", "/containers/json"] = lambda path: (seen.append(path), (200, []))[1]
    with fake.running(), connect(fake.url) as engine:
        assert engine.tasks() == []
    assert "label%22%3A+%5B%22evergreen.task%3D1%22%5D" in seen[0]
