"""S3 for tests: moto's server in this process, and the fault proxy of the test machine before it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stack.machine import fault_proxy, place

from pipelines.config.settings import Settings
from pipelines.storage.s3 import S3, S3Place

BUCKETS = ("lake", "store", "predictions")
KEY, SECRET = "TESTKEYID0", "not-a-real-secret-of-anybody"
CREDENTIALS = f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"


def md5(content: bytes) -> str:
    """What DVC calls an object of these bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Buckets:
    """Settings whose lake, remote and predictions are below a prefix of its own, and short ways to look inside."""

    settings: Settings

    @property
    def s3(self) -> S3:
        """The connection that the code under test would make."""
        return S3.open(self.settings)

    def at(self, *parts: str, setting: str = "lake") -> S3Place:
        """A place below the lake, or below another setting's place."""
        return S3Place.parse(getattr(self.settings, setting), setting).below(*parts)

    def put(self, place: S3Place, content: bytes) -> None:
        """As somebody else would: what stands there is replaced."""
        self.s3.client.put_object(Bucket=place.bucket, Key=place.key, Body=content)

    def get(self, place: S3Place) -> bytes:
        """The bytes that stand there."""
        return bytes(self.s3.client.get_object(Bucket=place.bucket, Key=place.key)["Body"].read())

    def uploads(self, place: S3Place) -> list[str]:
        """Keys of unfinished uploads in parts."""
        found = self.s3.client.list_multipart_uploads(Bucket=place.bucket, Prefix=place.key)
        return [item["Key"] for item in found.get("Uploads", ())]

    def environment(self) -> dict[str, str]:
        """What a child process is told besides what `stories.environment` tells it."""
        names = {"LAKE": "lake", "DVC_REMOTE": "dvc_remote", "PREDICTIONS": "predictions", "SECRETS": "secrets"}
        told = {f"EVERGREEN_{name}": str(getattr(self.settings, key)) for name, key in names.items()}
        return told | {"EVERGREEN_S3_ENDPOINT": self.settings.s3.endpoint or ""}


def buckets(settings: Settings, endpoint: str) -> Buckets:
    """`settings` with all that may be on S3 there, under a prefix that no other test uses; keys in a secret file."""
    secrets = settings.home / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "aws-credentials").write_text(CREDENTIALS)
    lake, remote, predictions = (f"s3://{name}/{uuid.uuid4().hex[:12]}" for name in BUCKETS)
    return Buckets(
        replace(
            settings,
            lake=lake,
            dvc_remote=remote,
            predictions=predictions,
            secrets=secrets,
            s3=replace(settings.s3, endpoint=endpoint, connect_seconds=2, read_seconds=5, attempts=3),
        )
    )


@contextmanager
def server() -> Iterator[str]:
    """The address of an S3 server with `BUCKETS` in it."""
    import boto3
    from moto.s3 import models
    from moto.server import ThreadedMotoServer

    models.S3_UPLOAD_PART_MIN_SIZE = 1 << 20  # not 5 MiB, so that tests of parts are quick
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        for name in BUCKETS:
            client.create_bucket(Bucket=name)
        yield endpoint
    finally:
        running.stop()


@dataclass(frozen=True)
class Faults:
    """A proxy before the server; `set` makes it misbehave as `stack.machine.fault_proxy` says."""

    endpoint: str
    control: tuple[str, int]

    def set(self, **rule: Any) -> None:
        """Put a rule in force."""
        fault_proxy.ask(self.control, rule)

    @property
    def count(self) -> int:
        """How many requests have misbehaved since the rule was set."""
        return int(fault_proxy.ask(self.control)["faults"])

    @property
    def requests(self) -> int:
        """How many requests have come since the rule was set."""
        return int(fault_proxy.ask(self.control)["requests"])


@contextmanager
def faults(endpoint: str) -> Iterator[Faults]:
    """A proxy of its own process before `endpoint`."""
    listen, control = place.free_port(), place.free_port()
    argv = [sys.executable, str(Path(fault_proxy.__file__)), "--listen", f"127.0.0.1:{listen}"]
    argv += ["--upstream", endpoint.removeprefix("http://"), "--control", f"127.0.0.1:{control}"]
    process = subprocess.Popen(argv, env=os.environ.copy())
    try:
        deadline = time.monotonic() + 20
        while not (place.listening("127.0.0.1", listen) and place.listening("127.0.0.1", control)):
            assert process.poll() is None, "the proxy ended"
            assert time.monotonic() < deadline, "the proxy does not answer"
            time.sleep(0.05)
        yield Faults(f"http://127.0.0.1:{listen}", ("127.0.0.1", control))
    finally:
        process.terminate()
        process.wait(10)
