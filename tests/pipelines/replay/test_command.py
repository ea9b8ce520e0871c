"""The command: its table, its page and picture, and what it refuses."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import stories
from stories import AS_OF

LAST = 36


@pytest.fixture(scope="module")
def days(past):
    return ("--from", str(past.day(AS_OF)), "--to", str(past.day(LAST)))


@pytest.fixture(scope="module")
def told(past, days, tmp_path_factory):
    """The command's answer and where its page is."""
    (file := tmp_path_factory.mktemp("policy") / "young.yaml").write_text("age: {days: 2}\ncooldown_days: 1\n")
    page = file.with_name("page.html")
    words = ("--policy", "weekly", "--policy", "own", "--policy", str(file), "--out", str(page))
    return stories.evergreen(past.there.settings, "replay", "tiny", *days, *words), page


def test_the_table(told, past) -> None:
    done, page = told
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "policy",
        "retrainings",
        "promoted",
        "seconds",
        "log_loss",
        "auc",
        "regret",
        "gain",
        "schedule",
    ]
    assert [line.split()[0] for line in lines[1:6]] == ["never", "nightly", "weekly", "own", "young"]
    assert lines[-1] == str(page)


def test_the_page_and_the_picture(told) -> None:
    _, page = told
    picture = ElementTree.fromstring(page.with_suffix(".svg").read_text())  # noqa: S314 - our own
    assert picture.tag.endswith("svg")
    text = page.read_text()
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "No trigger fired" in text


def test_json_and_no_ledger_is_changed(told, past, days) -> None:
    before = {ref: past.there.ledger().head(ref) for ref in ("data", "decisions", "champion", "nights")}
    done = stories.evergreen(past.there.settings, "replay", "tiny", *days, "--policy", "own", "--no-gates", "--json")
    found = stories.last_json(done)
    assert [row["name"] for row in found["policies"]] == ["never", "nightly", "own"]
    assert found["asked"]["gated"] is False
    assert "retrainings [" not in done.stderr  # all of them are kept from before
    assert {ref: past.there.ledger().head(ref) for ref in before} == before


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (AS_OF, AS_OF, "leaves no night to replay"),
        (AS_OF, 60, "newest events are of"),
        (2, LAST, "leaves training days"),
    ],
)
def test_refusals(past, first, last, words) -> None:
    days = ("--from", str(past.day(first)), "--to", str(past.day(last)))
    done = stories.evergreen(past.there.settings, "replay", "tiny", *days)
    assert done.returncode == 3
    assert words in done.stderr.splitlines()[-1]
