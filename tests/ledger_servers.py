"""A real ledger server in a process of its own, on loopback, and the settings of those who speak to it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

import stories

from pipelines.config.settings import Settings

PASSWORDS = {"tasks": "canary-of-tasks-5f1c", "promoter": "canary-of-promoter-9b27"}


def secret(role: str, password: str | None = None) -> str:
    """A login as its file holds it."""
    return f"username={role}\npassword={password or PASSWORDS[role]}\n"


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class LedgerServer:
    """The server of the ledgers in `served`, else in `folder / "served"`; `log` holds all it says."""

    settings: Settings
    folder: Path
    served: Path | None = None
    limit_mb: int = 100
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.served or self.folder / "served"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        users = self.folder / "users"
        users.mkdir(parents=True, exist_ok=True)
        for role in PASSWORDS:
            (users / f"ledger-{role}").write_text(secret(role))
        argv = [stories.EVERGREEN, "serve-ledgers", "--root", str(self.root), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, "--limit-mb", str(self.limit_mb)],
                env=stories.environment(self.settings) | {"EVERGREEN_LEDGER_USERS": str(users)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while self.status("GET", "/healthz") != 200:
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """End it; the seconds that took."""
        began = time.monotonic()
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None
        return time.monotonic() - began

    def status(self, method: str, path: str, role: str = "", password: str = "") -> int:
        """The status of the answer to a request; 0: there was none."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        if role:
            import base64

            token = base64.b64encode(f"{role}:{password or PASSWORDS[role]}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def settings_of(self, role: str, password: str | None = None, home: str = "") -> Settings:
        """Settings that reach this server as `role`, with mirrors and workspaces of their own."""
        secrets = self.folder / f"secrets of {role}{'' if password is None else ', wrong'}"
        secrets.mkdir(exist_ok=True)
        (secrets / "ledger").write_text(secret(role, password))
        place = self.folder / f"home-{role}{home}"
        return replace(self.settings, home=place, ledgers=self.url, secrets=secrets)
