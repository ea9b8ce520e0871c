"""What promotion and retention go by is written by the promoter alone: the hook behind a real server over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from ledger_servers import LedgerServer

from pipelines.config import settings as configuration
from pipelines.errors import InputError
from pipelines.ledger import Ledger, approvals, decisions
from pipelines.ledger.command import git

RUN = "2024-02-05-20260101T000000Z-abcdef"
APPROVAL = "decisions/2026-01/20260101T000000000000Z-approval-0123456789abcdef.json"
NUMBERS = count()
THEIRS = [
    ("decisions", APPROVAL),
    ("decisions", APPROVAL.replace("-approval-", "-rollback-")),
    ("decisions", APPROVAL.replace("-approval-", "-pin-")),
    ("decisions", APPROVAL.replace("-approval-", "-unpin-")),
    ("decisions", APPROVAL.replace("-approval-", "-erasure-")),
    ("decisions", f"retention/{RUN}.json"),
    # Whatever a reader that goes by parts of names could take for one.
    ("decisions", "decisions/-approval-/deep/er.json"),
    ("decisions", 'decisions/a"b\\n-approval-ü.json'),
    ("decisions", "retention"),
    ("data", "erased/0123456789abcdef.json"),
    ("data", "suppressed.json"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerServer]:
    folder = tmp_path_factory.mktemp("ledgers")
    server = LedgerServer(configuration.load({"EVERGREEN_HOME": str(folder / "home")}), folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pair(server: LedgerServer) -> tuple[Ledger, Ledger]:
    """A ledger of this test's own, with a branch `decisions`, as tasks and as the promoter reach it."""
    model = f"model_{next(NUMBERS)}"
    tasks = Ledger.open(server.settings_of("tasks"), model, create=True)
    tasks.commit("decisions", {"requests/a.json": b"{}"}, "Ask", parent=None)
    return tasks, Ledger.open(server.settings_of("promoter"), model)


def write(ledger: Ledger, branch: str, path: str, content: bytes | None) -> str:
    """One commit on top of the branch as it is now, pushed."""
    ledger.fetch()
    made = draft(ledger, {path: content}, ledger.head(branch))
    ledger.push(made, f"refs/heads/{branch}")
    return made


def draft(ledger: Ledger, changes: dict[str, bytes | None], *parents: str | None) -> str:
    """A commit in the mirror that nobody has seen, with the first parent's files and `changes`."""
    index = {"GIT_INDEX_FILE": str(ledger.mirror / "test.index")}
    known = [parent for parent in parents if parent]
    git(ledger.mirror, "read-tree", *(known[:1] or ["--empty"]), extra=index)
    for path, content in changes.items():
        blob = git(ledger.mirror, "hash-object", "-w", "--stdin", stdin=content or b"").decode().strip()
        line = f"100644 {blob}\t{path}\0" if content is not None else f"0 {'0' * 40}\t{path}\0"
        git(ledger.mirror, "update-index", "--replace", "-z", "--index-info", stdin=line.encode(), extra=index)
    tree = git(ledger.mirror, "write-tree", extra=index).decode().strip()
    options = [word for parent in known for word in ("-p", parent)]
    return git(ledger.mirror, "commit-tree", tree, *options, stdin=b"Draft\n").decode().strip()


@pytest.mark.parametrize(("branch", "path"), THEIRS)
def test_tasks_neither_add_nor_change_nor_remove_one(pair: tuple[Ledger, Ledger], branch: str, path: str) -> None:
    tasks, promoter = pair
    with pytest.raises(InputError, match=r"only the promoter may write .*, not tasks") as refused:
        write(tasks, branch, path, b"{}")
    assert "ledger-promoter" in refused.value.line()
    kept = write(promoter, branch, path, b"{}")
    for content in (b"[]", None):
        with pytest.raises(InputError, match="only the promoter may write"):
            write(tasks, branch, path, content)
    tasks.fetch()
    assert tasks.head(branch) == kept
    write(promoter, branch, path, None)


@pytest.mark.parametrize(
    "path",
    [
        APPROVAL.replace("-approval-", "-refusal-"),
        APPROVAL.replace("-approval-", "-rollback_due-"),
        f"requests/-approval-{RUN}.json",
        "alerts/queued/retention.json",
    ],
)
def test_tasks_write_everything_else(pair: tuple[Ledger, Ledger], path: str) -> None:
    tasks, promoter = pair
    write(promoter, "decisions", APPROVAL, b"{}")
    for content in (b"{}", b"[]", None):
        write(tasks, "decisions", path, content)
    assert tasks.read("decisions", APPROVAL) == b"{}"


def test_a_branch_does_not_begin_with_one(server: LedgerServer) -> None:
    tasks = Ledger.open(server.settings_of("tasks"), "begins", create=True)
    for parent in (None, tasks.head("data")):
        with pytest.raises(InputError, match="only the promoter may write"):
            tasks.push(draft(tasks, {APPROVAL: b"{}"}, parent), "refs/heads/decisions")
    tasks.push(draft(tasks, {"requests/a.json": b"{}"}, tasks.head("data")), "refs/heads/decisions")


def test_it_hides_in_no_earlier_commit_and_no_merge(pair: tuple[Ledger, Ledger]) -> None:
    tasks, promoter = pair
    head = tasks.head("decisions")
    forged = draft(tasks, {APPROVAL: b"{}"}, head)
    side = draft(tasks, {"requests/b.json": b"{}"}, head)
    for hiding in (
        draft(tasks, {"requests/c.json": b"{}"}, forged),
        draft(tasks, {"requests/c.json": b"{}"}, forged, side),
        draft(tasks, {APPROVAL: b"{}"}, side, forged),
    ):
        with pytest.raises(InputError, match="only the promoter may write"):
            tasks.push(hiding, "refs/heads/decisions")
    tasks.push(draft(tasks, {"requests/c.json": b"{}"}, side, draft(tasks, {}, head)), "refs/heads/decisions")
    # A merge may not drop what the promoter wrote meanwhile either.
    kept = write(promoter, "decisions", APPROVAL, b"{}")
    tasks.fetch()
    with pytest.raises(InputError, match="only the promoter may write"):
        tasks.push(draft(tasks, {}, side, kept), "refs/heads/decisions")


def test_an_answer_is_recorded_with_the_promoters_login_beside_that_of_tasks(
    server: LedgerServer, pair: tuple[Ledger, Ledger]
) -> None:
    tasks, promoter = pair
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    answer = approvals.Answer(RUN, "0" * 64, "approve", "ann", ("ann",), "m__promote/r", moment)
    with pytest.raises(InputError, match=r"only the promoter may write .*-approval-.*, not tasks") as refused:
        approvals.record(tasks, answer)
    assert "ledger-promoter" in refused.value.line()
    assert approvals.newest(tasks, RUN, "0" * 64) is None
    # As Airflow's containers have it on the stack.
    folder = tasks.secrets.parent / "secrets of airflow"
    shutil.copytree(tasks.secrets, folder)
    shutil.copy(promoter.secrets / "ledger", folder / "ledger-promoter")
    airflow = replace(tasks, secrets=folder, secret=folder / "ledger")
    assert approvals.record(airflow, answer)["verdict"] == "approve"
    assert approvals.newest(airflow, RUN, "0" * 64) == answer
    # Everything else it writes as tasks do.
    assert airflow.secret == folder / "ledger"
    decisions.record(airflow, "dry_run", {"run": RUN})
    with pytest.raises(InputError, match="only the promoter"):
        airflow.commit("champion", {"champion.json": b"{}"}, "Try", parent=None)
