"""The ledger server as its clients meet it: a real process on loopback, real Git, two roles."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from ledger_servers import PASSWORDS, LedgerServer, free_port, secret

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, ExitCode, InputError, PassingFault, PushRefused
from pipelines.ledger import Ledger
from pipelines.ledger.command import credentials, git
from pipelines.ledger.refs import all_ledgers, delete

RUN = "2024-02-05-20260101T000000Z-abcdef"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerServer]:
    """One server for the tests that leave it running; each uses a model of its own."""
    from pipelines.config import settings as configuration

    folder = tmp_path_factory.mktemp("ledgers")
    server = LedgerServer(configuration.load({"EVERGREEN_HOME": str(folder / "home")}), folder, limit_mb=40)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Iterator[LedgerServer]:
    """A server that the test may stop and kill."""
    server = LedgerServer(settings, tmp_path / "own")
    server.start()
    yield server
    server.stop(signal.SIGKILL)


def refs(server: LedgerServer, model: str) -> dict[str, str]:
    """What the repository on the server's disk holds."""
    shown = git(server.root / f"{model}.git", "for-each-ref", "--format=%(refname) %(objectname)").decode()
    return dict(line.split(" ") for line in shown.splitlines())


def push(server: LedgerServer, model: str, role: str, *specs: str) -> str:
    """A forced push with plain Git; what the server said, empty where it took it."""
    settings = server.settings_of(role)
    done = subprocess.run(
        ["git", "push", "--force", f"{server.url}/{model}.git", *specs],
        cwd=settings.mirrors / f"{model}.git",
        env=os.environ | {"GIT_TERMINAL_PROMPT": "0"} | credentials(settings.secrets / "ledger"),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


def test_a_ledger_is_made_written_and_read_by_another(running: LedgerServer) -> None:
    one = Ledger.open(running.settings_of("tasks"), "first", create=True)
    commit = one.commit("data", {"a/b.json": b"1\n"}, "Add", parent=one.head("data"))
    one.tag(f"runs/{RUN}", commit)
    other = Ledger.open(running.settings_of("promoter"), "first", create=True)
    assert other.read("data", "a/b.json") == b"1\n"
    assert other.head(f"runs/{RUN}") == commit
    assert running.settings.dvc_remote.encode() in (other.read("data", ".dvc/config") or b"")


def test_no_ledger_yet_names_the_remedy(running: LedgerServer) -> None:
    with pytest.raises(InputError, match="evergreen ingest flights") as error:
        Ledger.open(running.settings_of("tasks"), "flights")
    assert error.value.exit_code is ExitCode.INPUT
    assert not (running.root / "flights.git").exists()


def test_making_twice_at_once_makes_one(running: LedgerServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: running.status("PUT", "/shared.git", "tasks"), range(8)))
    assert set(states) <= {200, 201}
    assert not [path for path in running.root.iterdir() if path.name.startswith(".shared")]


def test_tasks_write_all_but_champion(running: LedgerServer) -> None:
    ledger = Ledger.open(running.settings_of("tasks"), "roles", create=True)
    head = ledger.head("data")
    for branch in ("data", "nights", "decisions", "lease", f"run/{RUN}"):
        ledger.commit(branch, {"x": branch.encode()}, "Write", parent=ledger.head(branch))
    with pytest.raises(InputError, match="only the promoter may write it, not tasks") as refused:
        ledger.commit("champion", {"champion.json": b"{}"}, "Try", parent=None)
    assert "secrets" in refused.value.line()
    assert refused.value.exit_code is ExitCode.INPUT
    assert "refs/heads/champion" not in refs(running, "roles")
    promoter = Ledger.open(running.settings_of("promoter"), "roles")
    first = promoter.commit("champion", {"champion.json": b"{}"}, "First", parent=None)
    ledger.fetch()
    with pytest.raises(InputError, match="only the promoter"):
        ledger.commit("champion", {"champion.json": b"[]"}, "Try", parent=first)
    assert refs(running, "roles")["refs/heads/champion"] == first
    assert push(running, "roles", "tasks", f"{head}:refs/heads/champion")
    assert push(running, "roles", "tasks", ":refs/heads/champion")
    assert refs(running, "roles")["refs/heads/champion"] == first


