"""One decision a night: recorded once, revised where its evidence has changed, and a request where it is to retrain."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from support import TinyModel

from pipelines.config.settings import Settings
from pipelines.errors import InputError
from pipelines.ledger import Ledger, lease, nights, requests, retrainings, verdicts
from pipelines.night.decide import decide
from pipelines.night.memory import days_back, remember
from pipelines.policy.decide import Decision
from pipelines.policy.evidence import Arrivals, BugFact, ChampionFacts, DriftFacts, Evidence

DAY = date(2024, 2, 5)
RUN = "2024-02-05-20260101T000000Z-abcdef"
POLICY = "promotion: auto\npolicy: {age: {days: 10}, drift: {}, request: {}, cooldown_days: 3, breaker: {failures: 2}}"


@pytest.fixture
def home(settings: Settings, tiny_model: TinyModel) -> Home:
    tiny_model.edit("promotion: auto", POLICY)
    return Home(settings, Ledger.open(settings, "tiny", create=True))


class Home:
    """The tiny model under a policy, and short ways to have nights."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.settings, self.ledger = settings, ledger

    def monitored(self, day: date, age: int = 3, **facts: Any) -> Evidence:
        """What the night of `day` found goes onto the branch `nights`."""
        as_of = day - timedelta(days=age)
        champion = ChampionFacts(1, f"{as_of}-20260101T000000Z-abcdef", as_of, as_of, 2000, 5.0)
        evidence = Evidence("tiny", day, champion, age, DriftFacts(0.01), reference={"log_loss": 0.4})
        evidence = replace(evidence, **facts)
        nights.write(self.ledger, {("monitor", day): {**evidence.to_json(), "at": "2026-01-01"}}, "Monitor")
        return evidence

    def decide(self, day: date, **more: Any) -> dict[str, Any]:
        return decide(self.settings, "tiny", day, say=lambda _: None, **more).summary

    def night(self, day: date, age: int = 3, **facts: Any) -> dict[str, Any]:
        self.monitored(day, age, **facts)
        return self.decide(day)

    def open(self) -> list[str]:
        self.ledger.fetch()
        return [item.key for item in requests.open_requests(self.ledger)]


def test_a_night_that_waits_asks_for_nothing(home) -> None:
    told = home.night(DAY)
    assert (told["verdict"], told["retrain"], told["revision"]) == ("wait", False, 1)
    assert home.open() == []


def test_a_night_that_retrains_opens_its_request(home) -> None:
    told = home.night(DAY, age=12)
    assert (told["verdict"], told["retrain"], told["fired"]) == ("retrain", True, ["age"])
    assert home.open() == ["night-2024-02-05"]
    assert requests.find(home.ledger, "night-2024-02-05").reason == "Age fired: champion 12 days old, limit 10."


def test_the_record_holds_all_that_the_answer_was_made_from(home) -> None:
    evidence = home.monitored(DAY, age=12)
    home.decide(DAY)
    home.ledger.fetch()
    kept = verdicts.newest(home.ledger, DAY, DAY)[DAY]
    assert (kept["kind"], kept["key"], kept["verdict"]) == ("night", "night-2024-02-05", "retrain")
    assert kept["thresholds"] == {"drift": 0.1, "age": 10.0, "request": 1.0}
    assert kept["policy"]["cooldown_days"] == 3
    assert {guard["name"] for guard in kept["guards"]} >= {"data_bug", "breaker", "budget", "cooldown", "quiet"}
    assert Evidence.from_json(verdicts.evidence_of(home.ledger, kept)) == evidence
    assert Decision.from_json(kept).fired == ("age",)


def test_the_same_again_is_a_no_op_also_after_its_request_was_claimed(home) -> None:
    first = home.night(DAY, age=12)
    assert home.decide(DAY) == first
    lease.acquire(home.ledger, RUN, 600)
    requests.claim_all(home.ledger, RUN)
    claimed = home.decide(DAY)
    assert claimed == {**first, "retrain": False}  # whoever runs has it: a second event would be for nothing
    requests.done(home.ledger, RUN, "passed")
    assert home.decide(DAY) == claimed
    assert home.open() == []


