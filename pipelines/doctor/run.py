"""Runs all checks at once, each in a thread of its own and bounded in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines.config import settings as configuration
from pipelines.config.settings import Settings
from pipelines.doctor import configured, engine, ledger, machine, mlflow, storage
from pipelines.doctor.base import Check, Finding, Report, Result, fail, of_error
from pipelines.errors import ConfigError, EvergreenError, shorten

AT_ONCE = 16
SAY_SECONDS = 2.0
_POLL_SECONDS = 0.05
# A server that does not answer is named by its own check, not by ours that ran out of time.
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 2, 3, 2

Say = Callable[[str], None]


def examine(environ: Mapping[str, str] | None, say: Say) -> Report:
    """Look at everything that the settings in `environ` (default: the process's) name; `say` tells of long waits."""
    try:
        settings = configuration.load(environ)
    except ConfigError as error:
        return Report((Result.of("settings", of_error(error), 0.0),))
    return run(checks(settings), say)


def checks(settings: Settings) -> list[Check]:
    """Every check that fits `settings`."""
    s3 = settings.s3
    reach = replace(
        s3,
        connect_seconds=min(s3.connect_seconds, _CONNECT_SECONDS),
        read_seconds=min(s3.read_seconds, _READ_SECONDS),
        attempts=min(s3.attempts, _ATTEMPTS),
    )
    brief = replace(settings, s3=reach)
    return [
        *configured.checks(brief),
        *storage.checks(brief),
        *ledger.checks(brief),
        *mlflow.checks(brief),
        *engine.checks(brief),
        *machine.checks(brief),
    ]


def run(wanted: Sequence[Check], say: Say) -> Report:
    """The results of `wanted`, in its order. What a check raises is what it found."""
    looks = [_Look(check) for check in wanted]
    waiting, began, said = list(looks), time.monotonic(), time.monotonic()
    while unfinished := [look for look in looks if not look.over]:
        for look in waiting[: max(0, AT_ONCE - (len(unfinished) - len(waiting)))]:
            look.start()
            waiting.remove(look)
        if time.monotonic() - said >= SAY_SECONDS:
            said = time.monotonic()
            names = ", ".join(look.check.name for look in unfinished)
            say(f"still looking at {shorten(names, 160)} ({said - began:.0f} s)")
        time.sleep(_POLL_SECONDS)
    return Report(tuple(look.result() for look in looks))


@dataclass
class _Look:
    """One check at work. Its thread cannot be stopped, so a late one is left behind; it ends with the process."""

    check: Check
    began: float = 0.0
    ended: float = 0.0
    finding: Finding | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        return self.began > 0 and (self.done.is_set() or time.monotonic() - self.began > self.check.seconds)

    def start(self) -> None:
        self.began = time.monotonic()
        threading.Thread(target=self._work, name=f"doctor {self.check.name}", daemon=True).start()

    def result(self) -> Result:
        if self.done.is_set() and self.finding is not None:
            return Result.of(self.check.name, self.finding, self.ended - self.began)
        late = fail(
            f"no answer within {self.check.seconds:.0f} s", "see whether it is up and can be reached", passing=True
        )
        return Result.of(self.check.name, late, self.check.seconds)

    def _work(self) -> None:
        try:
            self.finding = self.check.look()
        except EvergreenError as error:
            self.finding = of_error(error)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self.finding = fail(f"{where}{error.strerror or error}", "see what stands there, and its rights")
        except Exception as error:  # a check that breaks must not hide what the others find
            self.finding = fail(f"the check broke: {error!r}", "report this")
        self.ended = time.monotonic()
        self.done.set()
