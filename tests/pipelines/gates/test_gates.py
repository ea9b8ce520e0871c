from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipelines.config.gates import ChampionGate, Gates
from pipelines.config.model import Task
from pipelines.errors import ConfigError
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.record import Agreement, Compared, Measured, ScoreFacts
from pipelines.gates import agreement, base, baseline, champion, families, floors, sanity

DAYS = (date(2013, 4, 16), date(2013, 4, 29))
OURS = {"auc": 0.7, "pr_auc": 0.5, "log_loss": 0.5, "brier": 0.16, "calibration_error": 0.02}
FACTS = ScoreFacts(1400, 0, 0.01, 0.9)


def measured(**changes):
    whole = Measured(
        task=Task.BINARY,
        rows=1400,
        days=DAYS,
        challenger=OURS,
        baseline=OURS | {"log_loss": 0.52},
        compared=None,
        agreement=Agreement(0.01, 0.2),
        trial_scores=FACTS,
        release_scores=FACTS,
        release={"rounds": 10},
    )
    return replace(whole, **changes)


def against(theirs, rows=1400, seen=date(2013, 3, 30), ours=None):
    compared = Compared(1, seen, rows, DAYS if rows else None, OURS | (ours or {}), OURS | theirs, OURS)
    return measured(compared=compared)


@pytest.mark.parametrize(
    ("gates", "passed", "sentence"),
    [
        ({"floors": {"auc": 0.7}}, True, "auc 0.7 reaches its floor of 0.7"),
        ({"floors": {"auc": 0.700001}}, False, "auc 0.7 is below its floor of 0.700001"),
        ({"ceilings": {"log_loss": 0.5}}, True, "log_loss 0.5 keeps under its ceiling of 0.5"),
        ({"ceilings": {"log_loss": 0.49}}, False, "log_loss 0.5 is above its ceiling of 0.49"),
    ],
)
def test_floors_and_ceilings(gates, passed, sentence):
    (result,) = floors.judge(measured(), Gates(**gates))
    assert (result.passed, result.sentence) == (passed, sentence)


def test_a_metric_that_cannot_be_computed_meets_no_floor():
    (result,) = floors.judge(measured(challenger=OURS | {"auc": None}), Gates(floors={"auc": 0.1}))
    assert not result.passed
    assert "cannot be computed on these 1,400 test rows" in result.sentence


@pytest.mark.parametrize(
    ("metric", "theirs", "margin", "passed"),
    [
        (None, 0.5, 0.0, True),
        (None, 0.49, 0.01, True),
        (None, 0.4899, 0.01, False),
        (None, 0.4999, 0.0, False),
        (None, 0.6, 0.0, True),
        ("auc", 0.7, 0.0, True),
        ("auc", 0.71, 0.01, True),
        ("auc", 0.7101, 0.01, False),
        ("auc", 0.65, 0.0, True),
    ],
    ids=["equal", "margin", "over", "worse", "better", "auc=", "auc-margin", "auc-over", "auc-better"],
)
def test_not_worse_than_the_champion(metric, theirs, margin, passed):
    name = metric or "log_loss"
    gates = Gates(champion=ChampionGate(metric=metric, margin=margin))
    unseen, result = champion.judge(against({name: theirs}), gates)
    assert unseen.passed
    assert result.passed is passed
    assert result.evidence["metric"] == name
    assert result.evidence["champion"] == theirs
    word = (
        "equal to" if theirs == OURS[name] else "better than" if (theirs < OURS[name]) == (name == "auc") else "worse"
    )
    assert word in result.sentence


def paired(worse, low, high, days=14):
    whole = against({"log_loss": 0.5 - worse})
    return replace(whole, compared=replace(whole.compared, paired=Paired("log_loss", days, worse, low, high)))


@pytest.mark.parametrize(
    ("worse", "low", "high", "days", "passed", "words"),
    [
        (-0.01, -0.02, -0.001, 14, True, "surely better: by 14 whole days it is between 0.02 better and 0.001 better"),
        (-0.01, -0.03, 0.01, 14, True, "between 0.03 better and 0.01 worse (95%)"),
        (-0.01, -0.04, 0.0101, 14, False, "between 0.04 better and 0.0101 worse (95%)"),
        (0.012, 0.011, 0.013, 14, False, "surely worse"),
        (0.005, 0.001, 0.009, 14, True, "surely worse"),
        (0.009, -0.5, 0.5, 6, True, "6 days of 7 are too few for an interval, so the difference itself decides"),
        (0.011, -0.5, 0.5, 6, False, "6 days of 7 are too few"),
        (0.009, None, None, 9, True, "9 days give no interval, so the difference itself decides"),
    ],
)
def test_the_unfavourable_end_of_the_interval_decides(worse, low, high, days, passed, words):
    _, result = champion.judge(paired(worse, low, high, days), Gates(champion=ChampionGate(margin=0.01)))
    assert result.passed is passed
    assert words in result.sentence
    assert result.interval == ((low, high) if days >= 7 and low is not None else None)
    assert result.evidence["superior"] is (high == -0.001)
    assert result.observed == worse


