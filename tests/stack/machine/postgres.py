"""A real PostgreSQL from Debian's packages, run as the user `postgres` in a folder of its own."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from stack.machine.place import GATEWAY, NETWORKS, Keeper, attempt, command, free_port, timed, wait_for

# Speed is worth more than surviving a power cut here: nothing of this cluster outlives the session.
OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")


@dataclass
class Postgres:
    """PostgreSQL on the bridge's address and on loopback; everybody but root's own psql needs a password."""

    keeper: Keeper
    host: str = GATEWAY
    port: int = 0

    @property
    def root(self) -> Path:
        """Cluster, socket and configuration."""
        return self.keeper.root / "postgres"

    def start(self, password: str) -> None:
        """A new, empty cluster whose superuser has this password."""
        with timed("PostgreSQL"):
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir()
            shutil.chown(self.root, "postgres", "postgres")
            self.port = self.port or free_port()
            data = self.root / "data"
            command(*AS_POSTGRES, self._program("initdb"), "-D", data, "--auth=peer", "--encoding=UTF8", "--no-locale")
            # Ours is the cluster alone, so its superuser may come by the socket.
            (data / "pg_hba.conf").write_text(
                f"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all {NETWORKS} scram-sha-256\n"
            )
            addresses = f"127.0.0.1,{self.host}"
            settings = OPTIONS | {"listen_addresses": addresses, "unix_socket_directories": str(self.root)}
            words = [f"--{name}={value}" for name, value in settings.items()]
            self.keeper.start(
                "postgres", [*AS_POSTGRES, self._program("postgres"), "-D", data, "-p", str(self.port), *words]
            )
            wait_for(lambda: self.keeper.require("postgres") and self._ready(), "PostgreSQL answers", 60)
            self._psql("postgres", f"alter role postgres password '{password}'")

    def role(self, name: str, password: str) -> None:
        """A role that may log in."""
        quoted = password.replace("'", "''")
        self._psql("postgres", f"create role \"{name}\" login password '{quoted}'")

    def database(self, name: str, owner: str) -> None:
        """Database `name`, owned by that role."""
        self._psql("postgres", f'create database "{name}" owner "{owner}"')

    def query(self, database: str, sql: str) -> list[list[str]]:
        """The rows of a question, as text."""
        return [line.split("\x1f") for line in self._psql(database, sql).splitlines() if line]

    def dump(self, database: str) -> str:
        """Everything in a database, as text."""
        where = ("-h", str(self.root), "-p", str(self.port), "-U", "postgres")
        return command(self._program("pg_dump"), *where, database)

    def _psql(self, database: str, sql: str) -> str:
        options = ("-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1")
        where = ("-h", str(self.root), "-p", str(self.port), "-U", "postgres", "-d", database)
        return command(self._program("psql"), *options, *where, "-f", "-", input=sql)

    def _ready(self) -> bool:
        where = ("-h", str(self.root), "-p", str(self.port))
        return attempt(self._program("pg_isready"), *where).returncode == 0

    @staticmethod
    def _program(name: str) -> Path:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
        assert versions, "there is no PostgreSQL below /usr/lib/postgresql"
        return versions[-1].with_name(name)


@dataclass
class Redis:
    """Redis on the bridge's address, with a password from a file."""

    keeper: Keeper
    host: str = GATEWAY
    port: int = 0

    def start(self, password: str) -> None:
        """An empty one, kept in memory."""
        self.port = self.port or free_port()
        conf = self.keeper.root / "redis.conf"
        handle = os.open(conf, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f'bind {self.host}\nport {self.port}\nsave ""\nappendonly no\nrequirepass {password}\n')
        self.keeper.start("redis", ["redis-server", conf])
        ask = ("redis-cli", "-h", self.host, "-p", str(self.port), "ping")
        wait_for(lambda: self.keeper.require("redis") and attempt(*ask).returncode == 0, "Redis answers", 20)
