"""Settings, secrets and model folders: can they be read, and by nobody else."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.config import secrets
from pipelines.config.load import load_model, model_folders
from pipelines.config.settings import Settings
from pipelines.doctor.base import Check, Finding, fail, ok, warn
from pipelines.errors import ConfigError

_FILES = (secrets.AWS, secrets.LEDGER, secrets.MLFLOW)


def checks(settings: Settings) -> list[Check]:
    """The checks of this family."""
    return [
        Check("settings", partial(named, settings)),
        Check("secrets", partial(secret_files, settings)),
        Check("models", partial(models, settings)),
    ]


def named(settings: Settings) -> Finding:
    """All settings could be read. An address holds no login: whoever sees the environment would see it."""
    addresses = {
        "EVERGREEN_LAKE": settings.lake,
        "EVERGREEN_LEDGERS": settings.ledgers,
        "EVERGREEN_DVC_REMOTE": settings.dvc_remote,
        "EVERGREEN_PREDICTIONS": settings.predictions,
        "EVERGREEN_MLFLOW_URI": settings.mlflow_uri,
        "EVERGREEN_S3_ENDPOINT": settings.s3.endpoint or "",
    }
    for name, value in addresses.items():
        try:
            password = urlsplit(value).password
        except ValueError as error:
            return fail(f"{name} is no address: {error}", "write scheme://host:port")
        if password is not None:
            return warn(f"{name} holds a password", "move it to a file of EVERGREEN_SECRETS")
    return ok(f"home {settings.home}, runtime {settings.runtime}")


def secret_files(settings: Settings) -> Finding:
    """The folder and its files exist, can be read by us and not by everybody, and hold what they should."""
    if settings.secrets is None:
        return ok("EVERGREEN_SECRETS names no folder: no server asks for a login")
    folder = settings.secrets
    if not folder.is_dir():
        return fail(f"{folder} is not a folder", "let EVERGREEN_SECRETS name the folder of secret files")
    # Links are followed: Kubernetes lays secrets out behind them.
    open_to_all = [path for path in (folder, *_present(folder)) if path.stat().st_mode & stat.S_IRWXO]
    if open_to_all:
        path = open_to_all[0]
        return fail(f"{path} has mode {stat.S_IMODE(path.stat().st_mode):04o}", f"chmod o-rwx {path}")
    for name in (secrets.LEDGER, secrets.MLFLOW):
        secrets.login(settings, name)
    for path in _present(folder):
        path.read_bytes()
    return ok(f"{', '.join(path.name for path in _present(folder)) or 'no files'} in {folder}")


def models(settings: Settings) -> Finding:
    """Every model folder can be read."""
    folders = model_folders(settings.models)
    broken: list[ConfigError] = []
    for folder in folders:
        try:
            load_model(folder)
        except ConfigError as error:
            broken.append(error)
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        return fail(f"{broken[0].where}: {broken[0].what}{more}", broken[0].remedy)
    return ok(", ".join(folder.name for folder in folders) or "none yet: `evergreen new` drafts one")


def _present(folder: Path) -> list[Path]:
    return [folder / name for name in _FILES if (folder / name).exists()]
