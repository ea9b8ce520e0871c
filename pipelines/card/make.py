"""Makes the card of a registered version out of its run's folder."""

from __future__ import annotations

from pathlib import Path

from pipelines.card import pictures
from pipelines.card.facts import Facts
from pipelines.card.measure import drift, spread
from pipelines.card.page import render

NAME = "card.html"
# What the card reads besides small committed files: the stages whose outs must lie in the run's folder.
STAGES = ("validate", "features", "train", "evaluate")


def make(root: Path, target: Path, *, version: int, run: str, commit: str, fonts: Path) -> Path:
    """Write the card of `version`, whose run is checked out at `root`, into folder `target`; gives its path.

    `fonts` is a folder that outlives this process, for Matplotlib's list of fonts.

    Raises:
        IntegrityError: a file of the run is missing, or is not what its hash says.
    """
    pictures.prepare(fonts)
    facts = Facts.read(root, version, run, commit)
    page = render(facts, spread(root, facts), drift(root, facts))
    path = target / NAME
    path.write_bytes(page)
    return path
