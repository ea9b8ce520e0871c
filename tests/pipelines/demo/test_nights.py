"""The demo's nights: told in order, each with what it started, and their decisions printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

from pipelines.demo import days, nights
from pipelines.ledger import Ledger, verdicts

NIGHTLY, RETRAIN, PROMOTE = (f"{days.MODEL}__{kind}" for kind in ("nightly", "retrain", "promote"))


@dataclass
class Told:
    """A story whose second night retrains, and is also woken for what that did already."""

    runs: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def airflow(self) -> Any:
        return SimpleNamespace(tasks=lambda _, run: [SimpleNamespace(state="skipped" if run == "late" else "success")])

    def run(self, dag: str, run: str, conf: dict[str, str]) -> None:
        self.runs.append((dag, run, conf))

    def follow(self, dag: str, run: str) -> list[tuple[str, str]]:  # noqa: ARG002
        caused = {
            f"demo-night-{days.NIGHTS[1]}": [(RETRAIN, "asset-1"), (RETRAIN, "late")],
            "asset-1": [(PROMOTE, "asset-2")],
        }
        return caused.get(run, [])


def test_each_night_is_one_run_and_brings_what_it_started() -> None:
    story = Told()
    found = nights.nights(story)  # type: ignore[arg-type]
    told = [run for run in story.runs if run[0] == NIGHTLY]
    assert told == [(NIGHTLY, f"demo-night-{day}", {"day": str(day)}) for day in days.NIGHTS]
    assert [night.started for night in found] == [(), ([(RETRAIN, "asset-1"), (PROMOTE, "asset-2")],), (), (), ()]


def test_the_days_between_are_taken_in_first(monkeypatch) -> None:
    story = Told()
    later = tuple(date(2013, 6, 1) + timedelta(days=number) for number in range(5))
    monkeypatch.setattr(nights, "NIGHTS", later)
    nights.nights(story)  # type: ignore[arg-type]
    span = {"from": "2013-05-01", "to": "2013-05-31"}
    assert story.runs[0] == (f"{days.MODEL}__ingest", "demo-2013-05-01-to-2013-05-31", span)


def test_there_are_five_nights_in_a_row_that_the_data_covers() -> None:
    assert len(days.NIGHTS) == 5
    assert {later - earlier for earlier, later in zip(days.NIGHTS, days.NIGHTS[1:], strict=False)} == {
        timedelta(days=1)
    }
    assert date.fromisoformat(days.LAST) < days.NIGHTS[0] <= days.NIGHTS[-1] <= date(2013, 12, 31)


def test_decisions_are_printed_with_their_reasons(settings, capsys) -> None:
    ledger = Ledger.open(settings, days.MODEL, create=True)
    for day in days.NIGHTS:
        verdict = "retrain" if day == days.NIGHTS[1] else "wait"
        decision = {"day": str(day), "verdict": verdict, "sentence": f"why of {day}", "evidence_sha256": str(day)}
        verdicts.record(ledger, day, decision, {})
    nights.show(settings, nights.nights(Told()))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    for text in (*(f"why of {day}" for day in days.NIGHTS), "retrain, promote", "wait"):
        assert text in shown
