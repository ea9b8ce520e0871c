"""What a request to the ledger server may be: its target, and a body that is bounded and never held in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from io import BufferedIOBase

from pipelines.config import names
from pipelines.errors import ConfigError

BLOCK = 1 << 16
SERVICES = ("git-upload-pack", "git-receive-pack")
# A path is compared as it came: what a legal name holds needs no escaping, so nothing is ever unescaped.
_PATH = re.compile(r"/([^/?]{1,80})\.git(?:/(info/refs|git-upload-pack|git-receive-pack))?(?:\?([^?]*))?\Z")
_LENGTH = re.compile(r"[0-9]{1,15}\Z", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n\Z")


class Refused(Exception):
    """The request is answered with `status` and one line."""

    def __init__(self, status: HTTPStatus, told: str) -> None:
        self.status, self.told = status, told
        super().__init__(told)


@dataclass(frozen=True)
class Target:
    """What is asked for: a model's repository (`action` empty), or one of Git's three addresses in it."""

    model: str
    action: str
    query: str

    @property
    def path(self) -> str:
        """The address as Git's CGI program knows it."""
        return f"/{self.model}.git/{self.action}"


def target(path: str, method: str) -> Target:
    """The target of a request.

    Raises:
        Refused: it is none of the four that there are; the dumb protocol and other services among them.
    """
    found = _PATH.match(path)
    if not found:
        raise Refused(HTTPStatus.NOT_FOUND, "no such address")
    asked = Target(_model(found[1]), found[2] or "", found[3] or "")
    allowed = {"": "PUT", "info/refs": "GET"}.get(asked.action, "POST")
    if method != allowed:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"use {allowed}")
    queries = [f"service={service}" for service in SERVICES] if asked.action == "info/refs" else [""]
    if asked.query not in queries:
        raise Refused(HTTPStatus.FORBIDDEN, "only smart Git, fetch and push, is served")
    return asked


def body(headers: Message, stream: BufferedIOBase, limit: int) -> Iterator[bytes]:
    """The body in blocks, at most `limit` bytes as they travel; none where the headers announce none.

    Raises:
        Refused: it is longer, its length is told twice or not at all, or it ends early.
    """
    lengths, codings = headers.get_all("Content-Length", []), headers.get_all("Transfer-Encoding", [])
    if len(lengths) + len(codings) > 1:
        raise Refused(HTTPStatus.BAD_REQUEST, "its length is told twice")
    if codings:
        if codings[0].strip().lower() != "chunked":
            raise Refused(HTTPStatus.NOT_IMPLEMENTED, "no such transfer coding")
        return _chunked(stream, limit)
    text = lengths[0].strip() if lengths else "0"
    if not _LENGTH.match(text):
        raise Refused(HTTPStatus.BAD_REQUEST, "its length is no number")
    if int(text) > limit:
        raise _too_large(limit)
    return _blocks(stream, int(text))


def _model(text: str) -> str:
    try:
        return names.model_name(text)
    except ConfigError:
        raise Refused(HTTPStatus.NOT_FOUND, "not a legal model name") from None


def _chunked(stream: BufferedIOBase, limit: int) -> Iterator[bytes]:
    total = 0
    while size := _chunk_size(stream):
        total += size
        if total > limit:
            raise _too_large(limit)
        yield from _blocks(stream, size)
        if stream.read(2) != b"\r\n":
            raise Refused(HTTPStatus.BAD_REQUEST, "a chunk does not end where it says")
    for _ in range(100):  # trailers, of which none means anything to us
        if stream.readline(BLOCK) in (b"\r\n", b"\n", b""):
            return
    raise Refused(HTTPStatus.BAD_REQUEST, "too many trailers")


def _chunk_size(stream: BufferedIOBase) -> int:
    found = _CHUNK.match(stream.readline(1024))
    if not found:
        raise Refused(HTTPStatus.BAD_REQUEST, "a chunk has no size")
    return int(found[1], 16)


def _blocks(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length:
        block = stream.read(min(BLOCK, length))
        if not block:
            raise Refused(HTTPStatus.BAD_REQUEST, "it ends early")
        length -= len(block)
        yield block


def _too_large(limit: int) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"longer than {limit} bytes")
