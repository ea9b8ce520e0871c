"""The card says everything it should, whatever is missing, and nothing that it was not told."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from cards import gate, make_drift, make_facts, make_spread

from pipelines.card.page import render
from pipelines.config.gates import Family

SECTIONS = (
    "Data",
    "Metrics",
    "Slices",
    "Fairness",
    "Calibration",
    "Robustness",
    "Behaviour",
    "Importance",
    "Drift at training time",
    "Serving",
    "Gates",
    "Lineage",
    "Limits",
)
VOID = {"meta", "br", "hr", "img", "link", "input"}


@pytest.fixture
def spread():
    return make_spread()


class Outline(HTMLParser):
    """Headings, ids, addresses, and whether every element that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.headings, self.ids, self.outside = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.outside += [given[name] for name in ("src", "href") if given.get(name, "#")[0] != "#"]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def outline(page):
    found = Outline()
    found.feed(page.decode())
    found.close()
    return found


def test_it_has_every_section_and_needs_no_network(spread):
    page = render(make_facts(), spread, [make_drift()])
    found = outline(page)
    assert tuple(found.headings) == SECTIONS
    assert (found.open, found.outside) == ([], [])
    assert len(found.ids) == len(set(found.ids)) > 0
    assert b"@media print" in page
    assert b"@import" not in page
    assert b"<script" not in page


def test_the_same_facts_give_the_same_bytes(spread):
    facts, ranked = make_facts([gate("sanity")]), [make_drift()]
    assert render(facts, spread, ranked) == render(facts, spread, ranked)


def test_pictures_are_told_in_words_and_take_the_pages_colours(spread):
    page = render(make_facts(), spread, [make_drift()]).decode()
    drawings = ["<svg" + part.partition("</svg>")[0] + "</svg>" for part in page.split("<svg")[1:]]
    assert len(drawings) == 4
    for drawing in drawings:
        tree = ET.fromstring(drawing)  # noqa: S314 - our own
        space = "{http://www.w3.org/2000/svg}"
        assert tree.find(f"{space}title").text
        assert tree.find(f"{space}desc").text.endswith(".")
        assert tree.get("role") == "img"
        assert "width" not in tree.attrib
        assert "var(--" in drawing
        assert "#01010" not in drawing


@pytest.mark.parametrize(
    ("family", "told"),
    [
        (Family.FAIRNESS, "model.yaml names no attributes"),
        (Family.ROBUSTNESS, "No gate judged what missing"),
        (Family.BEHAVIOUR, "No invariance or direction is declared"),
        (Family.SERVING, "how fast they serve, was not judged"),
        (Family.CALIBRATION, "No gate judged the calibration"),
        (Family.SLICES, "No gate judged slices"),
    ],
)
def test_a_family_without_a_result_says_so(spread, family, told):
    assert told in render(make_facts(), spread, []).decode()
    answered = render(make_facts([gate(f"{family}:x", interval=(0.31, 0.52))]), spread, []).decode()
    assert told not in answered
    assert f"what {family}:x says" in answered
    assert "0.3100 to 0.5200" in answered


def test_a_family_that_is_off_says_that(spread):
    page = render(make_facts(gates={"modes": {"fairness": "off"}}), spread, []).decode()
    assert "switched off in model.yaml (gates.modes.fairness)" in page


def test_purpose_and_limits_are_the_authors_or_missed(spread):
    without = render(make_facts(), spread, []).decode()
    assert "Nobody has written down what this model is for" in without
    assert "Nobody has written down where this model must not be used" in without
    told = render(make_facts(purpose="Plans couriers.", limits=["Not for <prices>"]), spread, []).decode()
    assert "Plans couriers." in told
    assert "Not for &lt;prices&gt;" in told
    assert "Nobody has written down" not in told


def test_text_of_others_stays_text(spread):
    page = render(make_facts([gate("floors", sentence="<script>x</script>")]), spread, []).decode()
    assert "<script>" not in page
    assert "&lt;b&gt;spring&lt;/b&gt;" in page


def test_a_gate_that_only_reports_is_marked(spread):
    page = render(make_facts([gate("leakage:single", passed=False, mode="dry_run")]), spread, []).decode()
    assert "leakage:single (only reported)" in page
    assert "noted" in page
    assert "0 of 1 passed" in page


def test_evidence_is_folded_away_and_bounded(spread):
    rows = [{"feature": f"f{n}", "growth": n / 10} for n in range(40)]
    page = render(make_facts([gate("robustness:noise", evidence={"worst": rows, "rows": 5})]), spread, []).decode()
    assert "worst, the first 12 of 40" in page
    assert "f11" in page
    assert "f12" not in page


def test_no_drift_is_told(spread):
    assert (
        "No feature that the model reads has moved" in render(make_facts(), spread, [make_drift(effect=0.0)]).decode()
    )
