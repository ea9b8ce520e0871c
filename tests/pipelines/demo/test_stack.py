"""The demo on the stack, as far as it differs from the embedded one; the rest is told by tests/stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from buckets import Buckets

from pipelines.config.settings import Settings
from pipelines.demo import lake, stack
from pipelines.demo.airflow_api import Airflow, Task
from pipelines.errors import ConfigError
from pipelines.storage.s3 import S3Place

TASK = Task("train", "failed", 2.0, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            [{"level": "info", "event": "x"}, {"error_detail": [{"exc_value": "too little memory"}]}],
            "too little memory",
        ),
        ([{"level": "error", "event": "lost"}, "no entry"], "lost"),
        ("not there yet", "failed without an error in its log"),
        (None, "failed without an error in its log"),
    ],
)
def test_a_failure_is_told_in_the_tasks_own_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, content: Any, said: str
) -> None:
    asked: list[str] = []

    def ask(self: Airflow, method: str, path: str, body: Any = None, *, none_on: int = 0) -> dict[str, Any] | None:
        asked.append(path)
        return None if content is None else {"content": content}

    monkeypatch.setattr(Airflow, "_ask", ask)
    story = stack.StackStory(settings, Airflow("http://x", "admin", "secret"), lambda _: None)
    assert story.failure_of("d", "r", TASK) == (said, "its log in Airflow")
    assert asked == ["/dags/d/dagRuns/r/taskInstances/train/logs/3?full_content=true"]


def test_the_lake_may_be_read_by_everybody(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def lay_out(folder: Path, progress: Any) -> Any:
        (folder / "flights").mkdir(parents=True, mode=0o700)
        (folder / "flights" / "day.parquet").touch(0o600)
        return SimpleNamespace(folder=folder, sentence=lambda: "laid out")

    monkeypatch.setattr(lake, "lay_out", lay_out)
    folder = stack.lay_out(settings, lambda _: None)
    assert [path.stat().st_mode & 0o777 for path in sorted(folder.rglob("*"))] == [0o755, 0o644]


def test_the_story_is_told_with_what_is_on_s3(
    buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "day.parquet").write_bytes(b"rows")
    told: list[Any] = []
    monkeypatch.setattr(stack, "chapters", lambda story: told.append(story) or [[("dag", "run")]])
    monkeypatch.setattr(stack, "finish", lambda _, retrained: told.append(retrained))
    settings = buckets.settings
    with pytest.raises(ConfigError, match="there is no airflow-admin"):
        stack.tell(settings, tmp_path / "lake", "http://x", lambda _: None)
    assert settings.secrets is not None
    (settings.secrets / "airflow-admin").write_text("secret\n")
    for changed in (True, False):
        stack.tell(settings, tmp_path / "lake", "http://x", lambda _: None)
        story, runs = told[-2:]
        assert (story.airflow.password, story.changed, runs) == ("secret", changed, [[("dag", "run")]])
    lake_place = S3Place.parse(settings.lake, "lake")
    assert buckets.get(replace(lake_place, key=f"{lake_place.key}/day.parquet")) == b"rows"
