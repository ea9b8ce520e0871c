"""Questions to the machine after a story: what is in S3, in the databases, in the ledgers, in the engine."""

from __future__ import annotations

import json
from typing import Any

from stack.machine.compose import Compose, Container, containers, tasks
from stack.machine.dockerd import Dockerd
from stack.machine.session import Machine
from stack.machine.stack import Stack


def keys(machine: Machine, bucket: str, prefix: str = "") -> list[str]:
    """All objects of a bucket below `prefix`."""
    pages = machine.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def uploads(machine: Machine) -> list[str]:
    """Multipart uploads that nobody has completed or aborted, in any bucket."""
    s3 = machine.s3()
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    return [
        f"{name}/{upload['Key']}"
        for name in names
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
    ]


def inspected(docker: Dockerd) -> list[Container]:
    """Every container of the engine."""
    return containers(docker)


def orphans(docker: Dockerd, **labels: str) -> list[str]:
    """Containers of stages that are still there, in any state: all, or those with these labels (`model="flights"`)."""
    return [f"{item.name} {item.found['State']['Status']}" for item in tasks(docker, **labels)]


def refs(compose: Compose, model: str) -> dict[str, str]:
    """The refs of a model's ledger as the server holds them."""
    out = compose.exec("ledger", "git", "-C", f"{ledger_folder(compose)}/{model}.git", "show-ref")
    return {name: sha for sha, name in (line.split(" ", 1) for line in out.splitlines())}


def history(compose: Compose, model: str) -> str:
    """Every commit of every ref with its whole patch."""
    where = f"{ledger_folder(compose)}/{model}.git"
    return compose.exec("ledger", "git", "-C", where, "log", "--all", "-p", "--text", "--format=raw")


def champion(compose: Compose, model: str) -> dict[str, Any] | None:
    """What the branch `champion` says; None before the first."""
    if "refs/heads/champion" not in refs(compose, model):
        return None
    where = f"{ledger_folder(compose)}/{model}.git"
    found: dict[str, Any] = json.loads(compose.exec("ledger", "git", "-C", where, "show", "champion:champion.json"))
    return found


def finished(compose: Compose, model: str, as_of: str = "") -> list[str]:
    """Ids of finished runs, those of one as-of day where it is given."""
    heads = f"refs/tags/runs/{as_of}"
    return sorted(name.removeprefix("refs/tags/runs/") for name in refs(compose, model) if name.startswith(heads))


def ledger_folder(compose: Compose) -> str:
    """Where the ledger's container keeps its repositories."""
    mounts = compose.container("ledger").found["Mounts"]
    return str(next(mount["Destination"] for mount in mounts if mount["Type"] == "volume" and mount["RW"]))


def right(stack: Stack, model: str, as_of: str, run: str) -> None:
    """After a fault: one run of that day, whole, its version the champion, and nothing lying about."""
    assert finished(stack.compose, model, as_of) == [run]
    found = champion(stack.compose, model)
    assert found is not None
    assert found["run"] == run
    assert orphans(stack.docker, model=model) == []
    assert uploads(stack.machine) == []
