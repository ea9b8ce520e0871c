"""MLflow: its server as its clients see it, or the embedded database.

It is asked over HTTP and SQL: importing MLflow's own client takes longer than all checks together.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipelines.config import secrets
from pipelines.config.settings import Settings, sqlite_file
from pipelines.doctor.base import Check, Finding, fail, ok, public, warn
from pipelines.doctor.web import Answer, ask
from pipelines.errors import ConfigError, PassingFault

_API = "/api/2.0"
_REGISTRY = f"{_API}/mlflow/registered-models/search?max_results=1"
_FIRST_EXPERIMENT = f"{_API}/mlflow/experiments/get?experiment_id=0"
# Nothing is there; a list of it makes the server ask its store, with its keys.
_ARTIFACTS = f"{_API}/mlflow-artifacts/artifacts?path=doctor"


def checks(settings: Settings) -> list[Check]:
    """The checks of this family."""
    return [Check("MLflow", partial(registry, settings))]


def registry(settings: Settings) -> Finding:
    """The registry can be read, by an MLflow of our version."""
    uri = settings.mlflow_uri.rstrip("/")
    if uri.startswith(("http://", "https://")):
        return _server(settings, uri)
    if (file := sqlite_file(uri)) is not None:
        return _database(file)
    return warn(f"{public(uri)} is not looked at", "name an MLflow server, http(s)://, in EVERGREEN_MLFLOW_URI")


def _server(settings: Settings, uri: str) -> Finding:
    login = secrets.login(settings, secrets.MLFLOW)
    theirs = _asked(uri, "/version", login).text
    registered = _asked(uri, _REGISTRY, login)
    try:
        json.loads(registered.body)
    except ValueError:
        return fail(f"what answers at {public(uri)} is not MLflow", "let EVERGREEN_MLFLOW_URI name MLflow's server")
    artifacts = "its clients write artifacts themselves"
    if b'"mlflow-artifacts:' in ask(f"{uri}{_FIRST_EXPERIMENT}", login).body:
        _asked(uri, _ARTIFACTS, login)
        artifacts = "its artifact store answers"
    ours = _our_version()
    if theirs != ours:
        return warn(f"{public(uri)} is MLflow {theirs}, ours is {ours}", "run the same version on both sides")
    return ok(f"{public(uri)}, version {theirs}, registry readable, {artifacts}")


def _asked(uri: str, path: str, login: tuple[str, str] | None) -> Answer:
    """A good answer; raises ConfigError or PassingFault for any other."""
    answer, where = ask(f"{uri}{path}", login), public(f"{uri}{path}")
    if answer.status == 200:
        return answer
    if answer.status == 401:
        raise ConfigError(
            "MLflow does not accept our login" if login else "MLflow asks for a login",
            where=where,
            remedy="put username= and password= into the file `mlflow` of EVERGREEN_SECRETS",
        )
    if answer.status == 403 and "host" in answer.text.lower():
        raise ConfigError("MLflow refuses this host name", where=where, remedy="add it to its --allowed-hosts")
    if answer.status == 403:
        raise ConfigError("MLflow lets this user not read it", where=where, remedy="give it the right to")
    if answer.status >= 500 or answer.status == 429:
        raise PassingFault(f"MLflow answers {answer.status}", where=where, remedy="see its log, database and store")
    raise ConfigError(f"answers {answer.status}, as MLflow would not", where=where, remedy="see EVERGREEN_MLFLOW_URI")


def _database(file: Path) -> Finding:
    if not file.exists():
        above = next(parent for parent in file.parents if parent.exists())
        if not above.is_dir():
            return fail(f"{above} is no folder, so {file.name} cannot be made in it", "move away what stands there")
        return ok(f"{file} is made by the first run")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            if not database.execute("select 1 from sqlite_master where name = 'registered_models'").fetchone():
                return ok(f"{file} is empty: the first run fills it")
            found = database.execute("select count(*) from registered_models").fetchone()[0]
    except sqlite3.OperationalError as error:
        return fail(f"{file}: {error}", "see its rights and its disk", passing="locked" in str(error))
    except sqlite3.DatabaseError as error:
        return fail(f"{file}: {error}", "restore it, or remove it: `evergreen stage register` logs runs again")
    return ok(f"{file}, {found} registered models")


def _our_version() -> str:
    try:
        return version("mlflow")
    except PackageNotFoundError:
        return version("mlflow-skinny")
