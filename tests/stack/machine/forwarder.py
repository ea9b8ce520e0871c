"""Stands in, as a container, for a server whose image cannot be pulled: passes TCP on to the real server on the host.

python3 forwarder.py 7070 10.213.0.1:9000
"""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from threading import Event, Thread

CHUNK = 256 << 10
# Closed like this, the other side sees an error and no end of file.
RESET = struct.pack("ii", 1, 0)


def copy(source: socket.socket, sink: socket.socket, lost: Event) -> None:
    """Pass bytes on until the end, and then the end; sets `lost` for a connection that was cut."""
    chunk = memoryview(bytearray(CHUNK))
    try:
        while size := source.recv_into(chunk):
            sink.sendall(chunk[:size])
        if not lost.is_set():
            sink.shutdown(socket.SHUT_WR)
    except OSError:
        # What one side lost, the other must see as lost too, not as a tidy end.
        lost.set()
        for side in (source, sink):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.shutdown(socket.SHUT_RD)  # wakes whoever reads of it


def connection(theirs: socket.socket, host: str, port: int) -> None:
    """Forward one connection until both ways have ended."""
    with theirs:
        try:
            ours = socket.create_connection((host, port))
        except OSError:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return
        with ours:
            lost = Event()
            for side in (theirs, ours):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = Thread(target=copy, args=(ours, theirs, lost))
            back.start()
            copy(theirs, ours, lost)
            back.join()


def serve(port: int, host: str, upstream: int) -> None:
    """Forward every connection until stopped: a thread a way, half the processor time that asyncio takes."""
    with socket.create_server(("0.0.0.0", port), backlog=512) as server:  # noqa: S104 - inside a container
        while True:
            theirs, _ = server.accept()
            Thread(target=connection, args=(theirs, host, upstream)).start()


if __name__ == "__main__":
    there, _, number = sys.argv[2].rpartition(":")
    serve(int(sys.argv[1]), there, int(number))
