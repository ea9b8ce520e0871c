"""The question's text: intervals that belong to their metric and lean the way of their difference; nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.config.settings import Settings

RUN = "2024-01-30-20260101T000000Z-abcdef"
PAGE = "http://mlflow.example"
CARD = f"{PAGE}/#/experiments/1/runs/2/artifacts/card.html"
THEIRS = {"auc": 0.7, "log_loss": 0.51}
OURS = {"auc": 0.72, "log_loss": 0.5}
COST = {
    "training": {"seconds": 3.21, "rows": 120_000, "rounds": 58, "rows_per_second": 37_383},
    "serving": {
        "row_ms": {"p50": 0.2, "p99": 0.41, "cpu_p50": 0.2, "cpu_p99": 0.39},
        "batch_ms": {"p50": 2.5, "p99": 3.0, "cpu_p50": 2.4, "cpu_p99": 2.9, "rows": 1000},
        "rows_per_second": 412_345,
    },
}
WORTH = {
    "saved_dollars": {
        "expression": "400 * tp - 100 * fp",
        "threshold": 0.2,
        "rows": 12_734,
        "challenger": 51_200.0,
        "champion": 48_000.0,
        "baseline": None,
    }
}


def gate(name: str, metric: str | None = None, interval: Any = None, **more: Any) -> dict[str, Any]:
    evidence = {"metric": metric} if metric else {}
    base = {"name": name, "passed": True, "observed": 0.1, "threshold": 0.5, "interval": interval, "mode": "on"}
    return base | {"evidence": evidence, "sentence": f"what {name} says"} | more


def judged_by(metric: str, worse: float, interval: list[float]) -> list[dict[str, Any]]:
    """The champion's gate among those that name the same metric after it, without an interval."""
    return [
        gate("champion:unseen_rows", observed=9000.0),
        gate("champion", metric, interval, observed=worse),
        gate("baseline", metric),
        gate("slices:shop", metric),
        gate("slices:shop:auc", metric),
    ]


@pytest.fixture
def lines(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """`lines(gates, ...)`: the body's lines."""
    from evergreen_question import Evidence, body

    monkeypatch.setenv("EVERGREEN_MLFLOW_PAGE", PAGE)

    def ask(gates: list[dict[str, Any]], card: str = "", cost: Any = None, **parts: Any) -> list[str]:
        compared = {"challenger": OURS, "champion": THEIRS} | parts
        run = {"request": {"caller": "manual__1", "note": ""}}
        read = {"gates": gates, "business": WORTH}
        return body(Evidence("tiny", RUN, run, read, {"compared": compared}, cost or {}), ["ann"], card).splitlines()

    return ask


def test_the_champions_interval_survives_the_gates_after_it(lines) -> None:
    told = lines(judged_by("log_loss", -0.01, [-0.02, 0.001]))
    assert "| log\\_loss | 0.5 | 0.51 | -0.01 | -0.02 to 0.001 | less |" in told
    assert "| auc | 0.72 | 0.7 | 0.02 |  | more |" in told


def test_where_more_is_better_the_interval_leans_as_the_difference_does(lines) -> None:
    # The gate says how much worse: 0.02 better is -0.02, somewhere between -0.05 and 0.01.
    told = lines(judged_by("auc", -0.02, [-0.05, 0.01]))
    assert "| auc | 0.72 | 0.7 | 0.02 | -0.01 to 0.05 | more |" in told


def test_every_metric_that_was_compared_has_its_interval(lines) -> None:
    found = {
        "auc": {"difference": 0.02, "low": -0.01, "high": 0.04},
        "log_loss": {"difference": 1, "low": 2, "high": 3},
    }
    told = lines(judged_by("log_loss", -0.01, [-0.02, 0.001]), differences=found)
    assert "| auc | 0.72 | 0.7 | 0.02 | -0.01 to 0.04 | more |" in told
    # Of the metric it judged by, the gate has the word.
    assert "| log\\_loss | 0.5 | 0.51 | -0.01 | -0.02 to 0.001 | less |" in told


def test_too_few_days_show_no_interval(lines) -> None:
    found = {name: {"difference": 0.1, "low": None, "high": None} for name in OURS}
    told = lines([gate("champion", "log_loss", None)], differences=found)
    assert "| auc | 0.72 | 0.7 | 0.02 |  | more |" in told
    assert "| log\\_loss | 0.5 | 0.51 | -0.01 |  | less |" in told


@pytest.mark.parametrize(("extra", "told"), [(1, "and 1 more gate, all passed"), (5, "and 5 more gates, all passed")])
def test_gates_beyond_the_table_are_counted_and_none_that_failed_is_among_them(lines, extra, told) -> None:
    gates = [gate(f"slices:c{number}") for number in range(59 + extra)]
    found = lines([*gates, gate("poisoning:copies", passed=False, mode="dry_run")])
    assert any(line.startswith(told) for line in found)
    assert found[5].startswith("| poisoning:copies | **not passed** (dry_run) |")
    assert sum(line.startswith("| slices:") for line in found) == 59
    assert not any("more gate" in line for line in lines(gates[:60]))


def test_worth_and_cost_are_told(lines) -> None:
    found = "\n".join(lines([gate("serving:row", observed=None, threshold=100.0)], cost=COST))
    assert (
        "saved\\_dollars (400 \\* tp - 100 \\* fp): 51,200 by the challenger, 48,000 by the champion; on 12,734"
        in found
    )
    assert "Cost: 3.21 s of training, 120,000 rows; serving takes 0.2 ms a row (99 of 100: 0.41)" in found
    assert "2.5 ms a batch of 1,000 (99 of 100: 3), 412,345 rows a second." in found
    # A passing answer names its bound only; what it took stands in cost.json.
    assert "| serving:row | passed | 0.39 | 100 |" in found


def test_a_run_that_kept_no_cost_says_so(lines) -> None:
    found = "\n".join(lines([gate("serving:row", observed=None)]))
    assert "Cost: training restored from an earlier run of the same recipe; serving was not measured." in found
    assert "| serving:row | passed |  | 0.5 |" in found


def test_card_and_report_are_linked_by_their_address(lines) -> None:
    found = lines([], CARD)
    assert f"- [Model card]({CARD})" in found
    assert f"- [Report]({PAGE}/#/experiments/1/runs/2/artifacts/reports/report.html)" in found


@pytest.mark.parametrize(
    "card", ["", "javascript:x/card.html", f"{PAGE}.evil/#/card.html", f"{PAGE}/#/a) [x](b/card.html"]
)
def test_what_is_no_address_of_ours_is_no_link(lines, card) -> None:
    assert not any("Model card" in line for line in lines([], card))
