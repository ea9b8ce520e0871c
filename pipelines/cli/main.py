"""The `evergreen` command: puts the groups together and turns errors into one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys

import typer

from pipelines import leave
from pipelines.cli import (
    audit,
    author,
    decide,
    embedded,
    keep,
    look,
    night,
    release,
    replay,
    retention,
    serve,
    stack,
    watch,
    work,
)
from pipelines.errors import Crashed, EvergreenError

# New objects between two collections.
GARBAGE_AFTER = 100_000

app = typer.Typer(
    name="evergreen",
    help="Keeps tabular models fresh: checked data, retraining, gates and promotion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (
    look,
    audit,
    work,
    night,
    watch,
    decide,
    replay,
    release,
    author,
    keep,
    retention,
    embedded,
    serve,
    stack,
):
    group.add_to(app)


def main() -> None:
    """Run the command line; an `EvergreenError` becomes its line on stderr and its exit code."""
    # XGBoost's threads spin while they wait: with others on the cores, fitting took 5 to 50 times as long (measured,
    # same model bytes). OpenMP reads this once, when XGBoost is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Imports make hundreds of thousands of objects that all stay: looking for garbage among them after every 700 was
    # a sixth of their time.
    gc.set_threshold(GARBAGE_AFTER)
    with leave.shortly():
        try:
            app()
        except EvergreenError as error:
            sys.stderr.write(f"evergreen: {error.line()}\n")
            raise SystemExit(int(error.exit_code)) from None
        except Crashed as error:
            sys.stderr.write(f"evergreen: {error}\n")
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
