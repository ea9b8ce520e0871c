"""`up`, `down` and `status` of the embedded services: MLflow and the components of Airflow, on loopback only."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, EvergreenError, PassingFault
from pipelines.services import airflow_config, components, ports, processes
from pipelines.services.components import Component
from pipelines.services.processes import Record

Progress = Callable[[str], None]
START_SECONDS = 180.0
POLL_SECONDS = 0.25
SAY_SECONDS = 2.0


def up(settings: Settings, progress: Progress) -> None:
    """Start what is not running, wait until everything answers, and check that nothing listens off loopback.

    Raises:
        ConfigError: a port is taken, or something listens where others could reach it (then all is stopped again).
        PassingFault: a component ended or did not answer in time; the message ends with the tail of its log.
    """
    with _alone(settings, progress):
        running = _running(settings)
        # What a component that died has left behind would work beside its successor.
        processes.stop([record for name, record in _recorded(settings).items() if name not in running])
        wanted = [components.mlflow(settings), *components.airflow(settings)]
        missing = [item for item in wanted if item.name not in running]
        if not missing:
            progress(f"services are up already: {_addresses(settings)}")
            return
        if "mlflow" not in running:
            ports.require_free(settings.mlflow_port, "EVERGREEN_MLFLOW_PORT")
        if "api-server" not in running:
            ports.require_free(settings.airflow_port, "EVERGREEN_AIRFLOW_PORT")
        try:
            _start(settings, missing, running, progress)
        except BaseException:
            # Also when interrupted: half a set of services is of no use and would hold the ports.
            processes.stop(list(running.values()))
            processes.save(_file(settings), {})
            raise
        progress(f"services are up: {_addresses(settings)}")


def down(settings: Settings, progress: Progress) -> None:
    """Stop what `up` started, and everything below it; nothing else, however it is called."""
    with _alone(settings, progress):
        records = list(_recorded(settings).values())
        if not processes.tree(records):
            progress("services are not running")
            return
        progress(f"stopping {', '.join(record.name for record in records)}")
        count = processes.stop(records)
        processes.save(_file(settings), {})
        progress(f"stopped {count} processes")


def status(settings: Settings) -> dict[str, str]:
    """Per component `running (pid …)` or `stopped`, and the two addresses."""
    running = _running(settings)
    names = ["mlflow", *(item.name for item in components.airflow(settings))]
    found = {name: f"running (pid {running[name].pid})" if name in running else "stopped" for name in names}
    return found | {"airflow": components.airflow_address(settings), "mlflow_page": components.mlflow_address(settings)}


def _start(settings: Settings, missing: list[Component], running: dict[str, Record], progress: Progress) -> None:
    began = time.time()
    settings.artifacts.mkdir(parents=True, exist_ok=True)
    airflow_config.write(settings)

    def launch(item: Component) -> None:
        running[item.name] = processes.start(item.name, item.argv, item.env, _log(settings, item.name), item.folder)
        processes.save(_file(settings), running)

    # MLflow needs no database of Airflow's: it starts while that is being made.
    for item in missing:
        if item.name == "mlflow":
            launch(item)
    _migrate(settings, progress)
    for item in missing:
        if item.name != "mlflow":
            launch(item)
    _wait(settings, missing, running, began, progress)
    exposed = ports.exposed(processes.tree(running.values()))
    if exposed:
        raise ConfigError(
            f"listens beyond loopback: {', '.join(exposed)}",
            where="services",
            remedy="all were stopped; see docs/operate.md",
        )


def _wait(
    settings: Settings, items: list[Component], running: dict[str, Record], began: float, progress: Progress
) -> None:
    waiting, said = list(items), time.monotonic()
    deadline = said + START_SECONDS
    while waiting:
        for item in items:
            _alive(settings, item.name, running[item.name])
        waiting = [item for item in waiting if not item.answers(began)]
        if time.monotonic() - said >= SAY_SECONDS and waiting:
            said = time.monotonic()
            progress(f"waiting for {', '.join(item.name for item in waiting)} ({time.time() - began:.0f} s)")
        if time.monotonic() > deadline and waiting:
            late = waiting[0].name
            raise PassingFault(
                f"does not answer after {START_SECONDS:.0f} s: {processes.tail(_log(settings, late))}",
                where=late,
                remedy=f"see {_log(settings, late)}",
            )
        time.sleep(POLL_SECONDS if waiting else 0)


def _alive(settings: Settings, name: str, record: Record) -> None:
    if record.process() is None:
        raise PassingFault(
            f"ended while starting: {processes.tail(_log(settings, name))}",
            where=name,
            remedy=f"see {_log(settings, name)}",
        )


def _migrate(settings: Settings, progress: Progress) -> None:
    """Bring Airflow's database to this version; a no-op, and not even started, when it was done for this version."""
    done = airflow_config.folder(settings) / f"migrated-{_airflow_version()}"
    if done.exists() and (airflow_config.folder(settings) / "airflow.db").exists():
        return
    log, said = _log(settings, "migrate"), time.monotonic()
    began = said
    argv = [components.script("airflow"), "db", "migrate"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=components.airflow_environment(settings)
        )
        while child.poll() is None:
            if time.monotonic() - said >= SAY_SECONDS:
                said = time.monotonic()
                progress(f"preparing Airflow's database ({said - began:.0f} s)")
            time.sleep(0.1)
    if child.returncode:
        raise EvergreenError(f"airflow db migrate failed: {processes.tail(log)}", where="airflow", remedy=f"see {log}")
    done.touch()


def _airflow_version() -> str:
    from importlib.metadata import version

    return version("apache-airflow-core")


def _running(settings: Settings) -> dict[str, Record]:
    return {name: record for name, record in _recorded(settings).items() if record.process()}


def _recorded(settings: Settings) -> dict[str, Record]:
    return processes.load(_file(settings))


def _addresses(settings: Settings) -> str:
    return f"Airflow {components.airflow_address(settings)}, MLflow {components.mlflow_address(settings)}"


def _file(settings: Settings) -> Path:
    return settings.home / "services.json"


def _log(settings: Settings, name: str) -> Path:
    return settings.home / "logs" / f"{name}.log"


@contextmanager
def _alone(settings: Settings, progress: Progress) -> Iterator[None]:
    """Hold the lock under which services are started and stopped: two at once would start two of each."""
    import fcntl

    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "services.lock").open("w") as lock:
        said = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - said >= SAY_SECONDS:
                    said = time.monotonic()
                    progress("waiting for another `evergreen up` or `down` to finish")
                time.sleep(POLL_SECONDS)
        yield


__all__ = ["down", "status", "up"]
