"""What is paid before any work: `evergreen --help`, and Airflow's parsing of the DAG folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from statistics import median

from benchmarks.homes import BIN, MODEL
from benchmarks.report import Result, Target
from benchmarks.timing import middle, timed
from pipelines.config import settings as configuration
from pipelines.config.settings import PROJECT, child_environment

HELPS = 10
FOLDERS = 100
BROKEN = "model_050"


def help_page(work: Path) -> Result:
    """`evergreen --help`, ten times."""
    env = child_environment(configuration.load())
    runs = [timed([str(BIN / "evergreen"), "--help"], env, work / "help.log") for _ in range(HELPS)]
    walls = sorted(run.wall for run in runs)
    notes = [f"{HELPS} runs, {walls[0]:.2f} to {walls[-1]:.2f} s."]
    return Result("help", [Target("evergreen --help", middle(runs), 0.5, "s")], {}, notes, {"wall_s": walls})


def dags(work: Path, repeats: int) -> Result:
    """The DAG folder with 100 model folders, one of them broken, parsed as Airflow's processor does."""
    models, home = work / "dags" / "models", work / "dags" / "home"
    for folder in (models, home):
        shutil.rmtree(folder, ignore_errors=True)
    for number in range(FOLDERS):
        shutil.copytree(PROJECT / "include" / "models" / MODEL, models / f"model_{number:03d}")
    broken = models / BROKEN / "model.yaml"
    broken.write_text(broken.read_text() + "\ncolour: green\n")
    settings = configuration.load({"EVERGREEN_HOME": str(home), "EVERGREEN_MODELS": str(models)})
    env = child_environment(settings) | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    }
    argv = [sys.executable, "-m", "benchmarks.parse_dags", str(PROJECT / "dags")]
    runs = [timed(argv, env, work / "dags" / "parse.log") for _ in range(repeats)]
    found = [run.json() for run in runs]
    last = found[-1]
    spoilt = 3 * (FOLDERS - 1) - last["dags"]
    targets = [
        Target(f"parsing {FOLDERS} model folders, all files", median(item["seconds"] for item in found), 3, "s"),
        Target("DAGs that the broken folder took with it", spoilt, 0, ""),
        Target("error DAGs for the broken folder, short of one", abs(1 - len(last["broken"])), 0, ""),
    ]
    files = {name: median(item["files"][name] for item in found) for name in last["files"]}
    notes = [
        f"{last['dags']} DAGs; the broken folder shows as {', '.join(last['broken'])}; "
        f"import errors: {len(last['errors'])}.",
        f"Importing Airflow itself, once a process and not part of it: {last['import']:.1f} s.",
    ]
    return Result("dags", targets, {"by file": files}, notes, {"runs": found})
