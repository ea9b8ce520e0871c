"""The pod that a stage becomes, checked against Kubernetes' own schema, and what its end means to Airflow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

ROOT = Path(__file__).parents[2]
RUN = "2024-01-20-20260102T030405Z-0123ab"


def told(code: int, error: str = "", **summary: Any) -> dict[str, Any]:
    message = json.dumps({"exit_code": code, "summary": summary, "error": error})
    return {"end": {"exit_code": code, "message": message}}


CASES: dict[str, dict[str, Any]] = {
    "train": told(0),
    "retry": told(0) | {"attempt": 2},
    "promote": told(0) | {"stage": "promote"},
    "gpu": told(0) | {"allowance": {"cpus": 1.5, "memory": "512MiB", "tmp": "64MiB", "gpus": 2}},
    "long names": told(0) | {"model": "m" * 63, "dag_run": "scheduled__2026-01-02T03:04:05+00:00/" + "x" * 200},
    "wrong input": told(3, "a: b; do c"),
    "refused": told(4, refused=True),
    "passing fault": told(75, "a: b; do c"),
    "nothing": told(99, "a: b; do c"),
    "crash": {"end": {"exit_code": 1, "message": "Traceback\nValueError: x\n"}},
    "crash again": {"end": {"exit_code": 1, "message": "ValueError: x"}, "attempt": 2},
    "stale": {"end": {"exit_code": 1, "message": json.dumps({"exit_code": 0, "summary": {}})}},
    "no message": {"end": {"exit_code": 0, "message": None}},
    "memory": {"end": {"exit_code": 137, "reason": "OOMKilled"}},
    "killed": {"end": {"exit_code": 137}, "attempt": 3},
    "deadline": {"end": {"exit_code": 143}, "reason": "DeadlineExceeded"},
    "never started": {},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of every case, all driven in one process."""
    folder = tmp_path_factory.mktemp("pods")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW"))} | {
        "EVERGREEN_TASK_IMAGE": "registry.example.org/evergreen-tasks:1",
        "EVERGREEN_LAKE": "s3://evergreen-lake",
        "AIRFLOW_HOME": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
    }
    argv = [sys.executable, str(Path(__file__).with_name("pods.py"))]
    cases = json.dumps(list(CASES.values()))
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env, input=cases)
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("DRIVEN "))
    return dict(zip(CASES, json.loads(line.removeprefix("DRIVEN ")), strict=True))


@pytest.fixture
def spec(found) -> dict[str, Any]:
    return found["train"]["pod"]["spec"]


@pytest.fixture
def container(spec) -> dict[str, Any]:
    (only,) = spec["containers"]
    return only


@pytest.mark.parametrize("case", ["train", "promote", "gpu", "long names"])
@pytest.mark.parametrize("version", ["1.29", "1.36"])
def test_kubernetes_own_schema_accepts_it(found, case: str, version: str) -> None:
    kubernetes_validate.validate(found[case]["pod"], version, strict=True)


def test_nothing_of_the_host_and_no_privileges(spec, container) -> None:
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 10001,
    }
    assert not spec.get("hostNetwork")
    assert not {"hostPID", "hostIPC", "hostAliases", "serviceAccountName"} & set(spec)
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("Never", 3 * 3600)
    assert spec["terminationGracePeriodSeconds"] == 2


