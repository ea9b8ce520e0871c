"""`evergreen stage NAME --here`: a stage in a run that somebody checked out, with no workspace around it."""

from __future__ import annotations

from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

from pipelines.config import settings
from pipelines.config.names import model_name
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, ExitCode
from pipelines.ledger import stamps
from pipelines.ledger.command import git
from pipelines.ledger.git import Ledger
from pipelines.ledger.outs import fetch_files
from pipelines.ledger.workspace import CHAMPION_FILES
from pipelines.runs import stage
from pipelines.stages.context import Progress, StageResult
from pipelines.storage.files import read_json

_REMOTE = "'remote \"store\"'"


def run_here(root: Path, name: str, say: Progress) -> StageResult:
    """Run stage `name` in the checked-out run `root`; what the `cmd` lines of `dvc.yaml` call.

    Raises:
        ConfigError: `root` is no checked-out run.
        EvergreenError: as the stage does.
    """
    stage.params_of(root)
    if name == stage.LAST:
        _bring_champion(root)
    # A refused challenger is a result that DVC must record like any other.
    return StageResult(ExitCode.DONE, stage.run(root, name, say).summary)


def _bring_champion(root: Path) -> None:
    """The files of the champion that the run was judged against, from the ledger it was cloned from."""
    judged = read_json(root / "champion" / "champion.json")["champion"]
    missing = {path: root / "champion" / name for path, name in CHAMPION_FILES.items()}
    if judged is None or all(path.is_file() for path in (*missing.values(), *stamps.named(root))):
        return
    origin = git(root, "remote", "get-url", "origin").decode().strip()
    folder, _, repository = origin.rstrip("/").rpartition("/")
    found = _settings(root, folder)
    ledger = Ledger.open(found, model_name(repository.removesuffix(".git")))
    fetch_files(found, ledger, f"runs/{judged['run']}", missing)
    stamps.bring(found, ledger, root)


def _settings(root: Path, ledgers: str) -> Settings:
    """Where ledger and bytes are is said by the run; how servers are reached, and with which secrets, by the machine.

    Where the machine names no endpoint for S3, the one in the folder's own `.dvc/config.local` counts.
    """
    config = ConfigParser(interpolation=None)
    config.read(root / ".dvc" / name for name in ("config", "config.local"))
    if _REMOTE not in config:
        raise ConfigError("names no remote `store`", where=".dvc/config", remedy="check the run's tag out again")
    remote, known = config[_REMOTE], settings.load()
    s3 = replace(known.s3, endpoint=known.s3.endpoint or remote.get("endpointurl"))
    home = root / ".dvc" / "tmp" / "evergreen"
    return replace(known, home=home, ledgers=ledgers, dvc_remote=remote["url"], s3=s3)
