"""An HTTP proxy between the tasks and S3 that can be told to misbehave. A process of its own; needs nothing but Python.

    python fault_proxy.py --listen 10.213.0.1:9000 --upstream 10.213.0.1:7480 --control 127.0.0.1:9001

Every connection carries one request: the proxy asks both sides to close after it. Rules decide what becomes of a
request, the first that takes it; the control port takes one JSON line, the list of rules, and answers with one.

| mode | a matching request |
|---|---|
| pass | reaches the server |
| error | is answered `status` (503 SlowDown) without reaching it |
| reset | is cut off by a TCP reset, after the server has taken it but before its answer is through |
| truncate | gets a body that ends early |
| blackout | is cut off at once; nothing reaches the server |
| hold | waits, before it reaches the server, until the rule changes |
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import struct
import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any

HEAD_LIMIT = 64 << 10
CHUNK = 64 << 10
DRAIN_SECONDS = 5.0
ERROR_BODY = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code><Message>by the test</Message></Error>"
_CLOSE = re.compile(rb"\r\n(connection|keep-alive):[^\r]*", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """Which requests misbehave, and how: `share` of those whose method and path match, at most `limit`, for `seconds`.

    `limit` and `seconds` 0: without bound. `upto` bytes of a body get through before it is cut.
    """

    mode: str = "pass"
    method: str = ""
    path: str = ""
    share: float = 1.0
    limit: int = 0
    seconds: float = 0.0
    status: int = 503
    upto: int = 512
    seed: int = 0


@dataclass
class State:
    """The rules in force, and what has happened since they were set: `given` counts each rule's faults."""

    rules: tuple[Rule, ...] = ()
    since: float = field(default_factory=time.monotonic)
    chances: tuple[random.Random, ...] = ()
    given: list[int] = field(default_factory=list)
    requests: int = 0
    holding: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, rules: tuple[Rule, ...]) -> None:
        """Put `rules` in force; whoever is held goes on."""
        self.rules, self.since = rules, time.monotonic()
        self.chances = tuple(random.Random(rule.seed) for rule in rules)  # noqa: S311
        self.requests, self.given = 0, [0] * len(rules)
        self.changed.set()
        self.changed = asyncio.Event()

    def verdict(self, method: str, path: str) -> Rule:
        """The rule that takes this request, which is counted."""
        self.requests += 1
        for number, rule in enumerate(self.rules):
            spent = rule.limit and self.given[number] >= rule.limit
            other = (rule.method and rule.method != method) or not re.search(rule.path, path)
            if rule.mode == "pass" or self.over(rule) or spent or other:
                continue
            if self.chances[number].random() < rule.share:
                self.given[number] += 1
                return rule
        return Rule()

    def over(self, rule: Rule) -> bool:
        """Whether its time has passed."""
        return bool(rule.seconds) and time.monotonic() - self.since > rule.seconds

    def dark(self) -> bool:
        """Whether a blackout without conditions is on: not even connections that exist go on then."""
        everything = [rule for rule in self.rules if rule.mode == "blackout" and not rule.method and not rule.path]
        return any(not self.over(rule) for rule in everything)

    def counts(self) -> dict[str, Any]:
        """What has happened, for the control port."""
        modes = [rule.mode for rule in self.rules]
        return {
            "requests": self.requests,
            "faults": sum(self.given),
            "by_mode": dict(zip(modes, self.given, strict=True)),
            "holding": self.holding,
        }


