"""The demo on the stack: the same story as `make demo` tells, in containers, on S3 and Postgres.

Only the host has the demo's data, and only the stack's own network reaches S3 and the ledgers: the host lays the lake
out in a folder, and a container of the stack tells the story.
"""

from __future__ import annotations

import time
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.demo import lake
from pipelines.demo.airflow_api import Airflow, Task
from pipelines.demo.story import Progress, Story, chapters, finish, last_error
from pipelines.errors import ConfigError
from pipelines.storage.delivery import deliver

USER = "admin"


class StackStory(Story):
    """A story whose logs Airflow keeps where we do not see them."""

    def failure_of(self, dag: str, run: str, task: Task) -> tuple[str, str]:
        """See `Story.failure_of`."""
        return last_error(self.airflow.log(dag, run, task)), "its log in Airflow"


def lay_out(settings: Settings, progress: Progress) -> Path:
    """The folder with the demo's lake, laid out now unless it is there; everybody may read it."""
    facts = lake.lay_out(settings.home / "demo-lake", progress)
    progress(facts.sentence())
    for path in (facts.folder, *facts.folder.rglob("*")):
        # The container's user is another than ours.
        path.chmod(0o755 if path.is_dir() else 0o644)
    return facts.folder


def tell(settings: Settings, folder: Path, airflow: str, progress: Progress) -> None:
    """Deliver the lake in `folder` to S3, and tell the story with the Airflow at that address.

    Raises:
        ConfigError: the secret `airflow-admin` is missing.
        EvergreenError: a step failed.
    """
    began = time.monotonic()
    password = settings.secrets and settings.secrets / "airflow-admin"
    if not password or not password.is_file():
        raise ConfigError("there is no airflow-admin", where=str(settings.secrets), remedy="run `make stack-demo`")
    put = deliver(settings, folder)
    progress(f"{put} files delivered to {settings.lake}")
    story = StackStory(settings, Airflow(airflow, USER, password.read_text(encoding="ascii").strip()), progress)
    story.changed = put > 0
    finish(story, chapters(story))
    story.end(began, "`make stack-down` stops the services")
