"""Every error Evergreen raises on purpose, each with the exit code of the stage contract.

EvergreenError
├── InputError              3   data, configuration or arguments are wrong; never retried
│   ├── ConfigError             a model folder or a setting
│   ├── DataError               a partition or a window of data
│   └── IntegrityError          bytes that are not what the ledger says
│       └── UnreadableRecord    a record that is no document of its kind, or larger than any is
├── GateRefusal             4   a gate said no; a recorded answer, not a fault
├── PassingFault           75   try again later: a server away, a lease held, a push refused
│   ├── LeaseHeld
│   └── PushRefused
└── NothingToDo            99   the work is already done

Crashed                     1   a process of ours was killed or fell over: no answer of anybody's
"""

from __future__ import annotations

from enum import IntEnum

MESSAGE_LIMIT = 300
VALUE_LIMIT = 80


class ExitCode(IntEnum):
    """What a stage's exit status means to whoever started it."""

    DONE = 0
    INPUT = 3
    REFUSED = 4
    PASSING = 75
    NOTHING = 99


class EvergreenError(Exception):
    """Says what was wrong, where and what to do, in one line of at most 300 characters."""

    exit_code: ExitCode = ExitCode.INPUT

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(self.line())

    def line(self) -> str:
        """The whole message on one line, shortened in the middle of `what` before anything else is lost."""
        head = f"{self.where}: " if self.where else ""
        tail = f"; {self.remedy}" if self.remedy else ""
        room = max(40, MESSAGE_LIMIT - len(head) - len(tail))
        text = " ".join(f"{head}{shorten(self.what, room)}{tail}".split())
        return shorten(text, MESSAGE_LIMIT)


class InputError(EvergreenError):
    """Data, configuration or arguments are wrong."""


class ConfigError(InputError):
    """A model folder or a setting is wrong."""


class DataError(InputError):
    """A partition or a window of data is wrong."""


class IntegrityError(InputError):
    """Bytes are not what the ledger says they are."""


class UnreadableRecord(IntegrityError):
    """A record of a ledger, or a file of a run, cannot be read as what it should be."""


class GateRefusal(EvergreenError):
    """A gate refused the challenger."""

    exit_code = ExitCode.REFUSED


class PassingFault(EvergreenError):
    """Something that should heal by itself: try again with backoff."""

    exit_code = ExitCode.PASSING


class LeaseHeld(PassingFault):
    """Another run of the same model is in progress."""


class PushRefused(PassingFault):
    """The ledger moved between our reading and our writing."""


class Crashed(RuntimeError):
    """A process of ours ended as none of the contract does. No `EvergreenError`: retried once, as any crash is."""


class NothingToDo(EvergreenError):
    """The work asked for is already done."""

    exit_code = ExitCode.NOTHING


def shorten(text: str, limit: int = VALUE_LIMIT) -> str:
    """`text` cut in its middle to at most `limit` characters; for offending values in messages."""
    if len(text) <= limit:
        return text
    keep = limit - 1
    return f"{text[: keep - keep // 3]}…{text[len(text) - keep // 3 :]}"
