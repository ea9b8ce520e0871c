"""Which service of the stack gets which secret: each service has a volume of its own, which no other mounts.

Runs as root in the one-shot `secrets-init`, the only container that sees all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipelines.config.secrets import PROMOTER, SIGNERS, SIGNING
from pipelines.services.stack_secrets import NAMES, PREVIOUS, read

# Users of our images, of PostgreSQL's and of Redis's.
US, POSTGRES, REDIS = 10001, 70, 999
# Volumes of ours that hold data: an engine gives a fresh one to root.
DATA = ("tasks", "promote", "ledger-data", "s3-data", "airflow-home", "airflow-logs")
# What the names of secrets with the URLs of alerts begin with.
ALERTS = "alerts"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """The files of one volume and who reads them; they lie in its folder `below`."""

    files: dict[str, str]
    owner: int = US
    below: str = "."


def places(secrets: Path) -> dict[str, Place]:
    """What each volume shall hold; raises ConfigError where a secret is missing."""
    get = {name: read(secrets, name) for name in NAMES}
    # With these the one-shots log in once more after a rotation.
    old = {f"{name}{PREVIOUS}": secrets / f"{name}{PREVIOUS}" for name in ("postgres", "mlflow-admin")}
    aws = {"aws-credentials": _aws(get["s3-access-key"], get["s3-secret-key"])}
    task = aws | {"ledger": _login("tasks", get["ledger-tasks"]), "mlflow": _login("tasks", get["mlflow-tasks"])}
    promoter = {"ledger": _login("promoter", get["ledger-promoter"])}
    database = f"airflow:{quote(get['postgres-airflow'], safe='')}@postgres:5432/airflow"
    # The channels of alerts, as models name them: only Airflow's side reaches anything outside.
    alerts = {path.name: f"{read(secrets, path.name)}\n" for path in sorted(secrets.glob(f"{ALERTS}*"))}
    # What an operator may put there: who signs champions, and whose signatures count.
    signers, signing = _if_there(secrets, SIGNERS), _if_there(secrets, SIGNING)
    airflow = alerts | {
        "database": f"postgresql+psycopg2://{database}",
        "celery-results": f"db+postgresql://{database}",
        "celery-broker": f"redis://:{quote(get['redis'], safe='')}@redis:6379/0",
        "ledger": task["ledger"],
        **{name: get[name] for name in ("airflow-fernet", "airflow-api", "airflow-jwt")},
    }
    first = ("postgres", "postgres-airflow", "postgres-mlflow", "mlflow-admin", "mlflow-tasks", "airflow-admin")
    return {
        "postgres": Place({"postgres": get["postgres"]}, POSTGRES),
        "redis": Place({"redis": get["redis"]}, REDIS),
        "s3": Place({name: get[name] for name in ("s3-access-key", "s3-secret-key")}),
        "ledger": Place({"ledger-tasks": task["ledger"], "ledger-promoter": promoter["ledger"]}),
        "mlflow": Place(aws | {name: get[name] for name in ("postgres-mlflow", "mlflow-admin", "mlflow-session")}),
        "airflow": Place(airflow),
        # Where Airflow's own tasks run, among them the one that records what a person answered.
        "scheduler": Place(airflow | {PROMOTER: promoter["ledger"]}),
        "init": Place(
            aws
            | {"ledger": task["ledger"]}
            | {name: get[name] for name in first}
            | {name: path.read_text(encoding="ascii") for name, path in old.items() if path.exists()}
        ),
        "tasks": Place(task | signers, below="secrets"),
        "promote": Place(task | promoter | signers | signing, below="secrets"),
    }


def put(secrets: Path, volumes: Path, say: Say) -> None:
    """Give every volume below `volumes` what it shall hold, and nothing else; may be repeated."""
    for name in DATA:
        os.chown(volumes / name, US, US)
        (volumes / name).chmod(0o750)
    for name, place in places(secrets).items():
        folder = volumes / name / place.below
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if path.name not in place.files:
                path.unlink()
        for file, text in place.files.items():
            _write(folder / file, text, place.owner)
        os.chown(folder, place.owner, place.owner)
        folder.chmod(0o500)
        say(f"{name}: {len(place.files)} files for user {place.owner}")


def _write(path: Path, text: str, owner: int) -> None:
    """In one step: a service that is starting again must never read half a secret."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="ascii") as file:
        file.write(text)
    os.chown(temporary, owner, owner)
    temporary.replace(path)


def _if_there(secrets: Path, name: str) -> dict[str, str]:
    return {name: f"{read(secrets, name)}\n"} if (secrets / name).exists() else {}


def _login(user: str, password: str) -> str:
    return f"username={user}\npassword={password}\n"


def _aws(key: str, secret: str) -> str:
    return f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