@dataclass
class Proxy:
    """One client connection after the other, each to `upstream`."""

    host: str
    port: int
    state: State = field(default_factory=State)
    tasks: set[Any] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its request to its end."""
        task = asyncio.current_task()
        self.tasks.add(task)  # once a connection is reset, asyncio itself no longer holds on to its task
        try:
            await self._request(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            reset(writer)  # either side has gone away: the other learns it the hard way
        finally:
            self.tasks.discard(task)
            writer.close()

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A list of JSON objects sets the rules, `[]` leaves them; the answer tells rules and counts."""
        line = await reader.readline()
        given: list[dict[str, Any]] = json.loads(line or b"[]")
        if given:
            self.state.set(tuple(Rule(**rule) for rule in given))
        rules = [asdict(rule) for rule in self.state.rules]
        writer.write(json.dumps({"rules": rules, **self.state.counts()}).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return  # a health check: connected, asked nothing, gone
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        rule = self.state.verdict(method, path)
        if rule.mode == "hold":
            await self._hold(writer)
        if rule.mode == "blackout":
            reset(writer)
        elif rule.mode == "error":
            await refuse(reader, writer, head, rule.status)
        else:
            await self._forward(reader, writer, head, rule)

    async def _hold(self, writer: asyncio.StreamWriter) -> None:
        changed = self.state.changed
        self.state.holding += 1
        try:
            while not changed.is_set() and not writer.is_closing():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), 0.5)
        finally:
            self.state.holding -= 1

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, rule: Rule
    ) -> None:
        theirs, ours = await asyncio.open_connection(self.host, self.port, limit=HEAD_LIMIT)
        try:
            ours.write(closing(head))
            sending = asyncio.ensure_future(self._pipe(reader, ours))
            try:
                await self._answer(theirs, writer, rule)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            ours.close()

    async def _answer(self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter, rule: Rule) -> None:
        head = await theirs.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            writer.write(head)
            await writer.drain()
            head = await theirs.readuntil(b"\r\n\r\n")
        if rule.mode == "reset":
            reset(writer)
            return
        writer.write(closing(head))
        await self._pipe(theirs, writer, rule.upto if rule.mode == "truncate" else None)

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, upto: int | None = None) -> None:
        while chunk := await source.read(CHUNK if upto is None else min(CHUNK, upto)):
            if self.state.dark():
                raise ConnectionResetError("blackout")
            target.write(chunk)
            await target.drain()
            if upto is not None:
                upto -= len(chunk)
                if not upto:
                    return


def closing(head: bytes) -> bytes:
    """The same head, asking for the connection to end with this exchange; signatures leave that header out."""
    return _CLOSE.sub(b"", head)[:-2] + b"Connection: close\r\n\r\n"


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, status: int) -> None:
    """Answer with an error, once the body is in or, where the client waits to be asked for it, at once."""
    length = _LENGTH.search(head)
    if length and b"100-continue" not in head.lower():
        left, deadline = int(length[1]), time.monotonic() + DRAIN_SECONDS
        while left and time.monotonic() < deadline:
            left -= len(await asyncio.wait_for(reader.read(min(CHUNK, left)), DRAIN_SECONDS)) or left
    words = f"HTTP/1.1 {status} Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {len(ERROR_BODY)}\r\n"
    writer.write(words.encode() + b"Connection: close\r\n\r\n" + (b"" if head.startswith(b"HEAD") else ERROR_BODY))
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by a reset, so that the other side sees an error and no end of file."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def address(text: str) -> tuple[str, int]:
    """`host:port`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main(listen: tuple[str, int], upstream: tuple[str, int], control: tuple[str, int]) -> None:
    """Serve until stopped."""
    proxy = Proxy(*upstream)
    await asyncio.start_server(proxy.control, *control)
    server = await asyncio.start_server(proxy.serve, *listen, limit=HEAD_LIMIT, backlog=512)
    async with server:
        await server.serve_forever()


def ask(control: tuple[str, int], *rules: dict[str, Any]) -> dict[str, Any]:
    """Put rules in force (none: leave those that are) and return rules and counts."""
    unknown = {name for rule in rules for name in rule} - {item.name for item in fields(Rule)}
    assert not unknown, f"a rule has no {unknown}"
    with socket.create_connection(control, timeout=10) as line:
        line.sendall(json.dumps(rules).encode() + b"\n")
        with line.makefile("rb") as answer:
            found: dict[str, Any] = json.loads(answer.readline())
            return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("listen", "upstream", "control"):
        parser.add_argument(f"--{name}", required=True, type=address)
    given = parser.parse_args()
    asyncio.run(main(given.listen, given.upstream, given.control))
