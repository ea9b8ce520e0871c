from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipelines.config.settings import Settings
from pipelines.errors import PassingFault
from pipelines.services import stack

WELL = {part: {"status": "healthy"} for part in stack.PARTS}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """What Airflow says of its health, one answer a look, the last one for ever."""
    answers: list[bytes | None] = []

    def get(url: str) -> bytes | None:
        if url.endswith("/api/v2/monitor/health"):
            return answers.pop(0) if len(answers) > 1 else answers[0]
        return b"OK"

    monkeypatch.setattr(stack.components, "get", get)
    monkeypatch.setattr(stack.time, "sleep", lambda _: None)
    return answers


def test_it_waits_for_every_part(told: list[bytes | None], settings: Settings) -> None:
    ill = WELL | {"triggerer": {"status": None}}
    told += [None, json.dumps(ill).encode(), json.dumps({"scheduler": None}).encode(), json.dumps(WELL).encode()]
    said: list[str] = []
    stack.wait(replace(settings, airflow_port=18080), said.append)
    assert len(told) == 1
    assert "http://127.0.0.1:18080" in said[0]
    assert "airflow-admin" in said[0]


def test_what_never_gets_well_is_named(
    told: list[bytes | None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.append(json.dumps(WELL | {"scheduler": {"status": "unhealthy"}}).encode())
    monkeypatch.setattr(stack, "WAIT_SECONDS", -1.0)
    with pytest.raises(PassingFault, match="not well after -1 s: scheduler"):
        stack.wait(settings, lambda _: None)
