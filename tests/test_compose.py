"""What `docker-compose.yaml` promises of every service, read from the file itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.services import stack_secrets
from pipelines.services.stack_places import DATA, places

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"secrets-init", "postgres-init", "s3-init", "mlflow-init", "airflow-init", "demo"}
PINNED = re.compile(r"[a-z/]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}")
ours = pytest.mark.parametrize("name", SERVICES)


@ours
def test_a_service_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert not {"privileged", "pid", "ipc", "userns_mode", "devices"} & set(service)
    if name != "secrets-init":
        assert "cap_add" not in service
        assert str(service.get("user", "10001")).split(":")[0] != "0"


@ours
def test_a_service_is_looked_after(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"] == "no"
    else:
        # An engine that was killed stops what it finds running when it starts, and takes it for stopped by hand.
        assert service["restart"] == "always"
        assert service["healthcheck"]["test"]


@ours
def test_images_are_ours_or_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image.startswith("${EVERGREEN_") or PINNED.fullmatch(image)


@ours
def test_only_loopback_is_published(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@ours
def test_environments_hold_no_secret(name: str) -> None:
    for variable, value in (SERVICES[name].get("environment") or {}).items():
        secret = re.search(r"PASSWORD|SECRET|KEY|CONN|BROKER_URL|RESULT_BACKEND|TOKEN", variable)
        assert not secret or variable.endswith(("_FILE", "_CMD")) or variable == "EVERGREEN_SECRETS", variable
        assert not re.search(r"://[^/]*:[^/]*@", str(value)), variable


def test_a_lost_heartbeat_is_noticed_within_a_minute() -> None:
    """The timeout counts from the last heartbeat, which may be two intervals old when the process is killed."""
    told = SERVICES["airflow-scheduler"]["environment"]
    timeout = int(told["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"])
    looked = int(told["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL"])
    assert timeout + looked + 2 * int(told["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"]) < 60


def test_stopping_the_stack_keeps_its_volumes() -> None:
    recipe = re.search(r"^stack-down:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    assert " down" in recipe[1]
    assert not {"-v", "--volumes", "prune", "rm"} & set(recipe[1].split())


def test_the_gpu_image_differs_in_xgboosts_wheel_alone() -> None:
    cpu, gpu = (
        set(re.findall(r"^([a-z0-9.-]+==\S+)", (ROOT / f"requirements-{name}.lock").read_text(), re.MULTILINE))
        for name in ("tasks", "tasks-gpu")
    )
    (ours,), (theirs,) = cpu - gpu, gpu - cpu
    assert (ours.split("==")[0], theirs.split("==")[0]) == ("xgboost-cpu", "xgboost")
    assert ours.split("==")[1] == theirs.split("==")[1]


def test_docker_is_within_reach_of_who_starts_tasks_alone() -> None:
    holders = [name for name, service in SERVICES.items() if "docker.sock" in str(service.get("volumes"))]
    assert holders == ["docker-proxy"]
    near = {name for name, service in SERVICES.items() if "engine" in service.get("networks", [])}
    assert near == {"docker-proxy", "airflow-scheduler", "airflow-worker"}
    assert COMPOSE["networks"]["tasks"]["internal"] is True


def test_task_containers_reach_no_more_than_they_need() -> None:
    near = {name for name, service in SERVICES.items() if "tasks" in service.get("networks", [])}
    assert near == {"s3", "ledger", "mlflow"}


def test_every_volume_is_filled_and_each_secret_goes_to_one_service(tmp_path: Path) -> None:
    stack_secrets.ensure(tmp_path)
    mounted = {mount.split(":")[1].removeprefix("/volumes/") for mount in SERVICES["secrets-init"]["volumes"][1:]}
    assert mounted == {*places(tmp_path), *DATA}
    for name in ("postgres", "redis", "s3", "ledger", "mlflow"):
        who = {item for item, service in SERVICES.items() if f"secrets-{name}:/run" in str(service.get("volumes"))}
        assert who == {name}


def test_the_promoters_login_is_where_airflows_own_tasks_run_and_nowhere_else_in_airflow() -> None:
    mounts = {name: str(service.get("volumes")) for name, service in SERVICES.items()}
    assert {name for name in mounts if "secrets-scheduler:/run" in mounts[name]} == {
        "airflow-scheduler",
        "airflow-worker",
    }
    # Each of the two has one folder of secrets, and all else that Airflow's services share.
    for name in ("airflow-scheduler", "airflow-worker"):
        shared = {mount for mount in SERVICES["airflow-api"]["volumes"] if not mount.startswith("secrets-")}
        assert {mount for mount in SERVICES[name]["volumes"] if not mount.startswith("secrets-")} == shared
        assert "secrets-airflow" not in mounts[name]
