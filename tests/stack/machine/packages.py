"""Debian's packages that the test machine is made of, installed where they are missing."""

from __future__ import annotations

import os
from pathlib import Path

from stack.machine.place import command, say, timed

NEEDED = {
    "docker.io": "/usr/sbin/dockerd",
    "iptables": "/usr/sbin/iptables",
    "iproute2": "/usr/sbin/ip",
    "docker-compose": "/usr/bin/docker-compose",
    "radosgw": "/usr/bin/radosgw",
    "ceph-mon": "/usr/bin/ceph-mon",
    "ceph-osd": "/usr/bin/ceph-osd",
    "ceph-common": "/usr/bin/ceph",
    "postgresql": "/usr/lib/postgresql",
    "redis-server": "/usr/bin/redis-server",
    "debootstrap": "/usr/sbin/debootstrap",
    "util-linux": "/usr/bin/setpriv",
}


def missing() -> list[str]:
    """Packages whose program is not there."""
    return [name for name, path in NEEDED.items() if not Path(path).exists()]


def install() -> None:
    """Install what is missing; nothing that is there is touched, and no service is started by the packages."""
    wanted = missing()
    if not wanted:
        return
    assert os.geteuid() == 0, f"root is needed to install {', '.join(wanted)}"
    say(f"installing {', '.join(wanted)} from Debian (one to three minutes)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with timed("packages"):
        command("apt-get", "update", "-qq", env=quiet, timeout=600)
        options = ("-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
        command("apt-get", "install", *options, *wanted, env=quiet, timeout=1800)
    assert not missing(), f"apt-get has installed them, yet {', '.join(missing())} cannot be found"