@pytest.mark.parametrize(
    ("metric", "ours", "theirs", "passed"),
    [
        ("log_loss", 0.525, 0.5, True),
        ("log_loss", 0.5251, 0.5, False),
        ("auc", 0.68, 0.7, True),
        ("auc", 0.6799, 0.7, False),
    ],
)
def test_without_a_margin_it_is_a_twentieth_of_a_loss_or_a_fiftieth_of_a_share(metric, ours, theirs, passed):
    gates = Gates(champion=ChampionGate(metric=metric))
    _, result = champion.judge(against({metric: theirs}, ours={metric: ours}), gates)
    assert result.passed is passed
    assert result.threshold == pytest.approx(0.02 if metric == "auc" else 0.025)


def test_without_a_champion_it_passes():
    (result,) = champion.judge(measured(), Gates())
    assert result.passed
    assert result.sentence == "there is no champion yet"


@pytest.mark.parametrize(
    ("rows", "seen", "missing", "until"),
    [
        (0, date(2013, 4, 29), 5, "2013-05-04"),
        (400, date(2013, 4, 25), 1, "2013-04-30"),
        (0, date(2013, 5, 2), 8, "2013-05-07"),
    ],
)
def test_too_few_unseen_rows_say_how_many_days_are_missing(rows, seen, missing, until):
    (result,) = champion.judge(against({}, rows=rows, seen=seen), Gates())
    assert not result.passed
    assert result.evidence["missing_days"] == missing
    assert f"{missing} more day" in result.sentence
    assert until in result.sentence
    assert (result.observed, result.threshold) == (rows, 500)


def test_a_missing_number_on_either_side_refuses():
    for changes, who in (
        ({"ours": {"log_loss": None}}, "the challenger"),
        ({"theirs": {"log_loss": None}}, "champion"),
    ):
        _, result = champion.judge(against(changes.get("theirs", {}), ours=changes.get("ours")), Gates())
        assert not result.passed
        assert who in result.sentence


@pytest.mark.parametrize(("mean", "passed"), [(0.05, True), (0.0501, False), (None, False)])
def test_agreement(mean, passed):
    (result,) = agreement.judge(measured(agreement=Agreement(mean, mean)), Gates(agreement=0.05))
    assert result.passed is passed


@pytest.mark.parametrize(("theirs", "passed"), [(0.51, True), (0.5, False), (0.4, False), (None, False)])
def test_a_plain_linear_model_must_be_beaten(theirs, passed):
    (result,) = baseline.judge(measured(baseline=OURS | {"log_loss": theirs}), Gates())
    assert (result.passed, result.refuses) == (passed, not passed)


@pytest.mark.parametrize(
    ("score", "passed", "word"),
    [
        ([0.1, 0.2], True, "lie between 0.1 and 0.2"),
        ([0.1, np.nan], False, "1 of the trial's 2 scores are no finite number"),
        ([np.inf, -np.inf], False, "2 of"),
        ([0.3, 0.3], False, "the same score, 0.3"),
        ([[0.5, 0.2, 0.3], [0.5, 0.3, 0.2]], True, "lie between"),
        ([[0.5, 0.2, 0.3], [0.5, 0.2, 0.3]], False, "the same score"),
    ],
)
def test_sanity(score, passed, word):
    facts = ScoreFacts.of(np.array(score, dtype=np.float32))
    trial, release = sanity.judge(measured(trial_scores=facts), Gates())
    assert trial.passed is passed
    assert word in trial.sentence
    assert release.passed


def test_all_families_are_asked_and_one_refusal_decides():
    gates = Gates(floors={"auc": 0.9, "pr_auc": 0.1}, ceilings={"brier": 0.2})
    results = families.judge(measured(), gates)
    assert [r.name for r in results] == [
        "sanity:trial",
        "sanity:release",
        "floors:auc",
        "floors:pr_auc",
        "floors:brier",
        "champion",
        "agreement",
        "baseline",
    ]
    assert [r.name for r in results if r.refuses] == ["floors:auc"]
    written = base.as_json(results)
    assert written["passed"] is False
    assert written["gates"][0]["mode"] == "on"
    assert base.as_json([r for r in results if r.passed])["passed"] is True


@pytest.mark.parametrize(
    ("gates", "where"),
    [
        (Gates(floors={"gini": 0.1}), r"gates\.floors"),
        (Gates(ceilings={"rmse": 0.1}), r"gates\.ceilings"),
        (Gates(champion=ChampionGate(metric="r2")), r"gates\.champion\.metric"),
    ],
)
def test_an_unknown_metric_is_a_config_error(gates, where):
    with pytest.raises(ConfigError, match=where):
        families.judge(measured(), gates)
