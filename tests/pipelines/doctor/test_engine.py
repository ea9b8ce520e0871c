"""Docker's engine, played by a small server on a socket and on a port; Kubernetes, which is not asked."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from small_servers import handler

from pipelines.config.settings import Runtime, Settings
from pipelines.doctor import engine
from pipelines.doctor.base import Mark
from pipelines.doctor.run import run

IMAGE = "registry:5000/evergreen-tasks:local"
THINGS = {
    f"/images/{IMAGE}/json",
    "/networks/evergreen-tasks",
    "/volumes/evergreen-tasks",
    "/volumes/evergreen-promote",
}


@dataclass
class Engine:
    """What is there, and the status of questions about anything else."""

    things: set[str] = field(default_factory=lambda: set(THINGS))
    otherwise: int = 404

    def __call__(self, request, _):
        if request.path == "/version":
            return 200, {}, b'{"Version": "20.10.24"}'
        return (200 if request.path in self.things else self.otherwise), {}, b"{}"


@pytest.fixture
def fake() -> Engine:
    return Engine()


@pytest.fixture
def docker(settings: Settings, fake: Engine, tmp_path: Path) -> Iterator[Settings]:
    """Settings that run stages in Docker, on an engine behind a socket."""
    server = type("Unix", (socketserver.ThreadingUnixStreamServer,), {"daemon_threads": True})(
        str(tmp_path / "docker.sock"), handler(fake)
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield replace(
        settings,
        runtime=Runtime.DOCKER,
        containers=replace(settings.containers, image=IMAGE, engine=f"unix://{tmp_path}/docker.sock"),
    )
    server.shutdown()
    server.server_close()
    thread.join()


def told(settings: Settings):
    return run(engine.checks(settings), [].append).results[0]


def test_all_is_there(docker: Settings) -> None:
    found = told(docker)
    assert found.mark is Mark.OK, found
    assert "Docker 20.10.24" in found.found
    assert told(replace(docker, runtime=Runtime.AUTO)).mark is Mark.OK


@pytest.mark.parametrize("thing", sorted(THINGS))
def test_what_is_missing_is_named(docker: Settings, fake: Engine, thing: str) -> None:
    fake.things.remove(thing)
    found = told(docker)
    assert (found.mark, found.passing) == (Mark.FAIL, False)
    name = IMAGE if "/images/" in thing else thing.rpartition("/")[2]
    assert f"{name} at unix://" in found.found


def test_without_its_image_auto_runs_processes(docker: Settings, fake: Engine) -> None:
    fake.things.clear()
    found = told(replace(docker, runtime=Runtime.AUTO))
    assert (found.mark, found.found.endswith("stages run as processes")) == (Mark.WARN, True)


def test_a_proxy_that_tells_of_the_image_alone(docker: Settings, fake: Engine, serve) -> None:
    fake.things, fake.otherwise = {f"/images/{IMAGE}/json"}, 403
    address = serve(fake).replace("http", "tcp")
    found = told(replace(docker, containers=replace(docker.containers, engine=address)))
    assert found.mark is Mark.OK
    assert "does not tell of network evergreen-tasks, volume" in found.found


def test_an_engine_that_does_not_answer(docker: Settings, tmp_path: Path) -> None:
    away = replace(docker, containers=replace(docker.containers, engine=f"unix://{tmp_path}/nothing.sock"))
    assert (told(away).mark, told(away).passing) == (Mark.FAIL, True)
    found = told(replace(away, runtime=Runtime.AUTO))
    assert (found.mark, "stages run as processes" in found.found) == (Mark.WARN, True)


def test_an_engine_that_is_ill_or_none(docker: Settings, fake: Engine, serve) -> None:
    fake.things, fake.otherwise = set(), 500
    assert told(docker).passing
    page = serve(lambda *_: (200, {}, b"<html>"))
    for address in (page, "ssh://host"):
        found = told(replace(docker, containers=replace(docker.containers, engine=address)))
        assert (found.mark, found.passing) == (Mark.FAIL, False)
    assert "names no image" in told(replace(docker, containers=replace(docker.containers, image=None))).found


def test_processes_ask_nothing(settings: Settings, docker: Settings) -> None:
    assert engine.checks(settings) == engine.checks(replace(docker, runtime=Runtime.PROCESS)) == []


def test_kubernetes_says_what_it_does_not_know(settings: Settings, monkeypatch) -> None:
    cluster = replace(settings, runtime=Runtime.KUBERNETES)
    found = told(cluster)
    assert (found.mark, "the cluster is not asked" in found.found) == (Mark.WARN, True)
    assert "-n evergreen" in found.remedy

    def absent(name: str) -> str:
        raise engine.PackageNotFoundError(name)

    monkeypatch.setattr(engine, "version", absent)
    assert told(cluster).mark is Mark.FAIL
