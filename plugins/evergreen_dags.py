"""One DAG for every model folder, and a visible error DAG in place of those of a folder that is wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import DAG, BaseOperator, get_parsing_context
from airflow.sdk.exceptions import AirflowFailException
from evergreen_tasks import limit

from pipelines.config import settings
from pipelines.config.load import load_model, model_folders
from pipelines.config.model import Model
from pipelines.errors import EvergreenError, shorten

if TYPE_CHECKING:
    from airflow.sdk import Context

Build = Callable[[str, Model], DAG]
TAG = "evergreen"


def model_dags(kind: str, build: Build, *, report: bool = False) -> dict[str, DAG]:
    """`build(name, model)` for every model folder, by DAG id `<name>__<kind>`.

    A process that runs a task reads that task's model alone. With `report`, a folder that cannot be read becomes the
    DAG `<folder>__broken`; one file of the DAG folder reports, so that each is reported once.
    """
    dags = {}
    for folder in _folders(kind, report):
        try:
            dag = build(folder.name, load_model(folder))
        except EvergreenError as error:
            dag = _broken(folder, error.line()) if report else None
        except Exception as error:
            # Whatever a folder does wrong, it must not take the others with it.
            dag = _broken(folder, f"{type(error).__name__}: {shorten(str(error), 200)}") if report else None
        if dag is not None:
            dags[dag.dag_id] = dag
    return dags


def dag_arguments(name: str, model: Model, doc: str | None) -> dict[str, Any]:
    """What every DAG of a model has in common. `doc` is the DAG file's docstring."""
    return {
        "doc_md": f"**{model.title}**\n\n{doc or ''}",
        "tags": [TAG, name],
        "catchup": False,
        "max_active_runs": 1,
        "default_args": {"owner": model.owner},
        "dagrun_timeout": limit(model),
    }


def _folders(kind: str, report: bool) -> Iterator[Path]:
    wanted = get_parsing_context().dag_id
    for folder in model_folders(settings.load().models):
        ours = wanted is None or wanted == f"{folder.name}__{kind}" or (report and wanted == _broken_id(folder.name))
        if ours:
            yield folder


def _broken_id(folder: str) -> str:
    """A DAG id that is legal whatever the folder is called, and differs where folders differ."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", folder)[:100]
    if plain == folder and ".." not in folder:
        return f"{folder}__broken"
    mark = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain.replace('..', '__')}_{mark}__broken"


def _broken(folder: Path, line: str) -> DAG:
    shown = f"{folder.name!r:.100}"
    with DAG(
        dag_id=_broken_id(folder.name),
        description=f"The model folder {shown} is broken",
        doc_md=f"The model folder {shown} cannot be used, so it has no DAGs:\n\n    {line}\n\n"
        "Mend it: this DAG disappears and the model's own take its place. `evergreen check` says the same.",
        tags=[TAG, "broken"],
        schedule=None,
        catchup=False,
    ) as dag:
        BrokenFolder(task_id="broken", line=line)
    return dag


class BrokenFolder(BaseOperator):
    """Fails with what is wrong with a model folder."""

    template_fields = ()
    ui_color = "#f8cecc"

    def __init__(self, *, line: str, **kwargs: Any) -> None:
        super().__init__(retries=0, **kwargs)
        self.line = line

    def execute(self, context: Context) -> NoReturn:  # noqa: ARG002
        """Fail at once."""
        raise AirflowFailException(self.line)
