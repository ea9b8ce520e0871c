"""What the commands share: arguments, output and the log line."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A folder under include/models.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def log_line(**fields: str) -> Callable[[str], None]:
    """A function that writes one structured line to stderr: time, `fields`, then the message."""
    head = " ".join(f"{key}={value}" for key, value in fields.items() if value)

    def say(message: str) -> None:
        stamp = datetime.now(UTC).strftime("%H:%M:%S")
        sys.stderr.write(f"{stamp} {head} {' '.join(message.split())}\n")
        sys.stderr.flush()

    return say


def emit(value: dict[str, Any]) -> None:
    """`value` as one line of JSON, the last line of standard output."""
    sys.stdout.write(json.dumps(value, default=str, sort_keys=True) + "\n")


def tell(text: str) -> None:
    """`text` for a person, on standard output."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def who() -> str:
    """Whoever runs this process, by the name that the machine knows; else its number, as of a container's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
