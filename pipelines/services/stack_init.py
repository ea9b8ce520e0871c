"""One-shots of the stack: what its servers must have before the first run. Each may be repeated.

After a secret was rotated they log in with the old one and set the new one.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, PassingFault, shorten
from pipelines.services.stack_secrets import PREVIOUS
from pipelines.storage.s3 import S3, S3Place

Say = Callable[[str], None]
T = TypeVar("T")
ROLES = {"airflow": ("airflow",), "mlflow": ("mlflow", "mlflow_auth")}
BUCKETS = ("evergreen-lake", "evergreen-store", "evergreen-predictions", "evergreen-mlflow")
# Whoever is killed while uploading in parts leaves them behind: MLflow, which knows no way to abort them later.
ABORT_UPLOADS = {
    "ID": "abort-unfinished-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
PATIENCE_SECONDS = 60.0
TIMEOUT = 15.0


def postgres(secrets: Path, host: str, say: Say, port: int = 5432) -> None:
    """The roles of Airflow and MLflow with their passwords, and their databases.

    Raises:
        PassingFault: the server does not answer, or lets nobody in.
    """
    from psycopg2.sql import SQL, Identifier, Literal

    with _superuser(secrets, host, port) as cursor:
        cursor.execute(SQL("ALTER ROLE postgres PASSWORD {}").format(Literal(_get(secrets, "postgres"))))
        for role, databases in ROLES.items():
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            if not cursor.fetchone():
                cursor.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
            password = Literal(_get(secrets, f"postgres-{role}"))
            cursor.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), password))
            for database in databases:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if not cursor.fetchone():
                    cursor.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(database), Identifier(role)))
                cursor.execute(SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(Identifier(database)))
            say(f"postgres: role {role} with {', '.join(databases)}")


def s3(settings: Settings, say: Say) -> None:
    """The buckets; a new one has the server abort uploads that are unfinished after a day, where it knows how to.

    Raises:
        ConfigError: our keys may not make them.
        PassingFault: the server does not answer.
    """
    opened = S3.open(settings)

    def listed() -> set[str]:
        with opened.asking(S3Place("", "")):
            return {bucket["Name"] for bucket in opened.client.list_buckets()["Buckets"]}

    there = _patiently(listed)
    for name in BUCKETS:
        if name not in there:
            with opened.asking(S3Place(name, "")):
                opened.client.create_bucket(Bucket=name)
            _tidied(opened, name, say)
        say(f"s3: bucket {name}")


def _tidied(opened: S3, name: str, say: Say) -> None:
    rules = {"Rules": [ABORT_UPLOADS]}
    try:
        with opened.asking(S3Place(name, "")):
            opened.client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=rules)
    except ConfigError:
        say(f"s3: bucket {name} keeps unfinished uploads: this server has no rules that abort them")


def mlflow(secrets: Path, address: str, say: Say) -> None:
    """The user `tasks`, and the admin's password.

    Raises:
        ConfigError: no password of the admin's is right.
        PassingFault: the server does not answer.
    """
    users = f"{address.rstrip('/')}/api/2.0/mlflow/users"
    admin = _admin(users, secrets)
    password = _get(secrets, "mlflow-tasks")
    if _ask("GET", f"{users}/get?username=tasks", admin) is None:
        _ask("POST", f"{users}/create", admin, {"username": "tasks", "password": password})
    else:
        _ask("PATCH", f"{users}/update-password", admin, {"username": "tasks", "password": password})
    say("mlflow: user tasks")


def _admin(users: str, secrets: Path) -> tuple[str, str]:
    """The admin's login; where only the one before the rotation works, it is changed."""
    now, old = ("admin", _get(secrets, "mlflow-admin")), secrets / f"mlflow-admin{PREVIOUS}"
    for login in (now, *([("admin", old.read_text())] if old.exists() else [])):
        try:
            _ask("GET", f"{users}/get?username=admin", login)
        except ConfigError:
            continue
        if login != now:
            # Whoever changes a password of their own says the old one again.
            new = {"username": "admin", "password": now[1], "current_password": login[1]}
            _ask("PATCH", f"{users}/update-password", login, new)
        return now
    raise ConfigError("the admin's password is another", where=users, remedy="restore the secret mlflow-admin")


@contextmanager
def _superuser(secrets: Path, host: str, port: int) -> Iterator[Any]:
    import psycopg2

    old = secrets / f"postgres{PREVIOUS}"
    passwords = [_get(secrets, "postgres"), *([old.read_text()] if old.exists() else [])]

    def connect() -> Any:
        for password in passwords:
            try:
                return psycopg2.connect(host=host, port=port, user="postgres", password=password, connect_timeout=5)
            except psycopg2.OperationalError as error:
                last = error
        raise PassingFault(f"lets nobody in: {last}".splitlines()[0], where=host, remedy="see its log")

    connection = _patiently(connect)
    try:
        connection.autocommit = True  # a database cannot be made within a transaction
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _ask(method: str, url: str, login: tuple[str, str], body: dict[str, str] | None = None) -> Any:
    """The answer as JSON; None where there is no such thing."""
    word = base64.b64encode(":".join(login).encode()).decode()
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - the stack's own address

    def once() -> Any:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == HTTPStatus.NOT_FOUND:
                    return None
                if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    told = shorten(error.read(2000).decode("utf-8", "replace"), 120)
                    raise ConfigError(f"answered {error.code}: {told}", where=url, remedy="see its log") from None
                raise PassingFault(f"answered {error.code}", where=url, remedy="see its log") from None
        except OSError as error:
            raise PassingFault(f"does not answer: {error}", where=url, remedy="see its log") from None

    return _patiently(once)


def _patiently(ask: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except PassingFault:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _get(secrets: Path, name: str) -> str:
    return (secrets / name).read_text(encoding="ascii").strip()
