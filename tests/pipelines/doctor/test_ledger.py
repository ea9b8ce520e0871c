"""Ledgers: every way in which one is not guarded is found, and no probe ever changes one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import stories
from ledger_servers import LedgerServer, secret

from pipelines.config import settings as configuration
from pipelines.config.settings import Settings
from pipelines.doctor import ledger, ledger_rules
from pipelines.doctor.base import Finding, Mark
from pipelines.doctor.run import run
from pipelines.errors import PassingFault
from pipelines.ledger import Ledger, hook, server
from pipelines.ledger.command import git

RUN = "2024-02-05-20260101T000000Z-abcdef"
NAMES_ONLY = """#!/bin/sh
case "$1" in refs/heads/doctor/*) echo "evergreen: not a ref of a ledger" >&2; exit 1 ;; esac
"""


def refs(bare: Path) -> str:
    return git(bare, "for-each-ref", "--format=%(refname) %(objectname)").decode()


def fill(bare: Path, *, champion: bool = True) -> None:
    """Give a ledger what a used one has: a run's tag, decisions, a champion of two commits."""
    head = git(bare, "rev-parse", "refs/heads/data").decode().strip()
    tree = git(bare, "rev-parse", "refs/heads/data^{tree}").decode().strip()
    second = git(bare, "commit-tree", tree, "-p", head, stdin=b"Second\n").decode().strip()
    git(bare, "update-ref", f"refs/tags/runs/{RUN}", second)
    git(bare, "update-ref", "refs/heads/decisions", head)
    if champion:
        git(bare, "update-ref", "refs/heads/champion", second)


def put_hook(bare: Path, name: str, text: str) -> None:
    (bare / "hooks").mkdir(exist_ok=True)
    hook = bare / "hooks" / name
    hook.write_text(text)
    hook.chmod(0o755)


@pytest.fixture
def bare(home: Settings) -> Path:
    path = Path(home.ledgers) / "tiny.git"
    fill(path)
    return path


@pytest.fixture
def elsewhere(bare: Path, home: Settings) -> Settings:
    """The same ledger, reached as a Git server that is not ours would be."""
    return replace(home, ledgers=f"file://{bare.parent}")


def told(settings: Settings, name: str = "ledger tiny") -> Finding:
    report = run(ledger.checks(settings), [].append)
    return next(item for item in report.results if item.name == name)


def test_a_ledger_in_a_folder(home: Settings, bare: Path) -> None:
    assert told(home).mark is Mark.OK


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda hook: hook.unlink(), "is missing: nothing guards"),
        (lambda hook: hook.chmod(0o644), "cannot be executed"),
        (lambda hook: hook.write_text("#!/bin/sh\nexit 0\n"), "another version or was changed"),
    ],
    ids=["removed", "not executable", "permissive"],
)
def test_a_hook_that_guards_nothing(home: Settings, bare: Path, spoil, words: str) -> None:
    spoil(bare / "hooks" / "update")
    found = told(home)
    assert (found.mark, found.passing) == (Mark.FAIL, False)
    assert words in found.found
    assert found.remedy == "evergreen doctor --renew-hooks"
    done = stories.evergreen(home, "doctor", "--renew-hooks")
    assert done.returncode == 0, done.stdout
    assert "renewed the hook of" in done.stderr
    assert (bare / "hooks" / "update").read_text() == hook.UPDATE_HOOK


def test_configuration_that_leads_past_the_hook(home: Settings, bare: Path) -> None:
    git(bare, "config", "receive.denyDeletes", "false")
    assert (told(home).mark, "denyDeletes" in told(home).remedy) == (Mark.WARN, True)
    git(bare, "config", "core.hooksPath", "/nowhere")
    assert (told(home).mark, "core.hooksPath" in told(home).found) == (Mark.FAIL, True)


def test_a_ledger_that_was_there_and_is_away(home: Settings, bare: Path) -> None:
    shutil.rmtree(bare.parent)
    found = told(home)
    assert (found.mark, found.passing) == (Mark.FAIL, True)
    assert "was there and is away" in found.found
    shutil.rmtree(home.mirrors)
    assert told(home, "ledgers").mark is Mark.OK


def test_a_file_in_the_place_of_the_ledgers(settings: Settings) -> None:
    Path(settings.ledgers).parent.mkdir(parents=True)
    Path(settings.ledgers).write_text("")
    assert told(settings, "ledgers").mark is Mark.FAIL


def test_a_ledger_without_its_data(home: Settings, bare: Path) -> None:
    git(bare, "update-ref", "-d", "refs/heads/data")
    assert told(home).mark is Mark.FAIL


def test_a_server_with_our_hook_is_ok_but_for_champion(elsewhere: Settings, bare: Path) -> None:
    before = refs(bare)
    found = told(elsewhere)
    # Without a role everybody may write champion, and that is what is found.
    assert found.mark is Mark.FAIL
    assert "lets this login write champion" in found.found
    assert refs(bare) == before


@pytest.mark.parametrize("used", [False, True], ids=["no decisions yet", "with decisions"])
def test_a_server_that_protects_champion_and_lets_tasks_approve(elsewhere: Settings, bare: Path, used: bool) -> None:
    rule = 'if [ "$1" = refs/heads/champion ]; then echo "protected" >&2; exit 1; fi\n'
    put_hook(bare, "update", hook.UPDATE_HOOK.replace("set -eu\n", f"set -eu\n{rule}"))
    if not used:
        git(bare, "update-ref", "-d", "refs/heads/decisions")
    before = refs(bare)
    found = told(elsewhere)
    assert found.mark is Mark.WARN
    assert "this login may not write champion, but approvals" in found.found
    assert "serve-ledgers" in found.remedy
    assert refs(bare) == before


def test_a_server_that_guards_nothing_loses_nothing(elsewhere: Settings, bare: Path) -> None:
    for key in server.CONFIG:
        git(bare, "config", "--unset", key)
    (bare / "hooks" / "update").unlink()
    before = refs(bare)
    found = told(elsewhere)
    assert found.mark is Mark.FAIL
    assert "takes branches that no ledger has" in found.found
    assert "still there" not in found.found
    assert refs(bare) == before


def test_a_server_that_takes_any_branch_and_keeps_it(elsewhere: Settings, bare: Path) -> None:
    (bare / "hooks" / "update").unlink()
    before = refs(bare)
    found = told(elsewhere)
    assert "is still there: remove it" in found.found
    added = [line for line in refs(bare).splitlines() if line not in before.splitlines()]
    assert len(added) == 1
    assert added[0].startswith("refs/heads/doctor/")


def test_a_server_that_guards_branches_and_not_tags(elsewhere: Settings, bare: Path) -> None:
    put_hook(bare, "update", NAMES_ONLY)
    before = refs(bare)
    found = told(elsewhere)
    assert found.mark is Mark.FAIL
    assert found.found.endswith("lets tags move and tags be deleted")
    assert refs(bare) == before


def test_a_server_that_guards_names_alone(elsewhere: Settings, bare: Path) -> None:
    for key in server.CONFIG:
        git(bare, "config", "--unset", key)
    put_hook(bare, "update", NAMES_ONLY)
    before = refs(bare)
    assert told(elsewhere).found.endswith(
        "lets branches go back and branches be deleted and tags move and tags be deleted"
    )
    assert refs(bare) == before


@pytest.mark.parametrize("used", [False, True], ids=["a new ledger", "one with nights"])
def test_a_server_of_an_older_version_takes_no_nights(elsewhere: Settings, bare: Path, used: bool) -> None:
    put_hook(bare, "update", hook.UPDATE_HOOK.replace("refs/heads/nights | ", ""))
    if used:
        git(bare, "update-ref", "refs/heads/nights", "refs/heads/decisions")
    before = refs(bare)
    found = told(elsewhere)
    assert (found.mark, "takes no branch nights" in found.found) == (Mark.FAIL, True)
    assert refs(bare) == before


@pytest.mark.parametrize("config", ["receive.advertiseAtomic", ""], ids=["no atomic pushes", "all or nothing"])
def test_a_server_that_does_not_tell_why_is_not_proved(elsewhere: Settings, bare: Path, config: str) -> None:
    if config:
        git(bare, "config", config, "false")
    else:
        put_hook(bare, "pre-receive", "#!/bin/sh\ngrep -q refs/heads/doctor/ && exit 1\nexit 0\n")
    before = refs(bare)
    found = told(elsewhere)
    assert (found.mark, "unproved" in found.found) == (Mark.WARN, True)
    assert refs(bare) == before


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerServer]:
    folder = tmp_path_factory.mktemp("ledgers")
    served = LedgerServer(configuration.load({"EVERGREEN_HOME": str(folder / "home")}), folder)
    served.start()
    yield served
    served.stop()


@pytest.fixture
def reached(running: LedgerServer, settings: Settings, tmp_path: Path):
    """Settings of a role, with one model folder of that name whose ledger is served."""

    def as_role(role: str, model: str, password: str | None = None, *, champion: bool = True) -> Settings:
        found = replace(running.settings_of(role, password), models=settings.models)
        (settings.models / model).mkdir(parents=True)
        if not (running.root / f"{model}.git").exists():
            Ledger.open(running.settings_of("tasks"), model, create=True)
            fill(running.root / f"{model}.git", champion=champion)
        return found

    return as_role


@pytest.mark.parametrize("champion", [True, False], ids=["champion", "no champion yet"])
@pytest.mark.parametrize(
    ("role", "words"),
    [("tasks", "may write neither champion nor approvals"), ("promoter", "the promoter may write champion")],
)
def test_our_server_guards_its_ledgers(running: LedgerServer, reached, role: str, words: str, champion: bool) -> None:
    model = f"{role}{'_champion' if champion else ''}"
    settings = reached(role, model, champion=champion)
    before = refs(running.root / f"{model}.git")
    assert told(settings, "ledgers").mark is Mark.OK
    found = told(settings, f"ledger {model}")
    assert found.mark is Mark.OK, found
    assert words in found.found
    assert refs(running.root / f"{model}.git") == before


def test_a_task_that_holds_the_promoters_rights(running: LedgerServer, reached) -> None:
    settings = reached("promoter", "stolen")
    # The server knows the promoter under this name; the doctor is told of no promoter.
    (running.folder / "users" / "ledger-promoter").write_text("username=ordinary\npassword=canary-2\n")
    (settings.secrets / "ledger").write_text("username=ordinary\npassword=canary-2\n")
    try:
        before = refs(running.root / "stolen.git")
        found = told(settings, "ledger stolen")
        assert found.mark is Mark.FAIL
        assert "lets this login write champion" in found.found
        assert refs(running.root / "stolen.git") == before
    finally:
        (running.folder / "users" / "ledger-promoter").write_text(secret("promoter"))


def test_a_wrong_login_and_a_ledger_not_begun(running: LedgerServer, reached, settings: Settings) -> None:
    wrong = reached("tasks", "known", "another password")
    for name in ("ledgers", "ledger known"):
        assert (told(wrong, name).mark, told(wrong, name).passing) == (Mark.FAIL, False), name
        assert "login" in told(wrong, name).found
    (settings.models / "young").mkdir()
    young = replace(running.settings_of("tasks"), models=settings.models)
    assert "evergreen ingest young" in told(young, "ledger young").found


def test_a_server_that_is_down(home: Settings, nobody: str) -> None:
    away = replace(home, ledgers=nobody)
    for name in ("ledgers", "ledger tiny"):
        found = told(away, name)
        assert (found.mark, found.passing) == (Mark.FAIL, True), found


def test_nobody_else_pushes_while_we_look(elsewhere: Settings, bare: Path, monkeypatch) -> None:
    """A branch that moved after we looked is not touched by a probe that expects it elsewhere."""
    old = dict(line.split() for line in refs(bare).splitlines())
    moved = git(bare, "commit-tree", "refs/heads/data^{tree}", "-p", "refs/heads/data", stdin=b"Moved\n").decode()
    git(bare, "update-ref", "refs/heads/data", moved.strip())
    before = refs(bare)
    with pytest.raises(PassingFault, match="moves just now"):
        ledger_rules.proved(elsewhere.ledgers + "/tiny.git", None, old, promoter=False)
    assert refs(bare) == before
