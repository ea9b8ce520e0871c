"""The container task: a stage in a hardened container of the Docker engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.docker.operators.docker import DockerOperator
from evergreen_container import ContainerRuntime
from evergreen_engine import API_SECONDS, Engine
from evergreen_runtime import Job, Outcome, Say
from evergreen_tasks import COLOUR, Stage

from pipelines.config import settings as configuration

if TYPE_CHECKING:
    from airflow.sdk import Context

# Airflow's supervisor kills a stopping task after five seconds.
STOP_SECONDS = 4


class ContainerStageTask(DockerOperator):
    """Runs one stage in a container. DockerOperator gives the connection; what is run, and how it ends, is ours.

    Its own `execute` pulls images, takes the last line of the log for the result, leaves containers behind, and starts
    a second one beside that of a killed worker.
    """

    template_fields = ()
    template_ext = ()
    ui_color = COLOUR

    def __init__(self, *, stage: Stage, **kwargs: Any) -> None:
        containers = configuration.load().containers
        super().__init__(
            image=containers.image or "",
            docker_url=containers.engine,
            mount_tmp_dir=False,
            timeout=API_SECONDS,
            **kwargs,
        )
        self.stage = stage
        self._runtime: ContainerRuntime | None = None

    def execute(self, context: Context) -> str | None:
        """See `Stage.perform`."""
        return self._perform(context)

    def resume(self, context: Context, event: Any) -> str | None:  # noqa: ARG002
        """The wait is over: ask again."""
        return self._perform(context)

    def on_kill(self) -> None:
        """Airflow wants the task stopped: end and remove the container."""
        if self._runtime is not None:
            self._runtime.stop(self._spare)

    def _perform(self, context: Context) -> str | None:
        return self.stage.perform(context, self._run, self.log)

    def _run(self, job: Job, say: Say) -> Outcome:
        self._runtime = ContainerRuntime(Engine(self.cli, str(self.docker_url)), configuration.load())
        return self._runtime.run(job, say)

    def _spare(self) -> Engine:
        from docker import APIClient

        version = self.cli.api_version
        return Engine(APIClient(self.docker_url, version=version, timeout=STOP_SECONDS), str(self.docker_url))
