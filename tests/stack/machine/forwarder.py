"""Stands in, as a container, for a server whose image cannot be pulled: passes TCP on to the real server on the host.

python3 forwarder.py 7070 10.213.0.1:9000
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

CHUNK = 64 << 10


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the end, and then the end."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side sees an error and no end of file."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve(port: int, host: str, upstream: int) -> None:
    """Forward every connection until stopped."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection(host, upstream)
        except OSError:
            reset(writer)
            return
        ways = [asyncio.ensure_future(copy(reader, ours)), asyncio.ensure_future(copy(theirs, writer))]
        done, waiting = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in waiting:
            way.cancel()
        lost = any(way.exception() for way in done)
        for side in (ours, writer):
            # What one side lost, the other must see as lost too, not as a tidy end.
            if lost:
                reset(side)
            side.close()

    server = await asyncio.start_server(one, "0.0.0.0", port, backlog=512)  # noqa: S104 - inside a container
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    there, _, number = sys.argv[2].rpartition(":")
    asyncio.run(serve(int(sys.argv[1]), there, int(number)))
