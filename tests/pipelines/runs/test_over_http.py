"""The tiny model's story with its ledger behind a server: tasks do the work, the promoter promotes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import stories
from ledger_servers import LedgerServer
from stories import Story
from support import TinyModel

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, champion
from pipelines.ledger.command import credentials

pytestmark = pytest.mark.slow


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[LedgerServer]:
    """A server without ledgers, whose settings are the test's."""
    server = LedgerServer(settings, tmp_path / "server")
    server.start()
    yield server
    server.stop()


def as_role(server: LedgerServer, role: str) -> dict[str, str]:
    """The environment of a task with the secrets of `role`."""
    return {"EVERGREEN_LEDGERS": server.url, "EVERGREEN_SECRETS": str(server.settings_of(role).secrets)}


def test_tasks_run_the_promoter_promotes_and_the_version_comes_out_again(
    told: Story, settings: Settings, tiny_model: TinyModel, server: LedgerServer
) -> None:
    tasks, promoter = as_role(server, "tasks"), as_role(server, "promoter")
    days = ("--from", str(tiny_model.first), "--to", str(tiny_model.last))
    done = stories.evergreen(settings, "ingest", "tiny", *days, **tasks)
    assert done.returncode == 0, done.stderr

    done = stories.evergreen(settings, "run", "tiny", "--as-of", str(tiny_model.day(30)), "--json", **tasks)
    assert done.returncode == 3, done.stderr
    assert "only the promoter may write it" in done.stderr
    ledger = Ledger.open(server.settings_of("tasks"), "tiny")
    assert ledger.head("champion") is None
    (tag,) = ledger.tags()

    done = stories.evergreen(settings, *stories.stage_arguments("promote", tag.removeprefix("runs/")), **promoter)
    assert done.returncode == 0, done.stderr
    ledger.fetch()
    standing = champion.current(ledger)
    embedded = champion.history(Ledger.open(told.settings, "tiny"))[-1]
    assert standing is not None
    assert (standing.version, standing.model_sha256) == (1, embedded.model_sha256)

    done = stories.evergreen(settings, "reproduce", "tiny", "1", "--json", **tasks)
    assert done.returncode == 0, done.stderr
    assert stories.last_json(done)["identical"]


def test_a_run_cloned_from_the_server_is_evaluated_again(story: Story, tmp_path: Path) -> None:
    """Its champion's files come from the server that it was cloned from; the embedded folder moved there as it was."""
    server = LedgerServer(story.settings, tmp_path / "server", Path(story.settings.ledgers))
    server.start()
    try:
        tasks, clone = as_role(server, "tasks"), tmp_path / "clone"
        login = credentials(Path(tasks["EVERGREEN_SECRETS"]) / "ledger")
        tag = f"runs/{story.reports[1]['run']}"
        argv = ["git", "clone", "-q", "--branch", tag, f"{server.url}/tiny.git", str(clone)]
        subprocess.run(argv, env=os.environ | login, check=True, capture_output=True)
        env = stories.environment(story.settings) | tasks
        pulled = subprocess.run(
            [str(Path(stories.EVERGREEN).with_name("dvc")), "pull"],
            cwd=clone,
            env=env,
            capture_output=True,
            check=False,
        )
        assert pulled.returncode == 0, pulled.stderr
        done = subprocess.run(
            [stories.EVERGREEN, "stage", "evaluate", "--here"],
            cwd=clone, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (clone / "champion" / "model.json").is_file()
        assert not subprocess.run(["git", "diff", "--stat"], cwd=clone, check=True, capture_output=True).stdout
    finally:
        server.stop()
    assert "git-upload-pack user=tasks status=200" in server.log.read_text()
