"""The days of a run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import TinyModel

from pipelines.config.load import load_model
from pipelines.config.params import Overrides, RunParams, Span
from pipelines.errors import ConfigError


def test_the_window_ends_on_the_last_matured_day(tiny_model: TinyModel) -> None:
    span = Span.of(tiny_model.model, tiny_model.day(38))
    assert span.test_end == tiny_model.day(37)
    assert span.test_start == tiny_model.day(33)
    assert span.train_end == tiny_model.day(32)
    assert span.train_start == tiny_model.day(13)
    assert span.first == tiny_model.day(4)


@pytest.mark.parametrize("number", [-1, 5])
def test_a_day_that_leaves_nothing_is_refused(tiny_model: TinyModel, number: int) -> None:
    with pytest.raises(ConfigError, match="as-of date"):
        Span.of(tiny_model.model, tiny_model.day(number))


def test_params_survive_their_file(tiny_model: TinyModel) -> None:
    params = RunParams.of("tiny", Overrides(hpo_trials=3).apply(tiny_model.model), tiny_model.day(38))
    assert RunParams.model_validate(params.model_dump(mode="json")) == params
    assert params.training.hpo.trials == 3


def test_an_override_is_held_to_the_model_as_a_whole(tiny_model: TinyModel) -> None:
    with pytest.raises(ConfigError, match="validation_days"):
        Overrides(train_days=2).apply(tiny_model.model)


@given(train=st.integers(5, 400), test=st.integers(1, 60), gap=st.integers(0, 30), maturity=st.integers(0, 30))
def test_training_never_meets_the_test_days(tiny_yaml, train: int, test: int, gap: int, maturity: int) -> None:
    model = tiny_yaml.model_copy(
        update={
            "window": tiny_yaml.window.model_copy(update={"train_days": train, "test_days": test, "gap_days": gap}),
            "label": tiny_yaml.label.model_copy(update={"maturity_days": maturity}),
        }
    )
    as_of = model.schedule.start + timedelta(days=600)
    span = Span.of(model, as_of)
    assert span.first <= span.train_start < span.validation_start <= span.train_end < span.test_start <= span.test_end
    assert (span.test_start - span.train_end).days == 1 + gap
    assert (as_of - span.test_end).days == maturity
    assert (span.test_end - span.test_start).days == test - 1


@pytest.fixture(scope="module")
def tiny_yaml(tmp_path_factory: pytest.TempPathFactory):
    import textwrap

    from support import EXPECTATIONS_YAML, FEATURES_PY, MODEL_YAML

    folder = tmp_path_factory.mktemp("yaml") / "tiny"
    folder.mkdir()
    for name, text in (
        ("model.yaml", MODEL_YAML),
        ("features.py", FEATURES_PY),
        ("expectations.yaml", EXPECTATIONS_YAML),
    ):
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    return load_model(folder)
