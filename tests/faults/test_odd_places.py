"""A home whose path others misread, on a machine whose user has Git ignore what a run is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import stories
from support import write_tiny_model

from pipelines.config import settings as configuration
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline

pytestmark = pytest.mark.slow


# A reader of partitions would make columns of it, `%20` is a space in a URL, and % begins an interpolation.
@pytest.mark.parametrize("place", ["delay=1/product=cake", "100% a%20b"])
def test_a_model_is_trained_and_scores_wherever_its_home_is(tmp_path: Path, place: str) -> None:
    root = tmp_path / place
    home = {"EVERGREEN_HOME": f"{root}/home", "EVERGREEN_MODELS": f"{root}/models"}
    settings = configuration.load(home)
    tiny = write_tiny_model(settings)
    for words in (
        ("ingest", "tiny", "--from", str(tiny.first), "--to", str(tiny.last)),
        ("run", "tiny", "--as-of", str(tiny.day(30))),
        ("score", "tiny", "--date", str(tiny.day(33))),
        ("monitor", "tiny", "--date", str(tiny.day(33))),
    ):
        done = stories.evergreen(settings, *words)
        assert done.returncode == 0, done.stderr
    assert (settings.home / "mlflow" / "mlflow.db").is_file()


def test_a_users_own_list_of_ignored_files_ignores_none_of_a_runs(tmp_path: Path) -> None:
    settings = stories.fresh_settings(tmp_path)
    tiny = write_tiny_model(settings)
    (tmp_path / "ignore").write_text("*.lock\n*.yaml\n*.json\nout/\n.dvc\n")
    (tmp_path / "gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/ignore\n")
    user = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_DIR": "/nowhere.git", "GIT_WORK_TREE": "/nowhere"}
    days = ("--from", str(tiny.first), "--to", str(tiny.last))
    assert stories.evergreen(settings, "ingest", "tiny", *days, **user).returncode == 0
    done = stories.evergreen(settings, "run", "tiny", "--as-of", str(tiny.day(30)), "--json", **user)
    assert done.returncode == 0, done.stderr
    pipeline = Pipeline(Ledger.open(settings, "tiny"), f"runs/{stories.last_json(done)['run']}")
    assert all(pipeline.finished(stage) for stage in pipeline.stages)
