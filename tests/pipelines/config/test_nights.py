"""What `model.yaml` says of nights: schedule, monitoring, policy and alerts, as people write them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from support import TinyModel

from pipelines.config.alerts import AlertKind, Alerts
from pipelines.config.load import load_model, read_yaml
from pipelines.config.monitoring import Monitoring
from pipelines.config.params import Overrides
from pipelines.config.policy import Learnt, Policy
from pipelines.config.schedule import Schedule

FULL = """promotion: auto
monitoring: {window_days: 5, reference_days: 14, shadow: off, columns_off: [hour]}
policy:
  combine: {at_least: 2}
  drift: {threshold: {quantile: 0.99, warm_up: 10}, days: 2, of: 3, what: prediction}
  performance: {metric: auc, worse_by: 0.05}
  estimated_performance: {worse_by: 1}
  age: {days: 30}
  new_rows: {rows: 5000}
  schedule: {every_days: 7}
  request: {}
  cooldown_days: 0
  budget: {seconds_a_month: 3600}
  breaker: {failures: 2, days: 5}
  quiet: [{from: 2024-02-01, to: 2024-02-03}]
  data_bug: {on: true, ignore: [rows]}
alerts: {urls_secret: alerts-tiny, on: [data_bug, retrain]}
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_model_that_says_all_there_is_to_say(tiny_model: TinyModel) -> None:
    tiny_model.edit("promotion: auto\n", FULL)
    model = load_model(tiny_model.folder)
    policy = model.policy
    assert (policy.needed, len(policy.rules)) == (2, 7)
    assert policy.drift is not None
    assert policy.drift.threshold == Learnt(quantile=0.99, warm_up=10)
    assert [policy.quiet[0].holds(date(2024, 2, day)) for day in (1, 3, 4)] == [True, True, False]
    assert policy.data_bug.on
    assert model.monitoring.shadow == "off"  # YAML reads a bare off as false, and a bare on as true
    assert model.alerts.on == (AlertKind.DATA_BUG, AlertKind.RETRAIN)
    assert Overrides(train_days=12).apply(model).policy == policy


def test_a_model_that_says_nothing(tiny_model: TinyModel) -> None:
    model = load_model(tiny_model.folder)
    assert (model.monitoring, model.policy, model.alerts) == (Monitoring(), Policy(), Alerts())
    assert model.schedule.cron == "0 6 * * *"
    assert (model.schedule.time_zone, model.schedule.wait_hours, model.schedule.late_days) == ("UTC", 6, 7)
    assert not model.schedule.catchup


@pytest.mark.parametrize("text", ["data_bug: {on: false}", "data_bug: {'on': false}"])
def test_a_bare_on_is_a_key(tmp_path: Path, text: str) -> None:
    policy = read_yaml(written(tmp_path / "policy.yaml", text)).parse(Policy)
    assert not policy.data_bug.on


@pytest.mark.parametrize("cron", ["0 6 * * *", "59 23 * * *", "30 2 * * *"])
def test_a_night_is_at_a_time_of_day(cron: str) -> None:
    assert Schedule(start=date(2024, 1, 1), cron=cron).cron == cron


@pytest.mark.parametrize("cron", ["60 6 * * *", "0 24 * * *", "* * * * *", "0 6 * * 1", "@daily", "0 6 1 * *", ""])
def test_other_times_are_no_nights(cron: str) -> None:
    with pytest.raises(ValueError, match="a night is once a day"):
        Schedule(start=date(2024, 1, 1), cron=cron)