def test_one_claim_secrets_as_files_and_a_bounded_tmp(found, spec, container) -> None:
    assert spec["volumes"] == [
        {"name": "home", "persistentVolumeClaim": {"claimName": "evergreen-tasks"}},
        {"name": "secrets", "projected": {"defaultMode": 0o400, "sources": [{"secret": {"name": "evergreen-tasks"}}]}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ]
    assert container["volumeMounts"] == [
        {"name": "home", "mountPath": "/evergreen"},
        {"name": "secrets", "mountPath": "/evergreen/secrets", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    own = found["promote"]["pod"]["spec"]["volumes"]
    assert own[0]["persistentVolumeClaim"]["claimName"] == "evergreen-promote"
    assert own[1]["projected"]["sources"] == [{"secret": {"name": "evergreen-promote"}}]


def test_the_environment_has_names_and_places_only(container) -> None:
    env = {item["name"]: item["value"] for item in container["env"]}
    assert (env["EVERGREEN_SECRETS"], env["EVERGREEN_HOME"]) == ("/evergreen/secrets", "/evergreen")
    assert env["EVERGREEN_LAKE"] == "s3://evergreen-lake"
    assert not container.get("envFrom")
    assert not [item for item in container["env"] if "valueFrom" in item]


def test_limits_are_what_is_requested(found, container) -> None:
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"cpu": "2000m", "memory": "4Gi"}
    gpu = found["gpu"]["pod"]["spec"]
    expected = {"cpu": "1500m", "memory": "512Mi", "nvidia.com/gpu": "2"}
    assert gpu["containers"][0]["resources"] == {"limits": expected, "requests": expected}
    assert gpu["volumes"][2]["emptyDir"]["sizeLimit"] == "64Mi"


def test_the_command_is_the_containers(container) -> None:
    expected = ["stage", "train", "--model", "late_flights", "--run", RUN, "--params", '{"note": "x"}']
    assert container["args"] == [*expected, "--result", "/dev/termination-log"]
    assert not container.get("command")
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_every_try_has_the_same_name_and_is_found_by_the_same_labels(found) -> None:
    first, second = found["train"], found["retry"]
    assert first["pod"]["metadata"]["name"] == second["pod"]["metadata"]["name"]
    assert first["selector"] == second["selector"]
    assert first["pod"]["metadata"]["labels"]["evergreen.try"] == "1"
    assert second["pod"]["metadata"]["labels"]["evergreen.try"] == "2"
    assert first["pod"]["metadata"]["name"] != found["long names"]["pod"]["metadata"]["name"]
    labels = first["pod"]["metadata"]["labels"]
    assert labels["evergreen.task"] == "1"
    assert (labels["evergreen.model"], labels["evergreen.stage"]) == ("late_flights", "train")
    assert labels["evergreen.run"] == RUN


@pytest.mark.parametrize("case", CASES)
def test_names_and_labels_are_legal_whatever_they_are_made_of(found, case: str) -> None:
    metadata = found[case]["pod"]["metadata"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", metadata["name"])
    for value in metadata["labels"].values():
        assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)
    assert re.fullmatch(r"[0-9a-f]{64}", metadata["annotations"]["evergreen/call"])
    assert metadata["annotations"]["evergreen/deadline"].isdigit()


@pytest.mark.parametrize("case", ["train", "refused"])
def test_done_and_refused_succeed_and_only_the_runs_id_crosses(found, case: str) -> None:
    assert "raised" not in found[case]
    assert found[case]["pushed"] == {"return_value": RUN}


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("wrong input", "AirflowFailException", "late_flights train: a: b; do c"),
        ("passing fault", "AirflowException", "late_flights train: a: b; do c"),
        ("nothing", "AirflowSkipException", "late_flights train: a: b; do c"),
        ("crash", "AirflowException", "ValueError: x (ended with exit code 1)"),
        ("crash again", "AirflowFailException", "ValueError: x (ended with exit code 1)"),
        ("stale", "AirflowException", "(ended with exit code 1)"),
        ("no message", "AirflowException", "left no result"),
        ("memory", "AirflowException", "out of memory: it may use 4GiB; raise resources.train.memory in model.yaml"),
        ("killed", "AirflowException", "its pod was killed (exit code 137)"),
        ("deadline", "AirflowException", "took longer than 10800 seconds"),
        ("never started", "AirflowException", "Pod returned a failure."),
    ],
)
def test_how_a_pod_ends_becomes_airflows_words(found, case: str, kind: str, words: str) -> None:
    assert found[case]["raised"] == kind
    assert words in found[case]["message"]
