"""In manual mode a person's answer in the ledger, for this run and these gates, is what promotes; nothing else does."""

from __future__ import annotations

import pytest
import stories

from pipelines.errors import ConfigError, ExitCode, InputError
from pipelines.ledger import Ledger, decisions
from pipelines.ledger import champion as champions
from pipelines.registry import Registry
from pipelines.release.promote import promote
from pipelines.runs import opening
from pipelines.runs.request import Request

PROMOTED = {"champion": 2, "previous": 1}


def quiet(_: str) -> None:
    """Says nothing."""


def standing(story) -> champions.Champion:
    found = champions.current(Ledger.open(story.settings, "tiny"))
    assert found is not None
    return found


def test_nobody_was_asked_nobody_is_promoted(story, challenger, answer) -> None:
    with pytest.raises(InputError, match="nobody has approved it"):
        promote(story.settings, "tiny", challenger, quiet)
    # An approval of other gates is none of these.
    answer("approve", "ann", gates="0" * 64)
    with pytest.raises(InputError, match="nobody has approved it"):
        promote(story.settings, "tiny", challenger, quiet)
    assert standing(story).version == 1


def test_an_approval_promotes_and_is_part_of_the_record(story, challenger, answer) -> None:
    given = answer("approve", "ann")
    done = promote(story.settings, "tiny", challenger, quiet)
    assert (done.exit_code, done.summary["promoted"]) == (ExitCode.DONE, True)
    found = standing(story)
    assert (found.version, found.approver, found.reason.kind) == (2, "ann", "approved")
    assert found.reason.text.startswith("approved by ann: seen the report. ")
    aliases = Registry.of(story.settings).aliases("tiny")
    assert {name: aliases[name] for name in PROMOTED} == PROMOTED
    ledger = Ledger.open(story.settings, "tiny")
    (kept,) = decisions.find(ledger, "approval")
    assert (kept["run"], kept["by"], kept["gates_sha256"]) == (challenger, "ann", given.gates_sha256)
    head = ledger.head("champion")
    promote(story.settings, "tiny", challenger, quiet)
    assert Ledger.open(story.settings, "tiny").head("champion") == head


def test_the_newest_answer_counts_and_a_rejection_refuses(story, challenger, answer) -> None:
    answer("approve", "ann")
    answer("reject", "bob")
    done = promote(story.settings, "tiny", challenger, quiet)
    assert (done.exit_code, done.summary["reason"]) == (ExitCode.REFUSED, "rejected by bob: seen the report")
    assert standing(story).version == 1
    answer("approve", "ann")
    assert promote(story.settings, "tiny", challenger, quiet).summary["promoted"]


@pytest.mark.parametrize(("approvers", "allowed"), [("[bob]", False), ("[bob, ann]", True), ("['7']", True)])
def test_named_approvers_alone_may_approve(story, challenger, answer, approvers: str, allowed: bool) -> None:
    story.tiny.edit("promotion: auto", f"promotion: auto\napproval: {{approvers: {approvers}}}")
    answer("approve", "ann")
    if allowed:
        assert promote(story.settings, "tiny", challenger, quiet).summary["promoted"]
        return
    with pytest.raises(InputError, match="ann is none of its approvers"):
        promote(story.settings, "tiny", challenger, quiet)
    assert standing(story).version == 1


def test_the_command_line_asks_the_same(story, challenger) -> None:
    story.tiny.edit("promotion: auto", "promotion: auto\napproval: {approvers: [ann]}")
    refused = stories.evergreen(story.settings, "approve", "tiny", challenger, "--as", "eve")
    assert (refused.returncode, "none of the approvers" in refused.stderr) == (3, True)
    done = stories.evergreen(story.settings, "approve", "tiny", challenger, "--as", "ann", "--reason", "fine", "--json")
    assert stories.last_json(done)["sentence"] == "approved by ann: fine"
    done = stories.evergreen(story.settings, "promote", "tiny", challenger, "--json")
    assert stories.last_json(done)["version"] == 2


@pytest.mark.parametrize(
    ("declared", "asked", "why"),
    [
        ("manual", "auto", "a person must approve what becomes champion"),
        ("dry_run", "auto", "nothing becomes champion of this model"),
        ("dry_run", "manual", "nothing becomes champion of this model"),
    ],
)
def test_no_run_asks_for_less_than_the_model(story, declared: str, asked: str, why: str) -> None:
    story.tiny.edit("promotion: auto", f"promotion: {declared}")
    ledger = Ledger.open(story.settings, "tiny")
    with pytest.raises(ConfigError, match=why):
        opening.plan(story.settings, ledger, Request.of(promotion=asked))
    # More may be asked for.
    stricter = opening.plan(story.settings, ledger, Request.of(promotion="dry_run"))
    assert stricter.request["promotion"] == "dry_run"


def test_the_stricter_of_run_and_model_counts_when_promoting(story, challenger, answer) -> None:
    """The run says manual, in a file that a stage wrote; the model says that nothing is promoted, or asks nobody."""
    answer("approve", "ann")
    story.tiny.edit("promotion: auto", "promotion: dry_run")
    done = promote(story.settings, "tiny", challenger, quiet)
    assert (done.summary["promoted"], done.summary["reason"]) == (False, "dry run")
    assert standing(story).version == 1
    ledger = Ledger.open(story.settings, "tiny")
    assert [entry["run"] for entry in decisions.find(ledger, "dry_run")] == [challenger]
    story.tiny.edit("promotion: dry_run", "promotion: auto")
    assert promote(story.settings, "tiny", challenger, quiet).summary["promoted"]


def test_gates_that_changed_since_are_named_and_ask_for_a_retraining(story, challenger, answer) -> None:
    answer("approve", "ann")
    story.tiny.edit("floors: {auc: 0.55}", "floors: {auc: 0.5}\n  calibration: {max_error: 0.3}")
    done = promote(story.settings, "tiny", challenger, quiet)
    assert done.exit_code is ExitCode.REFUSED
    assert "calibration.max_error was 0.2, is 0.3; floors.auc was 0.55, is 0.5; retrain" in done.summary["reason"]
    assert standing(story).version == 1
    # What `on` says is the same as what nobody says.
    story.tiny.edit(
        "floors: {auc: 0.5}\n  calibration: {max_error: 0.3}", "floors: {auc: 0.55}\n  modes: {leakage: on}"
    )
    assert promote(story.settings, "tiny", challenger, quiet).summary["promoted"]
