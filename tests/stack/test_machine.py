"""The machine itself: what the other tests rely on when they say that S3 was away or that a rule was in force."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from stack.machine.place import GATEWAY, command
from stack.machine.session import Machine

BODY = b"x" * 100_000


@pytest.fixture
def bucket(machine: Machine) -> Iterator[str]:
    name, s3 = f"machine-{uuid.uuid4().hex[:8]}", machine.s3()
    s3.create_bucket(Bucket=name)
    yield name
    for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=item["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def through(machine: Machine) -> Iterator[Any]:
    """S3 through the fault proxy."""
    yield machine.s3(machine.faults.endpoint)
    machine.faults.set("pass")


def test_bytes_pass_unchanged(through: Any, bucket: str) -> None:
    through.put_object(Bucket=bucket, Key="a", Body=BODY)
    assert through.get_object(Bucket=bucket, Key="a")["Body"].read() == BODY
    assert through.head_object(Bucket=bucket, Key="a")["ContentLength"] == len(BODY)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        through.put_object(Bucket=bucket, Key="a", Body=b"", IfNoneMatch="*")


def test_errors_come_as_told(machine: Machine, through: Any, bucket: str) -> None:
    machine.faults.set("error", method="PUT", limit=2)
    for _ in range(2):
        with pytest.raises(ClientError, match="SlowDown"):
            through.put_object(Bucket=bucket, Key="a", Body=BODY)
    through.put_object(Bucket=bucket, Key="a", Body=BODY)
    assert machine.faults.counts()["faults"] == 2


def test_a_share_of_requests_fails(machine: Machine, through: Any, bucket: str) -> None:
    machine.faults.set("error", share=0.5, seed=1)
    failed = 0
    for _ in range(40):
        try:
            through.list_objects_v2(Bucket=bucket)
        except ClientError:
            failed += 1
    assert 10 < failed == machine.faults.counts()["faults"] < 30


@pytest.mark.parametrize("mode", ["reset", "truncate", "blackout"])
def test_cut_bodies_and_connections_are_errors(machine: Machine, through: Any, bucket: str, mode: str) -> None:
    through.put_object(Bucket=bucket, Key="a", Body=BODY)
    machine.faults.set(mode, method="GET")
    with pytest.raises((BotoCoreError, ClientError)):
        through.get_object(Bucket=bucket, Key="a")["Body"].read()
    machine.faults.set("pass")
    assert len(through.get_object(Bucket=bucket, Key="a")["Body"].read()) == len(BODY)


def test_a_blackout_ends_by_itself(machine: Machine, through: Any, bucket: str) -> None:
    machine.faults.set("blackout", seconds=1)
    with pytest.raises((BotoCoreError, ClientError)):
        through.list_objects_v2(Bucket=bucket)
    time.sleep(1)
    through.list_objects_v2(Bucket=bucket)


def test_a_held_request_waits_until_it_is_let_go(machine: Machine, through: Any, bucket: str) -> None:
    machine.faults.set("hold", method="PUT", path="/held")
    worker = threading.Thread(target=lambda: through.put_object(Bucket=bucket, Key="held", Body=BODY))
    worker.start()
    time.sleep(1)
    assert machine.faults.counts()["holding"] == 1
    assert "Contents" not in machine.s3().list_objects_v2(Bucket=bucket)
    machine.faults.set("pass")
    worker.join(10)
    assert machine.s3().head_object(Bucket=bucket, Key="held")["ContentLength"] == len(BODY)


def test_a_killed_gateway_keeps_its_bytes(machine: Machine, through: Any, bucket: str) -> None:
    through.put_object(Bucket=bucket, Key="a", Body=BODY)
    machine.ceph.kill_gateway()
    with pytest.raises((BotoCoreError, ClientError)):
        through.get_object(Bucket=bucket, Key="a")
    machine.ceph.start_gateway()
    assert through.get_object(Bucket=bucket, Key="a")["Body"].read() == BODY


def test_postgres_wants_the_password(machine: Machine) -> None:
    machine.postgres.role("probe", "it's right")
    machine.postgres.database("probe", "probe")
    where = ("-h", GATEWAY, "-p", str(machine.postgres.port), "-U", "probe", "-d", "probe", "-tAc", "select 41 + 1")
    assert command("psql", *where, env={"PGPASSWORD": "it's right"}) == "42\n"
    with pytest.raises(AssertionError, match="password authentication failed"):
        command("psql", *where, env={"PGPASSWORD": "wrong"})
