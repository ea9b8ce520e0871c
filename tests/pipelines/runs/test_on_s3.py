"""The tiny model with lake, DVC remote and predictions on S3: the commands are the same, and so is the model."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import buckets as s3
import pyarrow.parquet as pq
import pytest
import stories
from buckets import Buckets
from stories import Story
from support import TinyModel, write_tiny_model

from pipelines.ledger import Ledger, champion
from pipelines.storage.files import sha256_file

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Cloud:
    """A first champion as of day 30, all of whose bytes are on S3; `report` is what `evergreen run` printed."""

    buckets: Buckets
    tiny: TinyModel
    report: dict[str, Any]

    def evergreen(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return stories.evergreen(self.buckets.settings, *arguments, **self.buckets.environment())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Cloud:
    """Told once; what is on this machine alone, its DVC cache, is then gone."""
    settings = stories.fresh_settings(tmp_path_factory.mktemp("cloud"))
    tiny = write_tiny_model(settings)
    buckets = s3.buckets(settings, s3_server)
    for path in tiny.lake.rglob("*.parquet"):
        buckets.put(buckets.at(*path.relative_to(tiny.lake).parts), path.read_bytes())
    shutil.rmtree(tiny.lake)
    cloud = Cloud(buckets, tiny, {})
    done = cloud.evergreen("ingest", "tiny", "--from", str(tiny.first), "--to", str(tiny.last))
    assert done.returncode == 0, done.stderr
    done = cloud.evergreen("run", "tiny", "--as-of", str(tiny.day(30)), "--json")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(settings.cache)
    return Cloud(buckets, tiny, stories.last_json(done))


def test_the_model_is_the_one_that_folders_give(cloud: Cloud, told: Story) -> None:
    settings, run = cloud.buckets.settings, cloud.report["run"]
    ours = sha256_file(settings.workspaces / "tiny" / run / "out" / "train" / "release.json")
    theirs = champion.history(Ledger.open(told.settings, "tiny"))[-1]
    assert (theirs.run, theirs.model_sha256) == (told.reports[0]["run"], ours)


def test_nothing_lies_in_the_folders_that_stand_for_s3(cloud: Cloud) -> None:
    home = cloud.buckets.settings.home
    assert not [name for name in ("lake", "remote", "predictions") if (home / name).exists()]


def test_it_is_reproduced_from_s3_alone(cloud: Cloud) -> None:
    done = cloud.evergreen("reproduce", "tiny", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert stories.last_json(done)["identical"] is True


def test_ingesting_again_finds_nothing_new(cloud: Cloud) -> None:
    done = cloud.evergreen("ingest", "tiny", "--from", str(cloud.tiny.first), "--to", str(cloud.tiny.last), "--json")
    assert done.returncode in (0, 99), done.stderr
    assert stories.last_json(done)["accepted"] == 0


def test_nights_read_and_write_their_predictions_on_s3(cloud: Cloud) -> None:
    days = [cloud.tiny.day(number) for number in (36, 37)]
    for day in days:
        for command in ("score", "monitor"):
            done = cloud.evergreen(command, "tiny", "--date", str(day), "--json")
            assert done.returncode == 0, done.stderr
    evidence = stories.last_json(done)
    assert [facts["day"] for facts in evidence["performance"]][-1] == str(days[0])
    assert evidence["drift"]["separability"]["rows"] > 0
    kept = {
        path.place.key.rpartition("/")[2]
        for path in cloud.buckets.s3.list(cloud.buckets.at("tiny", setting="predictions"))
    }
    assert "version-1.parquet" in kept
    assert f"{cloud.report['run']}.parquet" in kept
    again = cloud.evergreen("score", "tiny", "--date", str(days[0]), "--json")
    assert [item["new"] for item in stories.last_json(again)["versions"]] == [False]
    assert not (cloud.buckets.settings.home / "predictions").exists()


def test_predictions_are_written_to_s3_once(cloud: Cloud, tmp_path: Path) -> None:
    day = cloud.tiny.day(35)
    place = cloud.buckets.at("tiny", f"date={day}", "version-1.parquet", setting="predictions")
    for _ in range(2):
        done = cloud.evergreen("predict", "tiny", "--date", str(day), "--json")
        assert done.returncode == 0, done.stderr
        assert stories.last_json(done)["file"] == str(place)
    (tmp_path / "scored.parquet").write_bytes(cloud.buckets.get(place))
    assert pq.read_metadata(tmp_path / "scored.parquet").num_rows == stories.last_json(done)["rows"] > 0
    cloud.buckets.put(place, b"of somebody else")
    done = cloud.evergreen("predict", "tiny", "--date", str(day))
    assert done.returncode == 3
    assert "holds other bytes already" in done.stderr
    assert cloud.buckets.get(place) == b"of somebody else"


def test_a_checked_out_run_is_evaluated_with_the_bytes_that_dvc_pulled(cloud: Cloud, tmp_path: Path) -> None:
    """What a person does: clone, check out, pull; the committed config names the remote and no address of ours."""
    settings, clone = cloud.buckets.settings, tmp_path / "clone"
    tag = f"runs/{cloud.report['run']}"
    argv = ["git", "clone", "-q", "--branch", tag, f"{settings.ledgers}/tiny.git", str(clone)]
    subprocess.run(argv, check=True, capture_output=True)
    committed = (clone / ".dvc" / "config").read_text()
    assert settings.dvc_remote in committed
    assert str(settings.s3.endpoint) not in committed
    env = stories.environment(settings) | cloud.buckets.environment()
    env |= {"AWS_SHARED_CREDENTIALS_FILE": str(settings.secrets) + "/aws-credentials"}
    env |= {"AWS_ENDPOINT_URL": str(settings.s3.endpoint)}
    dvc = str(Path(stories.EVERGREEN).with_name("dvc"))
    for words in ([dvc, "pull"], [stories.EVERGREEN, "stage", "evaluate", "--here"], [dvc, "status"]):
        done = subprocess.run(words, cwd=clone, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout


def test_check_reads_a_lake_on_s3(cloud: Cloud) -> None:
    folder = cloud.buckets.settings.models / "other"
    shutil.copytree(cloud.tiny.folder, folder)
    done = cloud.evergreen("check", "other")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "days of the lake" in done.stdout
