"""The card says everything it should, whatever is missing, and nothing that it was not told."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from cards import COST, METRICS, gate, make_drift, make_facts, make_spread

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
    "Cost and worth",
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
        self.scrolls, self.tables, self.tables_outside = [], 0, 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
            self.scrolls.append("scroll" in (given.get("class") or "").split())
        if tag == "table":
            self.tables += 1
            self.tables_outside += not any(self.scrolls)
        self.ids += [given["id"]] if "id" in given else []
        self.outside += [given[name] for name in ("src", "href") if given.get(name, "#")[0] != "#"]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()
            self.scrolls.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.scrolls.pop()

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
    assert "0 of 0 gates passed, from 1 families; 1 more only report, 1 of them not passed" in page


def test_gates_that_only_report_are_not_among_those_that_passed(spread):
    tried = [gate("fairness:shop", mode="dry_run"), gate("leakage:clock", passed=False, mode="dry_run")]
    page = render(make_facts([gate("sanity"), gate("floors"), *tried]), spread, []).decode()
    assert "2 of 2 gates passed, from 4 families; 2 more only report, 1 of them not passed" in page
    assert "<dd>2 of 2 passed" in page


def test_evidence_is_folded_away_and_bounded(spread):
    rows = [{"feature": f"f{n}", "growth": n / 10} for n in range(40)]
    page = render(make_facts([gate("robustness:noise", evidence={"worst": rows, "rows": 5})]), spread, []).decode()
    assert "worst, the first 12 of 40" in page
    assert "f11" in page
    assert "f12" not in page


def test_no_drift_is_told_with_what_matters_most(spread):
    still = [make_drift(f"f{n}", effect=0.0, importance=n / 100) for n in range(9)]
    page = render(make_facts(), spread, still).decode()
    assert "No feature that the model reads has moved beyond that" in page
    assert [name for name in (f"f{n}" for n in range(9)) if f"<td>{name}</td>" in page] == [
        "f4",
        "f5",
        "f6",
        "f7",
        "f8",
    ]


def test_a_feature_that_moved_comes_before_those_that_did_not(spread):
    still = [make_drift(f"f{n}", effect=0.0, importance=n / 100) for n in range(9)]
    page = render(make_facts(), spread, [make_drift("moved"), *still]).decode()
    assert page.index("<td>moved</td>") < page.index("<td>f8</td>")
    assert "<td>f4</td>" not in page


def test_every_partition_stands_with_revision_and_hash(spread):
    page = render(make_facts(), spread, []).decode()
    assert f"<td>orders 2024-01-31</td><td>120</td><td>3</td><td><code>{'b' * 64}</code></td>" in page
    assert f"3,511 rows, digest {'f' * 64}" in page


def test_slices_stand_beside_the_champions(spread):
    facts = make_facts()
    assert "±" not in render(facts, spread, []).decode()
    facts.found["slices"]["models"] = ["challenger", "champion"]
    facts.found["slices"]["columns"][0]["values"][0]["champion"] = METRICS | {"log_loss": 0.5, "auc": 0.82}
    page = render(facts, spread, []).decode()
    assert '<td>0.4500</td><td><span class="better">−0.0500</span></td>' in page
    assert '<td>0.8000</td><td><span class="worse">−0.0200</span></td>' in page


def test_cost_and_worth_are_told_or_missed(spread):
    facts = make_facts([gate("serving:row", observed=None, threshold=100.0)])
    page = render(facts, spread, []).decode()
    assert "What serving takes was not measured" in page
    assert "no sum is declared" in page
    facts.found["cost"].update(COST)
    sums = {"expression": "5 * tp - fp", "threshold": 0.2, "rows": 600, "challenger": 90.0, "champion": 120.0}
    facts.found["metrics"]["business"] = {"saved": sums | {"baseline": None}}
    page = render(facts, spread, []).decode()
    assert '<td class="text">trained on 120,000 rows in 58 rounds, seconds</td><td>3.2100</td>' in page
    assert '<td class="text">one row, ms</td><td>0.2000</td><td>0.4100</td><td>0.3900</td>' in page
    assert '<td class="text">rows a second</td><td>412,345</td>' in page
    assert "<td>90.0000</td><td>120.0</td><td>–</td><td>−30.0000</td>" in page
    # The gate that passed says only its bound; what it saw is filled in.
    assert "<td>0.3900</td><td>–</td><td>100</td>" in page


@pytest.mark.parametrize("owner", ["nobody yet", " "])
def test_a_missing_owner_is_missed(spread, owner):
    assert "Nobody answers for this model yet" in render(make_facts(owner=owner), spread, []).decode()
    assert "Nobody answers" not in render(make_facts(owner="ann"), spread, []).decode()


def test_whatever_is_wide_scrolls_by_itself_on_a_phone(spread):
    facts = make_facts([gate("slices:shop", evidence={"worst": [{"value": "x" * 90, "rows": 9}]})])
    facts.found["cost"].update(COST)
    page = render(facts, spread, [make_drift()]).decode()
    found = outline(page.encode())
    assert found.tables > 6
    assert found.tables_outside == 0
    assert "@media (max-width: 600px)" in page
    assert ".scroll { overflow-x: auto; }" in page
    # A caption is as wide as its table unless it is told not to be: half of it would be out of sight.
    assert "caption { max-width: calc(100vw - 28px); }" in page
    assert 'content="width=device-width' in page
