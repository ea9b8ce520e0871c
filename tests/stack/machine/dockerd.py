"""A Docker engine of the tests' own, beside any other of the machine: it is there to be killed.

It has its own socket, storage, containerd namespace and bridge, and leaves the machine's packet filter alone but for
two rules between its own networks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stack.machine.place import BRIDGE, NETWORKS, Keeper, attempt, command, timed, wait_for

if TYPE_CHECKING:
    from docker import APIClient

POOL = "10.213.128.0/17"
# Within a network containers reach each other, from one network to another they do not.
WITHIN = ("-m", "physdev", "--physdev-is-bridged", "-s", NETWORKS, "-d", NETWORKS, "-j", "ACCEPT")
BETWEEN = ("-s", NETWORKS, "-d", NETWORKS, "-j", "DROP")


@dataclass
class Dockerd:
    """The engine. Its storage outlives the session, so that images are not built anew each time."""

    keeper: Keeper

    @property
    def root(self) -> Path:
        """Storage, sockets and state."""
        return self.keeper.root / "engine"

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.root / 'docker.sock'}"

    def start(self) -> None:
        """Start it, or start it again after a kill; ready when it answers."""
        with timed("Docker engine"):
            self.root.mkdir(exist_ok=True)
            (self.root / "docker.pid").unlink(missing_ok=True)
            self._filter()
            options = {
                "host": self.address,
                "data-root": self.root / "data",
                "exec-root": self.root / "exec",
                "pidfile": self.root / "docker.pid",
                "bridge": BRIDGE,
                "iptables": "false",
                "ip6tables": "false",
                "ip-masq": "false",
                "default-address-pool": f"base={POOL},size=24",
                "containerd-namespace": "evergreen-test",
                "containerd-plugins-namespace": "evergreen-test-plugins",
            }
            self.keeper.start("dockerd", ["dockerd", *(f"--{name}={value}" for name, value in options.items())])
            wait_for(lambda: self.keeper.require("dockerd") and self._answers(), "the Docker engine answers", 60)

    def kill(self) -> None:
        """SIGKILL for the engine alone; its containerd and the containers live on."""
        self.keeper.kill("dockerd")

    def clear(self) -> None:
        """Remove the two rules."""
        for rule in (WITHIN, BETWEEN):
            attempt("iptables", "-D", "FORWARD", *rule)

    @property
    def group(self) -> int:
        """The group that may speak to it."""
        return Path(self.address.removeprefix("unix://")).stat().st_gid

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Docker's own programs talk to this engine."""
        return os.environ | {"DOCKER_HOST": self.address}

    @cached_property
    def client(self) -> APIClient:
        """For what is asked again and again: a `docker` command takes a tenth of a second of processor time."""
        from docker import APIClient

        return APIClient(self.address, version="auto", timeout=300)

    def docker(self, *words: str | Path, timeout: float = 300) -> str:
        """The output of a `docker` command against this engine."""
        return command("docker", *words, env=self.environment, timeout=timeout)

    def _answers(self) -> bool:
        return attempt("docker", "version", env=self.environment).returncode == 0

    def _filter(self) -> None:
        self.clear()
        command("iptables", "-I", "FORWARD", *BETWEEN)
        command("iptables", "-I", "FORWARD", *WITHIN)