def test_a_corrected_partition_makes_a_revision_that_names_it(home) -> None:
    home.night(DAY)
    told = home.night(DAY, arrivals=Arrivals(corrected=("orders 2024-02-03 revision 2",)))
    assert (told["revision"], told["verdict"]) == (2, "wait")
    assert "Corrected since: orders 2024-02-03 revision 2" in told["sentence"]
    home.ledger.fetch()
    assert verdicts.newest(home.ledger, DAY, DAY)[DAY]["instead_of"] == 1


def test_a_backfilled_night_records_and_the_next_one_decides(home) -> None:
    home.monitored(DAY, age=12)
    told = home.decide(DAY, backfill=True)
    assert (told["verdict"], told["retrain"], told["fired"]) == ("wait", False, ["age"])
    assert home.open() == []
    assert home.decide(DAY) == told  # the same night again does not make it the newest one
    assert home.night(DAY + timedelta(days=1), age=13)["verdict"] == "retrain"


def test_an_old_night_with_other_evidence_starts_nothing(home) -> None:
    home.night(DAY)
    home.night(DAY + timedelta(days=1))
    told = home.night(DAY, age=12)
    assert (told["revision"], told["verdict"], told["retrain"]) == (2, "wait", False)
    assert "a past night only records" in told["sentence"]


def test_open_requests_are_evidence(home) -> None:
    requests.ask(home.ledger, "vendor-1", "prices moved", "test")
    told = home.night(DAY)
    assert (told["verdict"], told["fired"]) == ("retrain", ["request"])
    assert home.open() == ["vendor-1", "night-2024-02-05"]


def test_broken_data_retrain_nothing(home) -> None:
    bug = BugFact("scale", "orders", "distance", "orders.distance is 1.6 times what it was")
    told = home.night(DAY, age=12, bugs=(bug,))
    assert (told["verdict"], told["retrain"]) == ("data_bug", False)
    assert home.open() == []


def test_nights_remember_drift_cooldown_and_failures(home) -> None:
    drifted = DriftFacts(0.3)
    days = [DAY + timedelta(days=number) for number in range(12)]
    told = [home.night(day, drift=drifted, champion=ChampionFacts(1, RUN, DAY, DAY, 9, 5.0)) for day in days[:4]]
    assert [item["verdict"] for item in told] == ["wait", "wait", "retrain", "cooldown"]
    retrainings.note(home.ledger, f"{days[2]}-20260101T000000Z-abcdef", "refused")
    retrainings.note(home.ledger, f"{days[5]}-20260101T000000Z-abcdef", "failed")
    later = home.night(days[9], age=12)
    assert (later["verdict"], "the last 2 retrainings failed" in later["sentence"]) == ("broken", True)


def test_a_run_that_is_gone_counts_as_failed(home) -> None:
    home.night(DAY, age=12)
    lease.acquire(home.ledger, RUN, 0.001)
    requests.claim_all(home.ledger, RUN)
    told = home.night(DAY + timedelta(days=1), age=13)
    assert told["verdict"] == "cooldown"
    assert home.open() == ["night-2024-02-05"]
    (entry,) = retrainings.between(home.ledger, DAY, DAY)
    assert entry["outcome"] == "failed"


def test_a_night_that_nobody_monitored_is_refused(home) -> None:
    with pytest.raises(InputError, match="nobody has monitored 2024-02-05"):
        home.decide(DAY)


def test_only_the_days_that_rules_look_at_are_read(home, tiny_model) -> None:
    from pipelines.config.policy import Policy

    assert days_back(Policy()) == 62
    assert days_back(Policy.model_validate({"schedule": {"every_days": 90}})) == 90
    assert days_back(Policy.model_validate({"drift": {"threshold": {"quantile": 0.9}}})) == 365
    for number in (0, 100):
        home.night(DAY + timedelta(days=number))
    home.ledger.fetch()
    history = remember(home.ledger, Policy(), DAY + timedelta(days=100))
    assert history.nights == ()
    assert len(remember(home.ledger, Policy(), DAY + timedelta(days=50)).nights) == 1
