"""What a task pod is: the arguments that make KubernetesPodOperator render it, and what it leaves open."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from evergreen_runtime import Job, printable
from kubernetes.client import models as k8s

from pipelines.config.names import PROMOTER_STEPS
from pipelines.config.resources import Allowance
from pipelines.config.settings import TASK_HOME, Settings, task_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a container writes here the kubelet keeps as its message: 4 KB, read when it has ended.
MESSAGE_PATH = "/dev/termination-log"
USER = 10001
STOP_SECONDS = 2
_NAME_LIMIT = 63


def arguments_of(settings: Settings, stage: str, allowed: Allowance, runs_up_to: timedelta) -> dict[str, Any]:
    """For KubernetesPodOperator: all that is the same for every try of a stage."""
    containers = settings.containers
    volume = containers.promote_volume if stage in PROMOTER_STEPS else containers.volume
    return {
        "image": containers.image,
        "namespace": containers.namespace,
        "kubernetes_conn_id": None,
        "random_name_suffix": False,
        "env_vars": task_environment(settings),
        "volumes": _volumes(volume, allowed),
        "volume_mounts": [
            k8s.V1VolumeMount(name="home", mount_path=str(TASK_HOME)),
            k8s.V1VolumeMount(name="secrets", mount_path=str(TASK_HOME / "secrets"), read_only=True),
            k8s.V1VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108 - of the pod
        ],
        "container_resources": _resources(allowed),
        "security_context": k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        "container_security_context": k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
            read_only_root_filesystem=True,
            run_as_non_root=True,
            run_as_user=USER,
        ),
        "automount_service_account_token": False,
        "active_deadline_seconds": int(runs_up_to.total_seconds()),
        "termination_grace_period": STOP_SECONDS,
        # Where a crash left no message, the end of the log is one.
        "termination_message_policy": "FallbackToLogsOnError",
        "startup_timeout_seconds": 600,
        "durable": True,
        "on_finish_action": "delete_pod",
        "log_pod_spec_on_failure": False,
        "log_events_on_failure": True,
    }


def confine(pod: k8s.V1Pod, job: Job | None) -> k8s.V1Pod:
    """`pod` with what the operator has no argument for, and the number of the try."""
    pod.spec.enable_service_links = False
    pod.spec.containers[0].termination_message_path = MESSAGE_PATH
    if job is not None:
        pod.metadata.labels["evergreen.try"] = str(job.attempt)
    return pod


def pod_name(job: Job) -> str:
    """The job's name as a DNS label: the same for every try, and another for every other job."""
    plain = re.sub(r"[^a-z0-9-]", "-", job.name)
    if len(plain) <= _NAME_LIMIT:
        return plain
    head, _, mark = plain.rpartition("-")
    return f"{head[: _NAME_LIMIT - len(mark) - 1].rstrip('-')}-{mark}"


def labels_of(job: Job, image: str) -> dict[str, str]:
    """As a container's, in Kubernetes' letters."""
    said = {
        "evergreen.task": "1",
        "evergreen.model": job.model,
        "evergreen.stage": job.stage,
        "evergreen.run": job.run,
        "evergreen.call": _call(job, image),
    }
    return {name: make_safe_label_value(value) for name, value in said.items()}


def notes_of(job: Job, image: str) -> dict[str, str]:
    """The annotations: what has no room in a label."""
    return {
        "evergreen/call": _call(job, image),
        "evergreen/deadline": str(job.deadline),
        # Nothing of a cluster may restart it on another node while it writes.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    }


def say_line(container: str, line: str) -> str:  # noqa: ARG001 - the operator's signature
    """A line of the pod's log, fit for Airflow's."""
    return printable(line)


def _call(job: Job, image: str) -> str:
    return hashlib.sha256(json.dumps([image, *job.argv]).encode()).hexdigest()


def _volumes(volume: str, allowed: Allowance) -> list[k8s.V1Volume]:
    """Workspace and cache on the claim, secrets as files from the Secret of the same name, a bounded /tmp in memory."""
    secret = k8s.V1VolumeProjection(secret=k8s.V1SecretProjection(name=volume))
    return [
        k8s.V1Volume(name="home", persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name=volume)),
        k8s.V1Volume(name="secrets", projected=k8s.V1ProjectedVolumeSource(default_mode=0o400, sources=[secret])),
        k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=_size(allowed.tmp))),
    ]


def _resources(allowed: Allowance) -> k8s.V1ResourceRequirements:
    amounts: Mapping[str, str] = {
        "cpu": f"{round(allowed.cpus * 1000)}m",
        "memory": _size(allowed.memory),
        **({"nvidia.com/gpu": str(allowed.gpus)} if allowed.gpus else {}),
    }
    return k8s.V1ResourceRequirements(limits=dict(amounts), requests=dict(amounts))


def _size(text: str) -> str:
    return text.removesuffix("B")
