"""In which order the modules are tested, and which stories go on meanwhile.

A story, once it has been triggered, is mostly waiting: for the scheduler, for one container after the other. So those
that leave each other alone are begun together, each in a thread of its own (conftest.py), and other tests work
meanwhile. What breaks a part of the machine, and what is judged by its seconds, has the machine to itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """Modules that are tested one after the other, after these stories have begun."""

    modules: Sequence[str]
    stories: Sequence[str] = ()


TURNS = (
    Turn(["docker_proxy"], ["coming_up"]),
    Turn(["story"]),
    Turn(
        ["limits", "concurrency", "bad_files", "hardening", "roles", "secrets"],
        ["asking", "watching", "rogue", "keeping"],
    ),
    # The first needs the ledger, which goes away once S3 is back.
    Turn(
        ["same_model", "container_task", "images", "ledger_away", "s3_away", "s3_faults"],
        ["away", "failing", "headless"],
    ),
    Turn(["machine", "kills", "restore", "with_celery"]),
)


def place(module: str) -> int:
    """Where `test_<module>.py` stands in the order; raises ValueError for one that nobody has given a turn."""
    return [f"test_{name}" for turn in TURNS for name in turn.modules].index(module)


def stories(module: str, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those that have ended, and those that have begun, when `test_<module>.py` is tested: of the stories `wanted`."""
    names = set(wanted)
    now = next(index for index, turn in enumerate(TURNS) if module.removeprefix("test_") in turn.modules)
    ended = [name for turn in TURNS[:now] for name in turn.stories if name in names]
    return ended, [name for name in TURNS[now].stories if name in names]
