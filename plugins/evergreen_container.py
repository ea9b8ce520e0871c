"""A stage in a container that outlives its task: the next try finds it by its name and goes on with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from evergreen_body import body_of, call_of, result_path
from evergreen_engine import TASK_LABEL, Engine, NameTaken, labels
from evergreen_runtime import LINE_LIMIT, Job, Outcome, Say, outcome_of, printable

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, ExitCode, PassingFault

T = TypeVar("T")
# A restarting engine is back within this; a longer absence is left to the next try.
PATIENCE_SECONDS = 60
FIRST_POLL_SECONDS, POLL_SECONDS = 0.2, 1.0
# Where a retry finds a container ended so, the stage need not run again.
_FINAL = (ExitCode.DONE, ExitCode.REFUSED, ExitCode.NOTHING)
_CONTRACT = frozenset(int(code) for code in ExitCode)
# Ended by SIGKILL or SIGTERM: the init process passes that on as 128 and the signal.
SIGKILLED = 137
_KILLED = (SIGKILLED, 143)
# So long a busy engine may take to hear from the kernel that it was memory.
OOM_SECONDS = 3.0


@dataclass
class ContainerRuntime:
    """Runs one job on one engine."""

    engine: Engine
    settings: Settings
    _name: str = ""
    _stopped: bool = False
    _interrupted: bool = False

    def run(self, job: Job, say: Say) -> Outcome:
        """Run the job in a container of its own, or go on with the one that an earlier try left.

        Raises:
            PassingFault: the engine went away, or somebody ended the container; another try goes on with what is left.
            ConfigError: the engine, or the proxy before it, refuses the container.
        """
        self._name = job.name
        container = self._obtain(job, say)
        try:
            state, last = self._follow(container, say)
            outcome = self._outcome(job, container, state, last)
        except PassingFault:
            raise  # what still runs on an engine that is away is for the next try
        except BaseException:
            self.engine.remove(container)
            raise
        self._clear(container, say)
        return outcome

    def stop(self, spare: Callable[[], Engine]) -> None:
        """End and remove the container, within three seconds; may be called from a signal handler.

        `spare` makes another client: the one in use may be in the middle of an answer.
        """
        self._stopped = True
        if self._name:
            engine = spare()
            engine.stop(self._name)
            engine.remove(self._name)

    def _obtain(self, job: Job, say: Say) -> str:
        """The id of the job's container: running, ended with an answer, or just started."""
        image = self._image()
        for _ in range(3):
            found = self.engine.state(job.name)
            try:
                if found is not None and self._usable(found, job, say):
                    return str(found["Id"])
                return self._start(job, image, say)
            except NameTaken:
                continue
        raise PassingFault("its name is taken again and again", where=job.name, remedy="see who else starts it")

    def _usable(self, found: dict[str, Any], job: Job, say: Say) -> bool:
        """Whether an earlier try's container can be taken over; what cannot is removed, fenced off first if it runs."""
        theirs, state = labels(found), found["State"]
        if theirs.get(TASK_LABEL) != "1":
            raise ConfigError("a container that is no task of ours has this name", where=job.name, remedy="rename it")
        same = theirs.get("evergreen.call") == call_of(job, self.settings.containers.image or "")
        which = f"container {job.name} of try {theirs.get('evergreen.try')}"
        if same and state["Status"] in ("created", "running"):
            # One that is not started yet is another process's that is just about to, or died before it could.
            self.engine.start(found["Id"])
            say(f"re-attached to {which}, which still runs; its log from the beginning:")
            return True
        if same and state["Status"] == "exited" and state["ExitCode"] in _FINAL:
            say(f"{which} has ended meanwhile; its log and its result:")
            return True
        say(f"removing {which}, which {'runs another call' if state['Running'] else 'has ended'}")
        self.engine.stop(found["Id"])
        self.engine.remove(found["Id"])
        return False

    def _start(self, job: Job, image_id: str, say: Say) -> str:
        container = self.engine.create(body_of(self.engine.client, self.settings, job, image_id), job.name)
        try:
            if self._stopped:
                raise self._told_to_stop()
            self.engine.start(container)
        except BaseException:
            self.engine.remove(container)
            raise
        say(f"started container {job.name}")
        return container

    def _image(self) -> str:
        image = self.settings.containers.image
        if image is None:
            raise ConfigError("no image is named", where="EVERGREEN_TASK_IMAGE", remedy="name what `make images` made")
        return self.engine.image_id(image)

    def _follow(self, container: str, say: Say) -> tuple[dict[str, Any], str]:
        """Say every line until the container has ended; its state and its last line.

        Short questions, not one long answer: an engine, or a proxy, that restarts in between is simply asked again.
        """
        log, last, pause = _Log(self.engine, container), "", FIRST_POLL_SECONDS
        while True:
            found = self._patiently(lambda: self.engine.state(container))
            if found is None:
                raise PassingFault("its container was taken away", where=self._name, remedy="it is tried again")
            for line in self._patiently(log.news):
                last = line
                say(line)
            if not found["State"]["Running"]:
                return found["State"], last
            time.sleep(pause)
            pause = min(pause * 1.2, POLL_SECONDS)

    def _out_of_memory(self, container: str, state: dict[str, Any]) -> bool:
        """Whether the kernel killed it for its memory: a busy engine hears of that after it has seen the end."""
        until = time.monotonic() + OOM_SECONDS
        while not state["OOMKilled"] and state["ExitCode"] == SIGKILLED and time.monotonic() < until:
            time.sleep(FIRST_POLL_SECONDS)
            found = self._patiently(lambda: self.engine.state(container))
            if found is None:
                break
            state = found["State"]
        return bool(state["OOMKilled"])

    def _outcome(self, job: Job, container: str, state: dict[str, Any], last: str) -> Outcome:
        data = self._patiently(lambda: self.engine.file(container, result_path(job)))
        outcome = outcome_of(int(state["ExitCode"]), data, last)
        if outcome.code in _CONTRACT:
            return outcome
        if self._out_of_memory(container, state):
            remedy = f"raise resources.{job.stage}.memory in model.yaml"
            return Outcome(outcome.code, None, f"out of memory: it may use {job.allowance.memory}; {remedy}")
        if self._interrupted or outcome.code in _KILLED:
            self.engine.remove(container)
            raise PassingFault(f"its container was killed (exit code {outcome.code})", where=job.name)
        return outcome

    def _clear(self, container: str, say: Say) -> None:
        """Remove what has ended. An engine that is away just now must not turn a result into a failure."""
        try:
            self.engine.remove(container)
        except PassingFault as error:
            say(f"left for the reaper: {error.line()}")

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer to a question that changes nothing, asked again while the engine is away for a while."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self._stopped:
                raise self._told_to_stop()
            try:
                return ask()
            except PassingFault:
                self._interrupted = True
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def _told_to_stop(self) -> PassingFault:
        return PassingFault("Airflow stopped the task", where=self._name)


@dataclass
class _Log:
    """The lines of a container's log, each once."""

    engine: Engine
    container: str
    _since: int = 0
    _seen: set[bytes] = field(default_factory=set)

    def news(self) -> list[str]:
        """The lines written since the last call."""
        lines = [line for line in self.engine.log(self.container, self._since).split(b"\n") if line]
        fresh = [line for line in lines if line not in self._seen]
        if lines:
            # From the second before the newest on: the two streams of a container may be a little out of order.
            self._since = max(map(_second, lines)) - 1
            self._seen = {line for line in lines if _second(line) >= self._since}
        texts = (printable(line.partition(b" ")[2][:LINE_LIMIT].decode("utf-8", "replace")) for line in fresh)
        return [text for text in texts if text]


def _second(line: bytes) -> int:
    """The whole second that a line of the log begins with, as 2026-11-03T10:00:00.123456789Z; 0 where it has none."""
    try:
        return int(datetime.fromisoformat(f"{line[:19].decode()}+00:00").timestamp())
    except ValueError:
        return 0
