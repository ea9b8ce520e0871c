"""Ports: is one free, who holds it, and does anything of ours listen where others could reach it?"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import psutil

from pipelines.errors import ConfigError

LOOPBACK = "127.0.0.1"


def require_free(port: int, setting: str) -> None:
    """Raises ConfigError, naming port, holder and setting, when `port` of loopback is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise ConfigError(
                f"port {port} is taken{_holder(port)}",
                where=setting,
                remedy=f"stop that process, or set {setting} to a free port",
            ) from None


def exposed(processes: Iterable[psutil.Process]) -> list[str]:
    """Every listening socket of `processes` that is not on loopback, as `address:port by name (pid)`."""
    found = []
    for process in processes:
        for address, port in _listening(process):
            if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
                found.append(f"{address}:{port} by {_name(process)} (pid {process.pid})")
    return found


def _listening(process: psutil.Process) -> list[tuple[str, int]]:
    try:
        connections = process.net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return []
    udp = [item for item in connections if item.type == socket.SOCK_DGRAM and not item.raddr]
    tcp = [item for item in connections if item.status == psutil.CONN_LISTEN]
    return [(item.laddr.ip, item.laddr.port) for item in tcp + udp if item.laddr]


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="inet")
    except psutil.AccessDenied:
        return ""
    for item in connections:
        if item.status == psutil.CONN_LISTEN and item.laddr and item.laddr.port == port and item.pid:
            return f" by process {item.pid} ({_name(psutil.Process(item.pid))})"
    return ""


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return "ended meanwhile"
