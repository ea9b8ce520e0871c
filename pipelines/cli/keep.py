"""Commands that keep ledgers safe: backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import log_line, tell
from pipelines.config import names, settings


def backup(
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the bundles go; one that is there is replaced.")],
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: every model.")] = None,
) -> None:
    """Write every ledger into one Git bundle each. Copy the DVC remote afterwards: refs come after their bytes."""
    from pipelines.config.load import model_folders
    from pipelines.ledger import backup as bundles
    from pipelines.ledger.git import Ledger

    found, say = settings.load(), log_line(stage="backup")
    for name in models or [folder.name for folder in model_folders(found.models)]:
        say(f"ledger of {name}")
        saved = bundles.save(Ledger.open(found, names.model_name(name)), to)
        tell(f"{saved.file}: {saved.refs} refs, {saved.bytes:,} bytes")


def restore(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles that `evergreen backup` wrote.")],
    root: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder of the ledgers; its server must not run.")],
) -> None:
    """Make ledgers from their bundles, in the folder of a stopped ledger server or of the embedded ledgers."""
    from pipelines.ledger import backup as kept

    for bundle in bundles:
        tell(f"{root / kept.restore(bundle, root)}.git: restored from {bundle}")


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (backup, restore):
        app.command()(command)
