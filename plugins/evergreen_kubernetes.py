"""The container task as a pod: the same command, limits and confinement, on a cluster."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.container import get_container_status
from airflow.sdk.exceptions import AirflowException
from evergreen_pod import MESSAGE_PATH, arguments_of, confine, labels_of, notes_of, pod_name, say_line
from evergreen_runtime import Job, Outcome, Say, outcome_of
from evergreen_tasks import COLOUR, Stage
from kubernetes.client.exceptions import ApiException

from pipelines.config import settings as configuration
from pipelines.errors import ConfigError, PassingFault

if TYPE_CHECKING:
    from airflow.sdk import Context
    from kubernetes.client import V1Pod

_GONE_SECONDS = 60
_NOT_FOUND, _CONFLICT = 404, 409
_KILLED = (137, 143)


class PodStageTask(KubernetesPodOperator):
    """Runs one stage in a pod, which a later try finds again by its labels.

    The result comes back as the container's termination message: bounded, and without a sidecar.
    """

    template_fields = ()
    ui_color = COLOUR

    def __init__(self, *, stage: Stage, **kwargs: Any) -> None:
        settings = configuration.load()
        super().__init__(
            **arguments_of(settings, stage.name, stage.allowance, stage.runs_up_to),
            # The run's id is pushed by hand: this would add a sidecar that waits for a file.
            do_xcom_push=False,
            log_formatter=say_line,
            **kwargs,
        )
        self.stage = stage
        self._job: Job | None = None

    def execute(self, context: Context) -> None:
        """See `Stage.perform`."""
        self._perform(context)

    def resume(self, context: Context, event: Any) -> None:  # noqa: ARG002
        """The wait is over: ask again."""
        self._perform(context)

    def _perform(self, context: Context) -> None:
        run = self.stage.perform(context, partial(self._run, context), self.log)
        context["ti"].xcom_push(key="return_value", value=run)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> V1Pod:
        """The pod, with what differs from try to try."""
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        return confine(pod, self._job)

    def get_or_create_pod(self, pod_request_obj: V1Pod, context: Context) -> V1Pod:
        """The running pod of this call, or a new one once any other of its name is gone."""
        self._fence(pod_request_obj)
        try:
            return super().get_or_create_pod(pod_request_obj, context)
        except ApiException as error:
            if error.status != _CONFLICT:
                raise
            raise PassingFault("its name is taken", where=pod_request_obj.metadata.name) from None

    def _run(self, context: Context, job: Job, say: Say) -> Outcome:  # noqa: ARG002 - the provider follows the log
        if self.image is None:
            raise ConfigError("no image is named", where="EVERGREEN_TASK_IMAGE", remedy="name one that the cluster has")
        self._job = job
        self.name = pod_name(job)
        self.arguments = [*job.argv, "--result", MESSAGE_PATH]
        # Of every try the same: the provider looks for the pod by them.
        self.labels = labels_of(job, self.image)
        self.annotations = notes_of(job, self.image)
        try:
            super().execute(context)
        except AirflowException:
            # It fails for every exit code but 0; what the code means is ours to say.
            if self._ended() is None:
                raise
        return self._outcome(job)

    def _ended(self) -> Any:
        status = get_container_status(self.remote_pod, self.base_container_name) if self.remote_pod else None
        return status and status.state and status.state.terminated

    def _outcome(self, job: Job) -> Outcome:
        ended = self._ended()
        if ended is None:
            raise PassingFault("its pod was taken away", where=pod_name(job), remedy="it is tried again")
        message = ended.message or ""
        outcome = outcome_of(int(ended.exit_code), message.encode(), message.strip().rpartition("\n")[2])
        if outcome.summary is not None:
            return outcome
        if ended.reason == "OOMKilled":
            remedy = f"raise resources.{job.stage}.memory in model.yaml"
            return Outcome(outcome.code, None, f"out of memory: it may use {job.allowance.memory}; {remedy}")
        if self.remote_pod.status.reason == "DeadlineExceeded":
            return Outcome(outcome.code, None, f"took longer than {self.active_deadline_seconds} seconds")
        if outcome.code in _KILLED:
            raise PassingFault(f"its pod was killed (exit code {outcome.code})", where=pod_name(job))
        return outcome

    def _fence(self, wanted: V1Pod) -> None:
        """Have no pod of this name that is another call's, or about to go."""
        name, namespace = wanted.metadata.name, wanted.metadata.namespace
        deadline = time.monotonic() + _GONE_SECONDS
        while (found := self._pod(name, namespace)) is not None:
            going = found.metadata.deletion_timestamp is not None
            call = (found.metadata.labels or {}).get("evergreen.call")
            if not going and call == wanted.metadata.labels["evergreen.call"]:
                return
            if not going:
                self.log.info("removing pod %s, which runs another call", name)
                self.client.delete_namespaced_pod(name, namespace)
            if time.monotonic() > deadline:
                raise PassingFault("an earlier pod stays", where=name, remedy="see its finalizers and its node")
            time.sleep(1)

    def _pod(self, name: str, namespace: str) -> V1Pod | None:
        try:
            return self.client.read_namespaced_pod(name, namespace)
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise
            return None
