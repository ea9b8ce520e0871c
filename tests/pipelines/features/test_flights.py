"""The flights model on real flights: point in time, one file's bytes at any number of threads, no banned column."""

from datetime import date, timedelta

import pytest

from pipelines.authoring import proofs
from pipelines.authoring.check import Level, Subject
from pipelines.authoring.sample import newest_files
from pipelines.config import settings as configuration
from pipelines.config.load import load_model
from pipelines.config.params import RunParams
from pipelines.demo.lake import lay_out

FOLDER = configuration.PROJECT / "include" / "models" / "flights"
AS_OF = date(2013, 3, 10)


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Subject:
    """A window of six weeks of the real flights."""
    root = tmp_path_factory.mktemp("flights")
    lay_out(root / "lake", lambda _: None)
    model = load_model(FOLDER)
    window = model.window.model_copy(update={"train_days": 20, "test_days": 7, "validation_days": 5})
    schedule = model.schedule.model_copy(update={"end": AS_OF})
    model = model.model_copy(update={"window": window, "schedule": schedule})
    where, files, _ = newest_files(configuration.load({"EVERGREEN_HOME": str(root)}), "flights", model, root / "copies")
    assert where == "lake"
    return Subject(FOLDER, RunParams.of("flights", model, AS_OF), files, root / "scratch", model)


@pytest.mark.parametrize("title", proofs.ALL)
def test_proof(subject, title):
    found = proofs.ALL[title](subject)
    assert [item.level for item in found] == [Level.OK], found


def test_banned_columns(subject):
    (found,) = proofs.hidden(subject)
    for column in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        assert column in found.sentence


def test_window_reaches_back_for_trailing_features(subject):
    span = subject.params.span
    assert span.first <= span.train_start - timedelta(days=28 + 2)
