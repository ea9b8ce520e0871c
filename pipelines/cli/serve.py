"""Commands that containers of the stack run: small servers of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import log_line
from pipelines.config import settings

Host = Annotated[str, typer.Option(help="The address to listen at.")]


def serve_ledgers(
    root: Annotated[Path, typer.Option(help="The folder of the ledgers; nothing else may write to it.")],
    users: Annotated[
        Path,
        typer.Option(envvar="EVERGREEN_LEDGER_USERS", help="The folder of the files ledger-tasks and ledger-promoter."),
    ],
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8300,
    limit_mb: Annotated[int, typer.Option(min=1, max=100_000, help="The longest request, in MB.")] = 1024,
) -> None:
    """Serve ledgers over HTTP to two roles, tasks and promoter."""
    from pipelines.services.ledger_server import serve

    serve(settings.load(), root, users, host, port, log_line(service="ledger"), limit_mb << 20)


def serve_docker_proxy(host: Host = "127.0.0.1", port: Annotated[int, typer.Option(min=1, max=65535)] = 2375) -> None:
    """Pass on to Docker what the container task asks for, and refuse everything else."""
    from pipelines.services.docker_proxy import serve

    serve(host, port, settings.load(), log_line(service="docker-proxy"))


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (serve_ledgers, serve_docker_proxy):
        app.command(hidden=True)(command)
