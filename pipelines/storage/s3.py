"""`s3://` places and the connection to them: bounded in time and attempts, its keys from a file or AWS's own chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar

from pipelines.config.secrets import AWS, secret_file
from pipelines.config.settings import S3 as Reach
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, shorten
from pipelines.storage.s3_faults import ObjectMissing, fault

SCHEME = "s3://"
THREADS = 8
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_KEY_BYTES = 1024
T = TypeVar("T")
R = TypeVar("R")


def is_s3(text: str) -> bool:
    """Whether a setting or a uri names a place on S3."""
    return text.startswith(SCHEME)


@dataclass(frozen=True)
class S3Place:
    """A bucket and a key in it: an object, or the prefix that objects are below. `setting` says where it is written."""

    bucket: str
    key: str
    setting: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str, setting: str) -> Self:
        """The place that `text`, `s3://bucket/prefix`, names; raises ConfigError naming the `setting`."""
        bucket, _, key = text.removeprefix(SCHEME).partition("/")
        key = key.strip("/")
        steps = key.split("/") if key else []
        bad = not _BUCKET.fullmatch(bucket) or any(step in ("", ".", "..") for step in steps)
        if not is_s3(text) or bad or not key.isprintable() or len(key.encode()) > _KEY_BYTES:
            raise ConfigError(
                f"{shorten(repr(text))} is no place on S3", where=setting, remedy="write s3://bucket/prefix"
            )
        return cls(bucket, key, setting)

    def below(self, *parts: str) -> S3Place:
        """The place `parts` further down."""
        return replace(self, key="/".join([*([self.key] if self.key else []), *parts]))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Found:
    """An object that is there. `etag` is the md5 of its bytes on most servers, unless it was put in parts."""

    place: S3Place
    size: int
    etag: str


@dataclass(frozen=True)
class S3:
    """A connection; threads may share it. `endpoint` is its name for people."""

    client: Any
    endpoint: str
    attempts: int

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The connection that `settings` describe; nothing is sent yet.

        Raises:
            ConfigError: the secret `aws-credentials` holds no keys, or the endpoint is no address.
        """
        return cls(
            _client(settings.s3, secret_file(settings, AWS)), endpoint_name(settings.s3), max(1, settings.s3.attempts)
        )

    @contextmanager
    def asking(self, place: S3Place) -> Iterator[None]:
        """Turn what botocore raises about `place` into our errors."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise fault(error, f"{place.setting} {place}".strip(), self.endpoint) from None

    def head(self, place: S3Place) -> Found | None:
        """What is at `place`; None: no object, or no bucket, which S3 does not tell apart here.

        Raises:
            ObjectRefused: our keys may not look.
            PassingFault: S3 cannot be reached.
        """
        try:
            with self.asking(place):
                answer = self.client.head_object(Bucket=place.bucket, Key=place.key)
        except ObjectMissing:
            return None
        return Found(place, int(answer["ContentLength"]), answer["ETag"].strip('"'))

    def list(self, prefix: S3Place) -> Iterator[Found]:
        """Every object whose key begins with that of `prefix`, in order of their keys.

        Raises:
            ConfigError: there is no such bucket, or our keys may not list it.
            PassingFault: S3 cannot be reached.
        """
        with self.asking(prefix):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                for item in page.get("Contents", ()):
                    yield Found(replace(prefix, key=item["Key"]), int(item["Size"]), item["ETag"].strip('"'))


def endpoint_name(reach: Reach) -> str:
    """The server's address for messages, without the user and password that somebody may have written into it."""
    if reach.endpoint is None:
        return f"AWS S3 ({reach.region})"
    scheme, _, address = reach.endpoint.partition("://")
    return f"{scheme}://{address.rpartition('@')[2]}"


@lru_cache(maxsize=4)  # making one takes 0.2 s, and a stage opens its lake and its remote several times
def _client(reach: Reach, credentials: Path | None) -> Any:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    # With a file of ours, what AWS_PROFILE names need not exist on this machine.
    session = botocore.session.Session({"profile": (None, [], None, None)} if credentials else None)
    if credentials is not None:
        _use(session, credentials)
    config = Config(
        connect_timeout=reach.connect_seconds,
        read_timeout=reach.read_seconds,
        retries={"mode": "standard", "total_max_attempts": reach.attempts},
        s3={"addressing_style": "path" if reach.endpoint else "auto"},
        # Servers other than Amazon's may not know the checksum trailers that are otherwise sent; we send Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=2 * THREADS,
        tcp_keepalive=True,
    )
    try:
        return session.create_client("s3", region_name=reach.region, endpoint_url=reach.endpoint, config=config)
    except ValueError:
        raise ConfigError(
            f"{shorten(endpoint_name(reach))} is no address",
            where="EVERGREEN_S3_ENDPOINT",
            remedy="write https://host or https://host:port",
        ) from None
    except BotoCoreError as error:
        raise fault(error, "EVERGREEN_S3_ENDPOINT", endpoint_name(reach)) from None


def _use(session: Any, credentials: Path) -> None:
    """Take the keys from that file alone: neither the environment nor a home folder can stand in for it."""
    from botocore.credentials import SharedCredentialProvider
    from botocore.exceptions import BotoCoreError

    try:
        found = SharedCredentialProvider(str(credentials), "default").load()
    except (BotoCoreError, OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read: {type(error).__name__}", where=str(credentials), remedy="see its owner and its lines"
        ) from None
    if found is None:
        raise ConfigError(
            "holds no keys", where=str(credentials), remedy="write [default], aws_access_key_id, aws_secret_access_key"
        )
    session.set_credentials(found.access_key, found.secret_key, found.token)


def at_once(act: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`act` on all `items`, `THREADS` at a time, and what it gave, in order; after the first fault none is begun."""
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            return [done.result() for done in [pool.submit(act, item) for item in items]]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
