"""Single stages in containers, made by the plugin's own runtime on this machine's engine, without Airflow between."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from stack.machine.compose import Container, containers
from stack.machine.place import ROOT, attempt, say, wait_for
from stack.machine.stack import Stack

from pipelines.config import settings as configuration
from pipelines.config.resources import Allowance
from pipelines.config.settings import Settings

FILLER = "/evergreen/filler"


@dataclass
class Stages:
    """Runs stages of one run on a small volume of its own, which `filled` fills up."""

    stack: Stack
    model: str
    run: str
    volume: str
    megabytes: int
    said: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The scheduler's settings, but for the volume and the way to the engine."""
        known = self.stack.compose.container("airflow-scheduler").found["Config"]["Env"]
        theirs = configuration.load(dict(item.split("=", 1) for item in known))
        place = replace(theirs.containers, volume=self.volume, engine=self.stack.docker.address)
        return replace(theirs, containers=place)

    def perform(self, stage: str, params: dict[str, Any] | None = None, **limits: Any) -> Any:
        """One try of a stage; its `Outcome`."""
        sys.path.append(str(ROOT / "plugins"))
        from docker import APIClient
        from evergreen_container import ContainerRuntime
        from evergreen_engine import Engine
        from evergreen_runtime import Job

        argv = ["stage", stage, "--model", self.model, "--run", self.run]
        argv += ["--params", json.dumps(params)] if params else []
        allowed = replace(Allowance(), **limits)
        name, deadline = f"evergreen-{self.model}-{stage}-limits", int(time.time()) + 600
        job = Job(self.model, stage, self.run, argv, name, 1, deadline, allowed)
        client = APIClient(self.stack.docker.address, version="auto", timeout=30)
        try:
            self.said.clear()
            outcome = ContainerRuntime(Engine(client, self.stack.docker.address), self.settings).run(
                job, self.said.append
            )
        finally:
            client.close()
        say(f"{self.model} {stage} {limits or ''}: {outcome.code} {outcome.error}")
        return outcome

    @contextmanager
    def filled(self, holder: Container, left_kilobytes: int) -> Iterator[None]:
        """The volume filled up until so much is left."""
        self._inside(
            holder,
            f"dd if=/dev/zero of={FILLER} bs=1k count=1048576 2>/dev/null; sync; "
            f"truncate -s -{left_kilobytes}k {FILLER}",
        )
        try:
            yield
        finally:
            self._inside(holder, f"rm -f {FILLER}")

    def _inside(self, holder: Container, script: str) -> None:
        done = attempt("docker", "exec", holder.id, "sh", "-c", script, env=self.stack.docker.environment)
        assert done.returncode == 0, done.stderr


@contextmanager
def small_volume(stack: Stack, name: str, megabytes: int) -> Iterator[Container]:
    """A volume in memory of that size, with the stages' secrets; it lasts as long as the container that holds it."""
    docker = stack.docker
    options = ("type=tmpfs", "device=tmpfs", f"o=size={megabytes}m,uid=10001,gid=10001,mode=0750")
    docker.docker("volume", "create", *(word for option in options for word in ("--opt", option)), name)
    scheduler = stack.compose.container("airflow-scheduler")
    known = configuration.load(dict(item.split("=", 1) for item in scheduler.found["Config"]["Env"])).containers
    mounts = ("--volume", f"{name}:/evergreen", "--volume", f"{known.volume}:/theirs:ro")
    argv = ("sh", "-c", "cp -a /theirs/secrets /evergreen/secrets && exec sleep 3600")
    image = str(known.image)
    made = docker.docker("run", "--detach", "--init", *mounts, "--entrypoint", argv[0], image, *argv[1:]).strip()
    try:
        test = ("docker", "exec", made, "test", "-f", "/evergreen/secrets/ledger")
        wait_for(lambda: attempt(*test, env=docker.environment).returncode == 0, "the small volume has its secrets", 30)
        yield containers(docker, id=made)[0]
    finally:
        docker.docker("rm", "--force", made)
        docker.docker("volume", "rm", name)
