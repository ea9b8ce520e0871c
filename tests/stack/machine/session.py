"""All servers of one test session, started together and stopped together."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.machine import fault_proxy, packages, place
from stack.machine.ceph import Ceph
from stack.machine.dockerd import Dockerd
from stack.machine.place import GATEWAY, Keeper, beside, free_port, listening, wait_for
from stack.machine.postgres import Postgres, Redis

from pipelines.services import stack_secrets


@dataclass(frozen=True)
class Keys:
    """A login to S3."""

    key: str
    secret: str = field(repr=False)


@dataclass
class Faults:
    """The proxy through which containers reach S3."""

    keeper: Keeper
    port: int
    control: int

    @classmethod
    def start(cls, keeper: Keeper, ceph: Ceph) -> Faults:
        """Start it; nothing misbehaves until told so."""
        made = cls(keeper, free_port(), free_port())
        places = ("--listen", f"{GATEWAY}:{made.port}", "--upstream", f"{ceph.host}:{ceph.port}")
        control = ("--control", f"127.0.0.1:{made.control}")
        keeper.start("s3-faults", [sys.executable, "-I", fault_proxy.__file__, *places, *control])
        wait_for(lambda: keeper.require("s3-faults") and listening(GATEWAY, made.port), "the fault proxy answers", 20)
        return made

    @property
    def endpoint(self) -> str:
        """S3 through the proxy, from the host and from containers."""
        return f"http://{GATEWAY}:{self.port}"

    def set(self, mode: str, **rule: Any) -> None:
        """Put a rule in force; see `fault_proxy.Rule`."""
        self.set_all([{"mode": mode, **rule}])

    def set_all(self, rules: Sequence[dict[str, Any]]) -> None:
        """Put several in force at once: a request meets the first that wants it."""
        fault_proxy.ask(("127.0.0.1", self.control), *rules)

    def counts(self) -> dict[str, Any]:
        """Requests seen, faults given (all, and by mode) and requests held since the rules were set."""
        return fault_proxy.ask(("127.0.0.1", self.control))

    @contextmanager
    def during(self, mode: str, **rule: Any) -> Iterator[None]:
        """The rule while the block runs, and none after it."""
        self.set(mode, **rule)
        try:
            yield
        finally:
            self.set("pass")


@dataclass
class Machine:
    """What the stack stands on: an engine, S3 behind a fault proxy, PostgreSQL and Redis. All real."""

    keeper: Keeper
    docker: Dockerd
    ceph: Ceph
    faults: Faults
    postgres: Postgres
    redis: Redis
    keys: Keys
    secrets: dict[str, str] = field(repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def s3(self, endpoint: str = "") -> Any:
        """A client of S3 that threads may share, past the fault proxy unless `endpoint` says otherwise."""
        where = endpoint or self.ceph.endpoint
        if where not in self._clients:
            self._clients[where] = self._client(where)
        return self._clients[where]

    def _client(self, endpoint: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=self.keys.key,
            aws_secret_access_key=self.keys.secret,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, max_pool_connections=16),
        )


@contextmanager
def engine(root: Path) -> Iterator[Dockerd]:
    """The packages and a Docker engine, and nobody else on this machine; stopped at the end, by process id.

    Whoever starts more with the engine's keeper has it stopped then, too.
    """
    with ExitStack() as stack:
        stack.enter_context(place.alone(root))
        packages.install()
        place.bridge_up()
        stack.callback(place.bridge_down)
        keeper = Keeper.fresh(root)
        stack.callback(keeper.stop_all)
        docker = Dockerd(keeper)
        docker.start()
        stack.callback(docker.clear)
        yield docker


@contextmanager
def running(root: Path, prepare: Callable[[Dockerd], None]) -> Iterator[Machine]:
    """The machine, from its packages to the last server; everything is stopped at the end.

    `prepare` has the engine to itself while the other servers start.
    """
    with engine(root) as docker:
        keeper = docker.keeper
        ceph, postgres, redis = Ceph(keeper), Postgres(keeper), Redis(keeper)
        secrets = canaries(root / "secrets")
        keys = Keys(secrets["s3-access-key"], secrets["s3-secret-key"])

        def storage() -> None:
            ceph.start()
            ceph.user("evergreen", keys.key, keys.secret)

        def databases() -> None:
            postgres.start(secrets["postgres"])
            redis.start(secrets["redis"])

        beside(storage, databases, lambda: prepare(docker))
        yield Machine(keeper, docker, ceph, Faults.start(keeper, ceph), postgres, redis, keys, secrets)


def canaries(folder: Path) -> dict[str, str]:
    """The secrets of the stack, made anew for each session: whoever finds one of them anywhere has found a leak."""
    shutil.rmtree(folder, ignore_errors=True)
    stack_secrets.ensure(folder)
    return {name: stack_secrets.read(folder, name) for name in stack_secrets.NAMES}
