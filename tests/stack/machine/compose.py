"""The compose project under test: brought up with an override for the images that cannot be pulled here.

PostgreSQL, S3 and Redis stay services of the project, with their names, networks and health checks, but are containers
that pass TCP on to the real servers of the host.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from stack.machine import forwarder
from stack.machine.dockerd import Dockerd
from stack.machine.place import ROOT, command, say, timed

SCRIPT = "/forwarder.py"


def stand_in(image: str, port: int, upstream: str, networks: list[str]) -> dict[str, Any]:
    """The service that listens on `port` and passes on to `upstream`; `outside` is how it reaches the host."""
    check = ["CMD", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"]
    return {
        "image": image,
        "entrypoint": ["python3", "-u", SCRIPT],
        "command": [str(port), upstream],
        "user": "65534:65534",
        "healthcheck": {"test": check, "interval": "5s", "timeout": "5s", "retries": 24},
        "volumes": [f"{forwarder.__file__}:{SCRIPT}:ro"],
        "networks": [*networks, "outside"],
    }


def impatient() -> dict[str, Any]:
    """Health checks for a machine that is waited for: what depends on these starts soon after they are up.

    The others keep the pace of the project: a look costs the engine a process.
    """
    often = {"healthcheck": {"interval": "3s", "retries": 120}}
    worker = {"healthcheck": {"interval": "20s", "retries": 10, "start_period": "5s"}}
    return {"mlflow": often, "airflow-api": often, "airflow-worker": worker}


@dataclass(frozen=True)
class Container:
    """A container of the engine, as `docker inspect` shows it."""

    found: dict[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.found["Id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.found["Name"]).lstrip("/")

    @property
    def pid(self) -> int:
        """Of its first process, on the host; 0 when it does not run."""
        return int(self.found["State"]["Pid"])

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return bool(self.found["State"]["Running"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.found["Config"]["Labels"] or {})


@dataclass
class Compose:
    """`docker-compose` for one project: the repository's file and an override, in an environment of its own."""

    docker: Dockerd
    project: str
    folder: Path
    variables: dict[str, str]
    profiles: tuple[str, ...] = ()

    @property
    def _ours(self) -> str:
        return f"com.docker.compose.project={self.project}"

    @property
    def override(self) -> Path:
        """The file that stands in for what cannot be pulled."""
        return self.folder / "override.yaml"

    def write(self, services: dict[str, Any]) -> None:
        """Write the override."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = {"version": "3.9", "services": services, "networks": {"outside": {}}}
        self.override.write_text(yaml.safe_dump(text, sort_keys=False))

    def up(self, *services: str, seconds: float = 600) -> None:
        """Start what is not running, in the order of its dependencies."""
        with timed(f"compose up {' '.join(services)}".rstrip()):
            self._compose("up", "--detach", "--no-build", *services, timeout=seconds)

    def down(self) -> None:
        """Remove the project's containers, networks and volumes, and what stages have left on its network."""
        with timed("compose down"):
            for left in tasks(self.docker):
                self.docker.docker("rm", "--force", left.id)
            # Of every profile: one that a test has chosen may have left its services.
            everything = replace(self, profiles=("celery",))
            everything._compose("down", "--volumes", "--remove-orphans", "--timeout", "3", timeout=300)

    def run(self, service: str, *argv: str, seconds: float = 300) -> str:
        """Run a command in a fresh container of a service."""
        return self._compose("run", "--rm", "-T", "--no-deps", service, *argv, timeout=seconds)

    def exec(self, service: str, *argv: str) -> str:
        """Run a command in a service's container."""
        client = self.docker.client
        made = client.exec_create(self.container(service).id, list(argv))
        said, complaints = client.exec_start(made, demux=True)
        code = client.exec_inspect(made)["ExitCode"]
        assert code == 0, f"{service} {' '.join(argv)[:200]} ended with {code}: {(complaints or b'')[-2000:].decode()}"
        return (said or b"").decode()

    def logs(self, service: str, lines: int = 40) -> str:
        """The end of what a service has written, both streams."""
        return written(self.docker, self.container(service), lines)

    def container(self, service: str) -> Container:
        """The container of a service."""
        found = containers(self.docker, label=[self._ours, f"com.docker.compose.service={service}"])
        assert found, f"service {service} has no container"
        return found[0]

    def containers(self) -> list[Container]:
        """All containers of the project, the stopped ones too."""
        return containers(self.docker, label=self._ours)

    def states(self) -> dict[str, str]:
        """Per service `healthy`, `starting`, `unhealthy`, or where it has no check its status, `exited (1)`."""
        found = {}
        for item in self.containers():
            state = item.found["State"]
            plain = state["Status"] if state["Running"] else f"{state['Status']} ({state['ExitCode']})"
            found[item.labels["com.docker.compose.service"]] = state.get("Health", {}).get("Status") or plain
        return found

    def settled(self) -> bool:
        """Whether every service is up and healthy, or has ended well."""
        return set(self.states().values()) <= {"healthy", "running", "exited (0)"}

    def report(self) -> None:
        """Say what is wrong where."""
        for service, state in self.states().items():
            if state not in ("healthy", "running", "exited (0)"):
                say(f"{service} is {state}: {self.logs(service)}")

    def _compose(self, *words: str, timeout: float) -> str:
        files = ("-f", str(ROOT / "docker-compose.yaml"), "-f", str(self.override))
        profiles = [word for name in self.profiles for word in ("--profile", name)]
        options = (*files, "--project-name", self.project, "--project-directory", str(ROOT), *profiles)
        env = self.docker.environment | self.variables | {"COMPOSE_HTTP_TIMEOUT": "300"}
        return command("docker-compose", "--ansi", "never", *options, *words, env=env, timeout=timeout)


def containers(docker: Dockerd, **filters: str | list[str]) -> list[Container]:
    """Containers that match, the stopped ones too: `containers(docker, id=..., label=[...])`."""
    from docker.errors import NotFound

    found = []
    for item in docker.client.containers(all=True, filters=filters):
        with suppress(NotFound):  # removed between the two questions
            found.append(Container(docker.client.inspect_container(item["Id"])))
    return found


def tasks(docker: Dockerd, **labels: str) -> list[Container]:
    """Containers of stages, the running and the stopped ones, by label: `tasks(docker, model="flights")`."""
    return containers(docker, label=["evergreen.task=1", *(f"evergreen.{name}={it}" for name, it in labels.items())])


def written(docker: Dockerd, container: Container, lines: int | None = None) -> str:
    """What a container has written so far, both streams, or the last `lines` of it; nothing once it is gone."""
    from docker.errors import NotFound

    with suppress(NotFound):
        return bytes(docker.client.logs(container.id, tail=lines or "all")).decode(errors="replace")
    return ""


def processes_of(docker: Dockerd, container: Container) -> dict[int, str]:
    """The processes of a container as the host sees them: pid and command line."""
    return {int(pid): words for pid, words in docker.client.top(container.id, "-eo pid,args")["Processes"]}
