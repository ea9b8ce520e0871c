"""`evergreen stage NAME --here`: a stage in a run that somebody checked out, with no workspace around it."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from pipelines.config import settings
from pipelines.config.names import model_name
from pipelines.errors import ConfigError, ExitCode
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
    if judged is None or all(target.is_file() for target in missing.values()):
        return
    origin = git(root, "remote", "get-url", "origin").decode().strip()
    folder, _, repository = origin.rstrip("/").rpartition("/")
    found = settings.load(
        {
            "EVERGREEN_HOME": str(root / ".dvc" / "tmp" / "evergreen"),
            "EVERGREEN_LEDGERS": folder,
            "EVERGREEN_DVC_REMOTE": _remote(root),
        }
    )
    ledger = Ledger.open(found, model_name(repository.removesuffix(".git")))
    fetch_files(found, ledger, f"runs/{judged['run']}", missing)


def _remote(root: Path) -> str:
    config = ConfigParser()
    config.read(root / ".dvc" / "config")
    if _REMOTE not in config:
        raise ConfigError("names no remote `store`", where=".dvc/config", remedy="check the run's tag out again")
    return config[_REMOTE]["url"]
