"""A card is made of a real run, lies beside it in MLflow, and costs little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import stories

from pipelines.card import make as module
from pipelines.card.facts import Facts
from pipelines.card.measure import drift, spread
from pipelines.errors import IntegrityError
from pipelines.ledger import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.workspace import Workspace
from pipelines.registry import Registry


@pytest.fixture(scope="module")
def crowned(tmp_path_factory):
    return stories.crowned(tmp_path_factory).copy(tmp_path_factory.mktemp("card"))


@pytest.fixture
def workspace(crowned):
    ledger = Ledger.open(crowned.settings, "tiny")
    with Workspace.open(crowned.settings, ledger, crowned.reports[0]["run"]) as opened:
        pipeline = Pipeline(ledger, opened.head)
        opened.check_out([out for stage in module.STAGES for out in pipeline.outs(stage)])
        yield opened


def make(workspace, folder, version=1):
    run, fonts = workspace.run_id, folder / "fonts"
    return module.make(workspace.root, folder, version=version, run=run, commit=workspace.head, fonts=fonts)


def test_the_version_has_its_card_in_mlflow(crowned, workspace, tmp_path):
    with Registry.of(crowned.settings).client() as client:
        version = client.get_model_version("tiny", "1")
        assert version.tags["card"] == f"runs:/{version.run_id}/card.html"
        kept = client.download_artifacts(version.run_id, "card.html", str(tmp_path))
        assert Path(kept).read_bytes() == make(workspace, tmp_path).read_bytes()


def test_intervals_hold_the_metrics_and_days_the_rest(workspace):
    facts = Facts.read(workspace.root, 1, workspace.run_id, workspace.head)
    found = spread(workspace.root, facts)
    exact = facts.found["metrics"]["challenger"]
    assert (found.rows, found.days) == (facts.found["metrics"]["test"]["rows"], 5)
    for name, ends in found.intervals.items():
        assert ends is not None
        assert ends[0] <= exact[name] <= ends[1]
        assert ends[0] < ends[1]
    assert np.mean([value for _, value in found.daily]) == pytest.approx(exact["log_loss"], rel=0.05)


def test_drift_names_every_feature_once(workspace):
    facts = Facts.read(workspace.root, 1, workspace.run_id, workspace.head)
    ranked = drift(workspace.root, facts)
    assert sorted(item.drift.name for item in ranked) == sorted(facts.names)
    weights = [item.weight for item in ranked]
    assert weights == sorted(weights, reverse=True)


def test_other_bytes_of_the_trial_are_refused(workspace, tmp_path):
    trial = workspace.root / "out/train/trial.json"
    content = trial.read_bytes()
    trial.unlink()
    trial.write_bytes(content[:-1] + b" ")
    with pytest.raises(IntegrityError, match="its sha256 is"):
        make(workspace, tmp_path)
