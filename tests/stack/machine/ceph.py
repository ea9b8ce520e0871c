"""A real S3 server from Debian's packages: one Ceph monitor, one storage daemon in memory, one RADOS gateway."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.machine.place import GATEWAY, Keeper, attempt, command, free_port, listening, timed, wait_for

MEMORY = 4 << 30
CONF = """[global]
fsid = {fsid}
# Without authentication the gateway of version 16 cannot speak the newer protocol.
mon host = v1:127.0.0.1:{mon}
ms bind msgr2 = false
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
run dir = {root}/run
admin socket = {root}/run/$name.asok
log file = {root}/log/$name.log
log to stderr = false
mon data = {root}/mon
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
osd data = {root}/osd
osd objectstore = memstore
memstore device bytes = {memory}
osd pool default size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd class update on start = false
osd crush update on start = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1

[client.gateway]
rgw data = {root}/rgw
rgw frontends = beast endpoint={host}:{port}
rgw thread pool size = 32
rgw enable usage log = false
rgw dynamic resharding = false
# With its cache a gateway that follows a killed one waits half a minute for the dead one at each change of a bucket.
rgw cache enabled = false
"""


@dataclass
class Ceph:
    """S3 at `endpoint`. The bytes live in the storage daemon: killing the gateway alone loses none."""

    keeper: Keeper
    host: str = GATEWAY
    port: int = 0

    @property
    def root(self) -> Path:
        """Configuration, monitor's database and logs."""
        return self.keeper.root / "ceph"

    @property
    def endpoint(self) -> str:
        """Where the gateway listens."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """A new, empty cluster."""
        with timed("Ceph: monitor, storage daemon and S3 gateway"):
            shutil.rmtree(self.root, ignore_errors=True)
            for name in ("run", "log", "mon", "osd", "rgw"):
                (self.root / name).mkdir(parents=True)
            self.port = self.port or free_port()
            fsid, mon = str(uuid.uuid4()), free_port()
            conf = CONF.format(fsid=fsid, mon=mon, root=self.root, host=self.host, port=self.port, memory=MEMORY)
            (self.root / "ceph.conf").write_text(conf)
            self._monitor(fsid, mon)
            self._storage()
            self.start_gateway()

    def start_gateway(self) -> None:
        """The gateway, for the first time or again; ready when it answers."""
        self._daemon("ceph-gateway", "radosgw", "-n", "client.gateway", "-f")
        wait_for(
            lambda: self.keeper.require("ceph-gateway") and listening(self.host, self.port),
            "the S3 gateway answers",
            60,
        )

    def kill_gateway(self) -> None:
        """SIGKILL: requests under way are cut off, stored bytes stay."""
        self.keeper.kill("ceph-gateway")

    def user(self, name: str, key: str, secret: str) -> None:
        """A user with these keys."""
        keys = ("--access-key", key, "--secret-key", secret)
        self._run(
            "radosgw-admin", "-n", "client.gateway", "user", "create", "--uid", name, "--display-name", name, *keys
        )

    def _monitor(self, fsid: str, port: int) -> None:
        self._run(
            "monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{port}]", "--fsid", fsid, self.root / "monmap"
        )
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.root / "monmap")
        self._daemon("ceph-mon", "ceph-mon", "-i", "a", "-f")
        wait_for(lambda: self.keeper.require("ceph-mon") and listening("127.0.0.1", port), "Ceph's monitor answers", 60)

    def _storage(self) -> None:
        number = str(uuid.uuid4())
        made = self._ceph("osd", "new", number).strip()
        self._run("ceph-osd", "-i", made, "--mkfs", "--osd-uuid", number, "--no-mon-config")
        self._daemon("ceph-osd", "ceph-osd", "-i", made, "-f")
        self._ceph("osd", "crush", "add", f"osd.{made}", "1.0", "root=default")
        wait_for(lambda: self._osds()["num_up_osds"] == 1, "Ceph's storage daemon is up", 60)

    def _osds(self) -> dict[str, Any]:
        self.keeper.require("ceph-osd")
        found: dict[str, Any] = json.loads(self._ceph("osd", "stat", "-f", "json"))
        return found.get("osdmap", found)

    def _ceph(self, *words: str) -> str:
        # A monitor that has just come up sometimes answers EPERM; all that is asked here may be repeated.
        conf = ("-c", self.root / "ceph.conf", "--connect-timeout", "20")
        deadline = time.monotonic() + 30
        while (done := attempt("ceph", *conf, *words)).returncode:
            time.sleep(0.5)
            assert time.monotonic() < deadline, f"ceph {' '.join(words)}: {done.stderr}"
        return done.stdout

    def _run(self, program: str, *words: str | Path) -> str:
        return command(program, "-c", self.root / "ceph.conf", *words, timeout=90)

    def _daemon(self, name: str, program: str, *words: str) -> None:
        self.keeper.start(name, [program, "-c", self.root / "ceph.conf", *words])
