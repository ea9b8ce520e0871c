"""A real Airflow and a real MLflow on loopback: the forms refuse nonsense, and a model goes from data to champion."""

from __future__ import annotations

import contextlib
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflows import client, ended, fetched, shared, stage_process, wait
from support import FIRST, write_tiny_model

from pipelines import services
from pipelines.config import settings as configuration
from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import Airflow
from pipelines.errors import ConfigError
from pipelines.ledger import Ledger
from pipelines.ledger import champion as champions
from pipelines.services import airflow_config, components, ports, processes

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]
LAST = (FIRST + timedelta(days=39)).isoformat()
WRONG = [
    {"as_of": "yesterday"},
    {"as_of": "2013-02-30"},
    {"as_of": 20130301},
    {"train_days": 0},
    {"train_days": 4},
    {"train_days": "20"},
    {"train_days": 20.5},
    {"train_days": 10**30},
    {"test_days": -1},
    {"promotion": "yes"},
    {"hpo_trials": 1001},
    {"hpo_trials": None},
    {"note": "x" * 501},
    {"note": "two\nlines"},
    {"note": "line\n"},
    {"note": "nul\u0000"},
    {"note": 7},
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The services, with models `tiny` and `other` and the broken folder `bad`."""
    with shared(tmp_path_factory) as settings:
        for name in ("tiny", "other"):
            write_tiny_model(settings, name, place="real")
        (settings.models / "bad").mkdir()
        yield settings


@pytest.fixture(scope="module")
def airflow(settings: Settings) -> Airflow:
    airflow = client(settings)
    for dag in (f"{model}__{kind}" for model in ("tiny", "other") for kind in ("ingest", "retrain", "promote")):
        wait(lambda dag=dag: airflow.knows(dag))
    return airflow


def answer(airflow: Airflow, dag: str, conf: dict[str, Any]) -> int:
    """The HTTP status with which a trigger is answered."""
    airflow.knows(dag)
    try:
        airflow._patiently("POST", f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return HTTPStatus.OK


@pytest.fixture(scope="module")
def ingested(airflow: Airflow) -> Airflow:
    """Both models' 40 days taken in through their DAGs, at the same time."""
    for name in ("tiny", "other"):
        airflow.trigger(f"{name}__ingest", "all", {"from": FIRST.isoformat(), "to": LAST})
    assert {ended(airflow, f"{name}__ingest", "all") for name in ("tiny", "other")} == {"success"}
    return airflow


@pytest.fixture(scope="module")
def retrained(ingested: Airflow) -> Airflow:
    """Both models retrained, triggered together, and whatever that started."""
    for name in ("tiny", "other"):
        ingested.trigger(f"{name}__retrain", "first", {"as_of": "2024-02-04"})
    assert {ended(ingested, f"{name}__retrain", "first") for name in ("tiny", "other")} == {"success"}
    return ingested


def test_nothing_listens_off_loopback(settings: Settings) -> None:
    records = processes.load(settings.home / "services.json").values()
    family = processes.tree(records)
    assert len(family) >= 5
    assert ports.exposed(family) == []
    heard = set()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # a task's process that has ended meanwhile
            heard |= {c.laddr.port for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert {settings.airflow_port, settings.mlflow_port} <= heard


def test_up_again_changes_nothing_and_takes_no_time(settings: Settings) -> None:
    before, said = services.status(settings), []
    began = time.monotonic()
    services.up(settings, said.append)
    assert time.monotonic() - began < 2
    assert services.status(settings) == before
    assert "up already" in said[0]


def test_a_taken_port_is_named_with_the_setting(settings: Settings, tmp_path: Path) -> None:
    env = {"EVERGREEN_HOME": str(tmp_path), "EVERGREEN_MLFLOW_PORT": str(settings.mlflow_port)}
    with pytest.raises(ConfigError, match=f"port {settings.mlflow_port} is taken by process .*EVERGREEN_MLFLOW_PORT"):
        services.up(configuration.load(env), lambda _: None)
    assert "running" not in str(services.status(configuration.load(env)))


def test_secrets_are_for_the_owner_alone_and_in_no_log(settings: Settings) -> None:
    home = airflow_config.folder(settings)
    for name in ("airflow.cfg", "keys.json", "passwords.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    password = airflow_config.read_login(settings).password.encode()
    assert not [log for log in (settings.home / "logs").iterdir() if password in log.read_bytes()]


def test_a_wrong_login_is_refused(settings: Settings) -> None:
    stranger = Airflow(components.airflow_address(settings), "admin", "guess")
    with pytest.raises(Exception, match="401"):
        stranger.knows("tiny__retrain")


@pytest.mark.parametrize("conf", WRONG, ids=lambda conf: str(conf)[:40])
def test_the_retrain_form_refuses_nonsense_with_400(airflow: Airflow, conf: dict[str, Any]) -> None:
    assert answer(airflow, "tiny__retrain", conf) == 400


@pytest.mark.parametrize(
    ("dag", "conf"),
    [
        ("tiny__ingest", {}),
        ("tiny__ingest", {"from": "../../etc"}),
        ("tiny__ingest", {"from": "2024-01-01", "to": "soon"}),
        ("tiny__promote", {"run": "../../x"}),
        ("tiny__promote", {"run": "2024-01-01-20240101T000000Z-abcdef\n"}),
    ],
)
def test_the_other_forms_do_too(airflow: Airflow, dag: str, conf: dict[str, Any]) -> None:
    assert answer(airflow, dag, conf) == 400


def test_a_broken_folder_is_a_visible_dag(airflow: Airflow) -> None:
    wait(lambda: airflow.knows("bad__broken"))
    assert not airflow.knows("bad__retrain")
    airflow.trigger("bad__broken", "look", {})
    assert ended(airflow, "bad__broken", "look") == "failed"


def test_a_model_goes_from_data_to_champion(settings: Settings, retrained: Airflow) -> None:
    ((dag, run),) = wait(lambda: retrained.caused("tiny__retrain", "first"))
    assert dag == "tiny__promote"
    assert ended(retrained, dag, run) == "success"
    champion = champions.current(Ledger.open(settings, "tiny"))
    assert champion is not None
    assert champion.version == 1
    assert champion.run.startswith("2024-02-04-")
    wait(lambda: retrained.announced(dag, run))


def test_the_task_that_registers_links_to_the_model_card(retrained: Airflow) -> None:
    found = retrained._ask("GET", "/dags/tiny__retrain/dagRuns/first/taskInstances/register/links") or {}
    assert found["extra_links"]["Model card"].endswith("card.html"), found


def test_runs_of_different_models_overlap(retrained: Airflow) -> None:
    spans = [retrained.times(f"{name}__retrain", "first") for name in ("tiny", "other")]
    assert max(start for start, _ in spans) < min(end for _, end in spans)


def test_a_refused_challenger_ends_green_and_starts_nothing(settings: Settings, retrained: Airflow) -> None:
    wait(lambda: champions.current(fetched(settings, "other")))
    before = champions.current(fetched(settings, "other"))
    file = settings.models / "other" / "model.yaml"
    file.write_text(file.read_text().replace("floors: {auc: 0.55}", "floors: {auc: 0.9999}"))
    retrained.trigger("other__retrain", "refused", {"as_of": "2024-02-09"})
    assert ended(retrained, "other__retrain", "refused") == "success"
    assert retrained.announced("other__retrain", "refused") == 0
    assert champions.current(fetched(settings, "other")) == before


def test_the_same_trigger_fifty_times_is_one_run(retrained: Airflow) -> None:
    body = {"as_of": "2024-02-04"}
    before = runs_of(retrained, "tiny__retrain")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: retrained.trigger("tiny__retrain", "again", body), range(50)))
    # At most one: where the answer was lost, the second asking finds the run made.
    assert sum(made) <= 1
    assert runs_of(retrained, "tiny__retrain") - before == {"again"}
    # The ledger knows the recipe: nothing to do, every task is skipped.
    assert ended(retrained, "tiny__retrain", "again") == "success"
    assert {task.state for task in retrained.tasks("tiny__retrain", "again")} == {"skipped"}


def test_a_stage_killed_with_its_task_is_taken_up_again(settings: Settings, retrained: Airflow) -> None:
    retrained.trigger("tiny__retrain", "killed", {"as_of": "2024-02-09"})
    stage = wait(lambda: stage_process(settings, "tiny", "train"))
    began = datetime.now().timestamp()
    stage.kill()
    assert ended(retrained, "tiny__retrain", "killed") == "success"
    tasks = {task.name: task.attempt for task in retrained.tasks("tiny__retrain", "killed")}
    assert tasks["train"] == 2
    assert tasks["features"] == 1
    assert datetime.now().timestamp() - began < 200


def runs_of(airflow: Airflow, dag: str) -> set[str]:
    found = airflow._ask("GET", f"/dags/{dag}/dagRuns?limit=100") or {}
    return {run["dag_run_id"] for run in found["dag_runs"]}
