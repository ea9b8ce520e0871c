"""Commands of the stack: its secrets and its demo for people, its one-shots and servers for its containers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import log_line, tell
from pipelines.config import settings

Secrets = Annotated[Path, typer.Option(envvar="EVERGREEN_SECRETS", help="The folder of secret files.")]


class Server(StrEnum):
    """What `evergreen stack-init` prepares."""

    POSTGRES = "postgres"
    S3 = "s3"
    MLFLOW = "mlflow"


def stack_secrets(
    rotate: Annotated[list[str] | None, typer.Option(help="Give this secret a new value; may be repeated.")] = None,
) -> None:
    """Make the secrets of the stack that are not there yet, or rotate some."""
    from pipelines.services import stack_secrets as secrets

    where = secrets.folder(settings.load())
    made = secrets.ensure(where)
    for name in rotate or ():
        secrets.rotate(where, name)
    tell(f"{where}: {len(made)} secrets made" + (f", {', '.join(rotate)} rotated" if rotate else ""))
    if rotate:
        tell("`make stack-down stack` gives them to the services")


def stack_wait() -> None:
    """Wait until the stack's Airflow and MLflow are well."""
    from pipelines.services.stack import wait

    wait(settings.load(), log_line(stage="stack"))


def stack_lake() -> None:
    """Lay out the demo's lake in a folder, from which `stack-demo` delivers it."""
    from pipelines.demo.stack import lay_out

    tell(str(lay_out(settings.load(), log_line(stage="demo"))))


def stack_demo(
    lake: Annotated[Path, typer.Option(help="The folder with the demo's lake.")],
    airflow: Annotated[str, typer.Option(help="Airflow's address.")] = "http://airflow-api:8080",
) -> None:
    """Tell the demo on the stack; runs in a container of it."""
    from pipelines.demo.stack import tell as tell_story

    tell_story(settings.load(), lake, airflow, log_line(stage="demo"))


def stack_place(
    secrets: Annotated[Path, typer.Option(help="The folder of all secrets.")],
    volumes: Annotated[Path, typer.Option(help="The folder below which every volume is mounted.")],
) -> None:
    """Give every service of the stack its own secrets; runs as root in secrets-init."""
    from pipelines.services.stack_places import put

    put(secrets, volumes, log_line(service="secrets-init"))


def stack_init(server: Server, secrets: Secrets, host: Annotated[str, typer.Option()] = "postgres") -> None:
    """Prepare one server of the stack: roles and databases, buckets, users."""
    from pipelines.services import stack_init as init

    found, say = settings.load(), log_line(service=f"{server}-init")
    if server is Server.POSTGRES:
        init.postgres(secrets, host, say)
    elif server is Server.S3:
        init.s3(found, say)
    else:
        init.mlflow(secrets, found.mlflow_uri, say)


def serve_mlflow(
    allowed: Annotated[str, typer.Option(help="Host names by which the server may be called.")],
    database: Annotated[str, typer.Option(help="PostgreSQL's host and port.")] = "postgres:5432",
    scratch: Annotated[Path, typer.Option(help="A folder in memory.")] = Path("/tmp"),  # noqa: S108 - a tmpfs there
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Become MLflow's server."""
    from pipelines.services.mlflow_server import serve

    serve(settings.load(), host, port, allowed, database, scratch)


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    app.command()(stack_secrets)
    for command in (stack_wait, stack_lake, stack_demo, stack_place, stack_init, serve_mlflow):
        app.command(hidden=True)(command)