def test_a_repository_with_hooks_and_settings_of_its_own_is_guarded_all_the_same(running: LedgerServer) -> None:
    ledger = Ledger.open(running.settings_of("tasks"), "older", create=True)
    (running.root / "older.git" / "hooks" / "update").write_text("#!/bin/sh\nexit 0\n")
    git(running.root / "older.git", "config", "receive.denyDeletes", "false")
    with pytest.raises(InputError, match="only the promoter"):
        ledger.commit("champion", {"x": b"1"}, "Try", parent=None)
    assert push(running, "older", "tasks", ":refs/heads/data")


@pytest.mark.parametrize("role", PASSWORDS)
def test_nobody_moves_back_deletes_or_invents_refs(running: LedgerServer, role: str) -> None:
    model = f"rules_{role}"
    ledger = Ledger.open(running.settings_of(role), model, create=True)
    head = ledger.head("data")
    newer = ledger.commit("data", {"a": b"1"}, "More", parent=head)
    ledger.tag(f"runs/{RUN}", newer)
    before = refs(running, model)
    for spec in (
        f"{head}:refs/heads/data",
        f"{head}:refs/tags/runs/{RUN}",
        f":refs/tags/runs/{RUN}",
        ":refs/heads/data",
        f"{newer}:refs/heads/main",
        f"{newer}:refs/tags/v1",
        f"{newer}:refs/heads/run/a/b",
        f"{newer}:refs/notes/x",
        f"{newer}:refs/heads/champion/x",
        f"{newer}^{{tree}}:refs/tags/runs/x",
    ):
        assert push(running, model, role, spec), spec
    with pytest.raises(PushRefused):
        ledger.tag(f"runs/{RUN}", head or "")
    assert refs(running, model) == before


def test_a_run_is_ended_by_the_promoter_alone_where_the_ledger_says_so(running: LedgerServer) -> None:
    ledger = Ledger.open(running.settings_of("tasks"), "ending", create=True)
    commit = ledger.head("data") or ""
    ledger.tag(f"runs/{RUN}", commit)
    tag = {f"refs/tags/runs/{RUN}": commit}
    promoter = Ledger.open(running.settings_of("promoter"), "ending")
    with pytest.raises(InputError, match="never deleted"):
        delete(promoter, tag)
    promoter.commit("decisions", {f"retention/{RUN}.json": b"{}"}, "End", parent=None)
    with pytest.raises(InputError, match="only the promoter"):
        delete(ledger, tag)
    assert f"refs/tags/runs/{RUN}" in refs(running, "ending")
    delete(promoter, tag)
    assert f"refs/tags/runs/{RUN}" not in refs(running, "ending")


def test_it_lists_its_ledgers_to_those_it_knows(running: LedgerServer) -> None:
    settings = running.settings_of("tasks")
    Ledger.open(settings, "listed", create=True)
    found = all_ledgers(settings)
    assert "listed" in found
    assert found == sorted(path.name.removesuffix(".git") for path in running.root.glob("[a-z]*.git"))
    with pytest.raises(ConfigError, match="EVERGREEN_SECRETS"):
        all_ledgers(running.settings_of("tasks", "wrong"))


@pytest.mark.parametrize(("role", "password"), [("tasks", "wrong"), ("promoter", PASSWORDS["tasks"]), ("nobody", "x")])
def test_a_wrong_login_is_a_wrong_configuration(running: LedgerServer, role: str, password: str) -> None:
    for create in (False, True):
        with pytest.raises(ConfigError, match="EVERGREEN_SECRETS") as error:
            Ledger.open(running.settings_of(role, password), "locked", create=create)
        assert password not in error.value.line()
    with pytest.raises(ConfigError):
        Ledger.open(replace(running.settings_of(role, password), secrets=None), "locked", create=True)
    assert not (running.root / "locked.git").exists()


