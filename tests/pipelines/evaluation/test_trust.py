"""From a trained model and its rows to the answers of slices, overlap, leakage, calibration and fairness."""

from dataclasses import replace

import feature_tables
import numpy as np
import pyarrow as pa
import pytest

from pipelines.config.gates import FairnessGate, Family, Gates, Mode
from pipelines.engines.rows import Rows
from pipelines.errors import ConfigError
from pipelines.evaluation import trust
from pipelines.evaluation.comparison import CHALLENGER, booster_model
from pipelines.evaluation.record import Measured
from pipelines.evaluation.sampling import sample
from pipelines.evaluation.scoring import score
from pipelines.evaluation.trust import Rival, Trust
from pipelines.gates import calibration, fairness, leakage, overlap, slices
from pipelines.stages.train import signature, train

GATES = Gates(fairness=FairnessGate(attributes=("place",), min_rows=20))


def challenger(root, *, task="binary", change=None):
    """A trained trial, and what scoring its test days gives."""
    table = feature_tables.make(root, task=task, change=change)
    params = feature_tables.params(table, task=task)
    gates = GATES if task == "binary" else Gates()
    params = params.model_copy(update={"gates": gates})
    trained = train(table.data, feature_tables.FEATURES, params, lambda _: None)
    expects = signature(params, trained.survey, "f" * 64, {"trial": "1" * 64, "release": "2" * 64})
    span = params.span
    given = Rows(table.data, span.train_start, span.train_end)
    test = replace(given, first=span.test_start, last=span.test_end)
    trial = trained.trial.booster
    scored = score(test, {CHALLENGER: booster_model(trial, expects, 1)}, trust.columns_wanted(params))
    whole = (span.train_start, span.train_end), (span.train_start, span.test_end)
    sampled = sample(given, [*expects.names, "label"], 20_000)
    return Trust(root, params, expects, *whole, given, sampled, test), scored


def facts(trust, scored, rival=Rival()):  # noqa: B008 - frozen
    return trust.measured(scored, scored.scores[CHALLENGER], (), rival)


def answers(family, found):
    """What a family says of the facts; of the rest of `Measured` it reads the task alone."""
    whole = Measured.__new__(Measured)
    for name, value in {"task": "binary", **found}.items():
        object.__setattr__(whole, name, value)
    return {item.name: item.passed for item in family.judge(whole, GATES)}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return challenger(tmp_path_factory.mktemp("sound"))


def test_a_sound_model_passes_every_family(sound):
    found = facts(*sound)
    for family in (slices, overlap, leakage, calibration):
        assert all(answers(family, found).values()), family.__name__
    assert found == facts(*sound)
    assert found["leakage"].single[0][0] == "speed"
    assert {item.value for item in found["fairness"][0].groups} >= {"north", "east", "west"}
    assert set(answers(fairness, found)) == {f"fairness:place:{gap}" for gap in ("selection", "opportunity", "impact")}


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_are_measured_too(task, tmp_path):
    found = facts(*challenger(tmp_path, task=task))
    assert found["fairness"] is None
    assert found["leakage"].measure == ("R2" if task == "regression" else "AUC")
    assert answers(leakage, found)["leakage:single_feature"]
    assert found["calibration"].error < 0.5


def test_a_feature_made_of_the_label_is_named(tmp_path):
    def leak(table):
        label = table["label"].to_numpy(zero_copy_only=False)
        noise = np.random.default_rng(1).normal(0, 0.1, len(label))
        made = pa.array((np.nan_to_num(label) * 3 + noise).astype("f4"))
        return table.set_column(table.schema.get_field_index("noise"), "noise", made)

    found = facts(*challenger(tmp_path, change=leak))
    assert found["leakage"].single[0][0] == "noise"
    told = answers(leakage, found)
    assert told == {"leakage:single_feature": False, "leakage:clock": True, "leakage:membership": True}


def test_a_counter_of_rows_gives_itself_away(tmp_path):
    def count(table):
        counter = pa.array(table["row_id"].to_numpy() // 10**8 * 100 + table["row_id"].to_numpy() % 10**8)
        return table.set_column(table.schema.get_field_index("count"), "count", counter)

    found = facts(*challenger(tmp_path, change=count))
    assert found["leakage"].clock[0] == "count"
    assert not answers(leakage, found)["leakage:clock"]
    assert answers(leakage, found)["leakage:single_feature"]


def test_training_days_that_reach_into_the_test_days_are_found(sound):
    checks, scored = sound
    last = checks.params.span.test_start
    late = replace(checks, trained=(checks.trained[0], last), train=replace(checks.train, last=last))
    found = facts(late, scored)
    told = answers(overlap, found)
    assert [name for name, passed in told.items() if not passed] == ["overlap:days", "overlap:rows"]
    assert found["overlap"].shared_rows == int((scored.day == scored.day.min()).sum())


def test_the_champions_days_are_those_of_its_rows(sound):
    checks, scored = sound
    seen = checks.params.span.test_start
    inside = answers(overlap, facts(checks, scored, Rival(seen, scored.day)))
    after = answers(overlap, facts(checks, scored, Rival(seen, scored.day[scored.day > scored.day.min()])))
    assert (inside["overlap:champion"], after["overlap:champion"]) == (False, True)


def test_scores_taken_too_high_are_miscalibrated(sound):
    checks, scored = sound
    found = checks.measured(scored, scored.scores[CHALLENGER].clip(0.8, 1), (), Rival())
    assert answers(calibration, found) == {"calibration:error": False, "calibration:bias": False}


def test_a_family_that_is_off_is_not_measured(sound):
    checks, scored = sound
    gates = GATES.model_copy(update={"modes": dict.fromkeys(Family, Mode.OFF)})
    quiet = replace(checks, params=checks.params.model_copy(update={"gates": gates}))
    assert set(facts(quiet, scored).values()) == {None}


def test_attributes_must_be_columns_of_a_binary_model(sound):
    params, names = sound[0].params, sound[0].signature.names
    trust.check(params, names)
    for update, why in (
        ({"gates": Gates(fairness=FairnessGate(attributes=("sex",)))}, "'sex' is no column"),
        ({"task": "regression"}, "selects nobody"),
    ):
        with pytest.raises(ConfigError, match=why):
            trust.check(params.model_copy(update=update), names)
