import re
from datetime import date, timedelta

from pipelines.config.model import Model
from pipelines.config.params import RunParams
from pipelines.quality.report import render
from pipelines.quality.window import CheckResult, DayLabels

from .conftest import MODEL

EVIL = "<script>alert('x')</script> \"quoted\" & http"
AS_OF = date(2013, 3, 31)


def rendered(*, passed=True, severity="critical", quarantined=(), warnings=(), **changes):
    params = RunParams.of("trips", Model.model_validate(MODEL | changes), AS_OF)
    days = [params.span.first + timedelta(days=n) for n in range((AS_OF - params.span.first).days)]
    window = {
        "as_of": "2013-03-31",
        "first": params.span.first.isoformat(),
        "partitions": [
            {"table": "trips", "partition": day.isoformat(), "rows": 1200, "warnings": list(warnings)} for day in days
        ],
        "quarantined": list(quarantined),
        "missing": [],
    }
    labels = [DayLabels(day, 1200, 1000, 0, {0.0: 700, 1.0: 300}) for day in days]
    checks = [CheckResult("one_check", severity, passed, 3, 2, f"Observed {EVIL}.")]
    label = {"rows": 1000 * len(days), "coverage": 0.8333, "positives": 300 * len(days)}
    return render(params, window, checks, labels, label)


def test_it_needs_nothing_from_anywhere():
    html = rendered()
    assert not re.search(r"https?://|//[a-z]|<link|<script|src=|@import|url\(", html.replace(EVIL, ""))


def test_the_verdict_comes_first():
    assert re.search(r"<main>\s*<header class=\"good\">.*<h1>Accepted</h1>", rendered())
    assert "<h1>Accepted with warnings</h1>" in rendered(passed=False, severity="warning")
    assert "<h1>Refused</h1>" in rendered(passed=False)


def test_whatever_comes_from_data_is_escaped():
    html = rendered(
        passed=False,
        warnings=[EVIL],
        quarantined=[{"table": "trips", "partition": "2013-03-31", "sha256": "0", "reasons": [EVIL, "second"]}],
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 3
    assert "<li>second</li>" in html


def test_every_day_of_the_window_has_a_square():
    html = rendered(quarantined=[{"table": "trips", "partition": "2013-03-31", "sha256": "0", "reasons": ["bad day"]}])
    assert html.count('class="day good') == 90 - 1 + 2  # without the last day, with two in the legend
    assert "2013-03-31: bad day" in html
    assert "2013-03-30: 1,200 rows, 1,000 labelled" in html


def test_the_same_input_gives_the_same_bytes():
    assert rendered() == rendered()


def test_many_partitions_do_not_make_it_endless():
    bad = [
        {"table": "trips", "partition": f"2013-03-{n % 28 + 1:02}", "sha256": "", "reasons": ["r"]} for n in range(500)
    ]
    html = rendered(quarantined=bad)
    assert "and 300 more in validation.json" in html