def test_a_login_that_ends_while_a_ledger_is_open_is_told_at_the_push(own: LedgerServer) -> None:
    settings = own.settings_of("tasks")
    ledger = Ledger.open(settings, "tiny", create=True)
    (own.folder / "users" / "ledger-tasks").write_text(secret("tasks", "new"))
    with pytest.raises(ConfigError, match="no such login"):
        ledger.commit("data", {"a": b"1"}, "More", parent=ledger.head("data"))
    (settings.secrets / "ledger").write_text(secret("tasks", "new"))
    ledger.commit("data", {"a": b"1"}, "More", parent=ledger.head("data"))


def test_an_address_with_a_login_in_it_is_refused_without_being_shown(running: LedgerServer) -> None:
    ledgers = running.url.replace("http://", "http://tasks:hidden@")
    with pytest.raises(ConfigError, match="holds a login") as error:
        Ledger.open(replace(running.settings_of("tasks"), ledgers=ledgers), "tiny")
    assert "hidden" not in error.value.line()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/Flights.git", 404),
        ("PUT", "/..git", 404),
        ("PUT", "/a/b.git", 404),
        ("PUT", "/../outside.git", 404),
        ("PUT", "/%2e%2e%2foutside.git", 404),
        ("PUT", f"/{'x' * 64}.git", 404),
        ("PUT", "/.hooks", 404),
        ("PUT", "/there.git/hooks", 404),
        ("DELETE", "/there.git", 501),
        # The list of its ledgers.
        ("GET", "/", 200),
        ("GET", "/there.git", 405),
        ("GET", "/there.git/HEAD", 404),
        ("GET", "/there.git/objects/info/packs", 404),
        ("GET", "/there.git/config", 404),
        ("GET", "/there.git/../there.git/config", 404),
        ("GET", "/there.git/info/refs", 403),
        ("GET", "/there.git/info/refs?service=git-upload-archive", 403),
        ("GET", "/there.git/info/refs?service=git-upload-pack&x=1", 403),
        ("GET", "/absent.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/there.git/info/refs?service=git-upload-pack", 200),
        ("GET", "//there.git/info/refs?service=git-upload-pack", 200),
        ("POST", "/there.git/git-upload-archive", 404),
        ("POST", "/there.git/git-upload-pack", 415),
        ("POST", "/there.git/info/refs?service=git-upload-pack", 405),
    ],
)
def test_nothing_but_smart_git_below_legal_names_is_served(
    running: LedgerServer, method: str, path: str, status: int
) -> None:
    assert running.status("PUT", "/there.git", "tasks") in (200, 201)
    assert running.status(method, path, "tasks") == status
    assert running.status(method, path) in (401, 501)
    assert {path.name for path in running.root.iterdir() if not path.name.endswith(".git")} == {".hooks", ".lock"}
    assert not (running.root.parent / "outside.git").exists()


