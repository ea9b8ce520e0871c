"""What a task container is: the request that makes it. The socket proxy's policy knows this shape too."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from evergreen_engine import DEADLINE_LABEL, STOP_SECONDS, TASK_LABEL
from evergreen_runtime import Job

from pipelines.config.names import PROMOTER_STEPS
from pipelines.config.resources import size_bytes
from pipelines.config.settings import TASK_HOME, Settings, task_environment

if TYPE_CHECKING:
    from docker import APIClient

LOG_OPTIONS = {"max-size": "10m", "max-file": "2"}


def argv_of(job: Job) -> list[str]:
    """What the container's `evergreen` is given."""
    return [*job.argv, "--result", result_path(job)]


def result_path(job: Job) -> str:
    """Where the container writes its result: on the volume, which the engine can still read when it has ended."""
    return str(TASK_HOME / "results" / f"{job.name}.json")


def call_of(job: Job, image: str) -> str:
    """What makes two tries the same call: the command and the image."""
    return hashlib.sha256(json.dumps([image, *argv_of(job)]).encode()).hexdigest()


def labels_of(job: Job, image: str) -> dict[str, str]:
    """By these a retry and the reaper know it."""
    return {
        TASK_LABEL: "1",
        "evergreen.model": job.model,
        "evergreen.stage": job.stage,
        "evergreen.run": job.run,
        "evergreen.try": str(job.attempt),
        "evergreen.call": call_of(job, image),
        DEADLINE_LABEL: str(job.deadline),
    }


def body_of(client: APIClient, settings: Settings, job: Job, image_id: str) -> dict[str, Any]:
    """The body of the create request. What is not said here stays at the engine's default, which adds nothing."""
    containers = settings.containers
    config: dict[str, Any] = client.create_container_config(
        image=containers.image,
        command=argv_of(job),
        # The run's record says which image it came from.
        environment={"EVERGREEN_IMAGE_DIGEST": image_id} | task_environment(settings),
        labels=labels_of(job, containers.image or ""),
        host_config=_host(client, settings, job),
        stop_timeout=STOP_SECONDS,
    )
    return config


def _host(client: APIClient, settings: Settings, job: Job) -> dict[str, Any]:
    from docker.types import DeviceRequest, LogConfig, Mount

    containers, allowed = settings.containers, job.allowance
    volume = containers.promote_volume if job.stage in PROMOTER_STEPS else containers.volume
    memory = size_bytes(allowed.memory)
    tmp = f"rw,noexec,nosuid,nodev,mode=1777,size={size_bytes(allowed.tmp)}"
    host: dict[str, Any] = client.create_host_config(
        read_only=True,
        tmpfs={"/tmp": tmp},  # noqa: S108 - of the container
        mounts=[Mount(target=str(TASK_HOME), source=volume, type="volume")],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=allowed.pids,
        mem_limit=memory,
        memswap_limit=memory,
        nano_cpus=round(allowed.cpus * 10**9),
        network_mode=containers.network,
        ipc_mode="private",
        restart_policy={"Name": "no"},
        log_config=LogConfig(type="json-file", config=LOG_OPTIONS),
        device_requests=[DeviceRequest(count=allowed.gpus, capabilities=[["gpu"]])] if allowed.gpus else None,
    )
    return host