def raw(server: LedgerServer, request: bytes) -> bytes:
    """The beginning of the answer to bytes that no proper client sends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(4096)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"Content-Length: 99999999999\r\n\r\n", 413),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"Content-Length: -1\r\n\r\n", 400),
        (b"Content-Length: 0x5\r\n\r\nabcde", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
    ],
)
def test_bodies_without_an_honest_length_are_refused(running: LedgerServer, more: bytes, status: int) -> None:
    import base64

    running.status("PUT", "/there.git", "tasks")
    token = base64.b64encode(f"tasks:{PASSWORDS['tasks']}".encode())
    head = (
        b"POST /there.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + token + b"\r\n"
        b"Content-Type: application/x-git-receive-pack-request\r\n"
    )
    assert raw(running, head + more).startswith(f"HTTP/1.1 {status} ".encode())
    assert running.status("GET", "/healthz") == 200


def test_garbage_is_answered_without_repeating_it(running: LedgerServer) -> None:
    for request in (
        b"GARBAGE secret-word\r\n\r\n",
        b"GET /secret-word HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ):
        assert b"secret-word" not in raw(running, request)
    assert "secret-word" not in running.log.read_text()


def test_of_twenty_promoters_on_one_parent_one_wins(running: LedgerServer) -> None:
    settings = running.settings_of("promoter")
    parent = Ledger.open(settings, "race", create=True).commit("champion", {"x": b"0"}, "First", parent=None)

    def write(number: int) -> str | None:
        ledger = Ledger.open(replace(settings, home=settings.home / str(number)), "race")
        ready.wait()
        try:
            return ledger.commit("champion", {"x": b"%d" % number}, "Race", parent=parent)
        except PushRefused:
            return None

    ready = threading.Barrier(20)
    with ThreadPoolExecutor(20) as pool:
        won = [commit for commit in pool.map(write, range(20)) if commit]
    assert len(won) == 1
    assert refs(running, "race")["refs/heads/champion"] == won[0]


def test_twenty_megabytes_go_through_and_what_is_over_the_limit_is_refused(running: LedgerServer) -> None:
    ledger = Ledger.open(running.settings_of("tasks"), "large", create=True)
    head = ledger.head("data")
    content = os.urandom(20 << 20)
    before = psutil.Process(running.process.pid).memory_info().rss
    commit = ledger.commit("data", {"big": content}, "Large", parent=head)
    grown = psutil.Process(running.process.pid).memory_info().rss - before
    assert grown < 8 << 20, "the body is not held in memory"
    assert Ledger.open(running.settings_of("promoter"), "large").read("data", "big") == content
    with pytest.raises(InputError, match="no push this large"):
        ledger.commit("data", {"big": os.urandom(45 << 20)}, "Too large", parent=commit)
    assert refs(running, "large")["refs/heads/data"] == commit
    assert not incoming(running, "large")


def test_a_server_that_is_away_is_a_passing_fault_and_heals(own: LedgerServer) -> None:
    ledger = Ledger.open(own.settings_of("tasks"), "tiny", create=True)
    head = ledger.head("data")
    own.stop()
    for attempt in (
        ledger.fetch,
        lambda: ledger.commit("data", {"a": b"1"}, "More", parent=head),
        lambda: Ledger.open(own.settings_of("tasks"), "tiny"),
        lambda: Ledger.open(own.settings_of("promoter"), "other", create=True),
    ):
        with pytest.raises(PassingFault) as error:
            attempt()
        assert error.value.exit_code is ExitCode.PASSING
        assert len(error.value.line()) <= 300
    own.start()
    commit = ledger.commit("data", {"a": b"1"}, "More", parent=head)
    assert Ledger.open(own.settings_of("promoter"), "tiny").head("data") == commit


def test_a_ledger_that_was_there_and_is_gone_is_not_made_anew(own: LedgerServer, tmp_path: Path) -> None:
    Ledger.open(own.settings_of("tasks"), "tiny", create=True)
    (own.root / "tiny.git").rename(tmp_path / "elsewhere")
    for create in (False, True):
        with pytest.raises(PassingFault, match="was there and is away"):
            Ledger.open(own.settings_of("tasks"), "tiny", create=create)
    assert not (own.root / "tiny.git").exists()


def incoming(server: LedgerServer, model: str) -> list[Path]:
    """What Git has received and not yet taken in."""
    return list((server.root / f"{model}.git" / "objects").glob("tmp_objdir-*"))


def half_a_push(server: LedgerServer, model: str) -> socket.socket:
    """A push that stands still in the middle of its body."""
    import base64

    token = base64.b64encode(f"tasks:{PASSWORDS['tasks']}".encode()).decode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    head = (
        f"POST /{model}.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    line = f"{'0' * 40} {'1' * 40} refs/heads/data\0report-status"
    body = f"{len(line) + 4:04x}{line}0000".encode() + b"PACK\0\0\0\2\0\0\0\1"
    connection.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(body), body))
    deadline = time.monotonic() + 10
    while not incoming(server, model):
        assert time.monotonic() < deadline, "Git began to receive"
        time.sleep(0.02)
    return connection


def test_it_ends_in_two_seconds_in_the_middle_of_a_push(own: LedgerServer) -> None:
    Ledger.open(own.settings_of("tasks"), "tiny", create=True)
    with half_a_push(own, "tiny"):
        family = psutil.Process(own.process.pid).children(recursive=True)
        assert family
        assert own.stop() < 2
    _, late = psutil.wait_procs(family, timeout=0)
    # Orphans stay zombies until the machine's init asks for them.
    assert not [one for one in late if one.status() != psutil.STATUS_ZOMBIE]
    assert "event=stopped" in own.log.read_text()
    own.start()
    assert not incoming(own, "tiny"), "what it could not remove in that time is removed when it starts"


def test_a_client_that_goes_away_leaves_nothing(own: LedgerServer) -> None:
    Ledger.open(own.settings_of("tasks"), "tiny", create=True)
    half_a_push(own, "tiny").close()
    deadline = time.monotonic() + 10
    while incoming(own, "tiny") or psutil.Process(own.process.pid).children():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_killed_server_left_is_cleared_when_it_starts(own: LedgerServer) -> None:
    ledger = Ledger.open(own.settings_of("tasks"), "tiny", create=True)
    own.stop(signal.SIGKILL)
    repository = own.root / "tiny.git"
    left = [repository / "refs/heads/data.lock", repository / "packed-refs.lock", own.root / ".tiny-abcd1234" / "HEAD"]
    left.append(repository / "objects/tmp_objdir-incoming-x1" / "pack")
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    own.start()
    assert not [path for path in left if path.exists()]
    ledger.commit("data", {"a": b"1"}, "More", parent=ledger.head("data"))


def test_a_second_server_of_the_same_folder_does_not_start(own: LedgerServer) -> None:
    second = LedgerServer(own.settings, own.folder)
    argv = [*own.process.args[:-3], str(second.port)]
    done = subprocess.run(
        argv,
        env=os.environ | {"EVERGREEN_LEDGER_USERS": str(own.folder / "users")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75, done.stderr
    assert "these ledgers" in done.stderr


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there is no ledger-tasks"),
        ({"ledger-tasks": secret("tasks"), "ledger-promoter": "username=x\n"}, "lacks a user name or a password"),
        ({"ledger-tasks": secret("tasks"), "ledger-promoter": secret("tasks")}, "have the same login"),
    ],
)
def test_without_two_logins_it_does_not_start(
    settings: Settings, tmp_path: Path, files: dict[str, str], words: str
) -> None:
    from pipelines.services.ledger_server import serve

    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=words):
        serve(settings, tmp_path / "root", tmp_path, "127.0.0.1", free_port(), lambda _: None)


def test_the_password_is_in_no_argument_log_or_configuration(own: LedgerServer) -> None:
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((path / name).read_bytes().decode(errors="replace"))
                    except OSError:
                        continue  # it has ended, or is somebody else's
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        settings = own.settings_of("tasks")
        for number in range(6):
            ledger = Ledger.open(settings, "tiny", create=True)
            ledger.commit("data", {"a": os.urandom(1 << 20), "n": b"%d" % number}, "More", parent=ledger.head("data"))
        with pytest.raises(ConfigError):
            Ledger.open(own.settings_of("promoter", "canary-that-is-wrong"), "tiny")
    finally:
        done.set()
        watcher.join()
    assert any("remote-http" in text for text in seen), "the sampling was quick enough to see Git at work"
    assert any("http-backend" in text for text in seen)
    written = [path for path in own.folder.rglob("*") if path.is_file() and path.parent.name != "users"]
    written = [path for path in written if not path.parent.name.startswith("secrets of")]
    assert any(path.name == "config" for path in written)
    told = [*seen, *(path.read_bytes().decode(errors="replace") for path in written)]
    for password in ("canary-of", "canary-that-is-wrong"):
        assert not [text[:200] for text in told if password in text]


def test_each_request_is_one_line_of_the_log(own: LedgerServer) -> None:
    Ledger.open(own.settings_of("tasks"), "tiny", create=True)
    lines = [line for line in own.log.read_text().splitlines() if "method=" in line]
    assert any("method=PUT path=/tiny.git user=tasks status=201" in line for line in lines)
    assert any("path=/tiny.git/info/refs user=- status=401" in line for line in lines)
    assert any("path=/tiny.git/git-upload-pack user=tasks status=200" in line for line in lines)
