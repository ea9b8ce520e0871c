"""The scheduler is killed while a stage runs: whoever starts the services again finds the run go on by itself. Where
its database is locked for a while, nobody has to.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from airflows import client, ended, fetched, shared, stage_process, wait
from support import FIRST, write_tiny_model

from pipelines import services
from pipelines.config.settings import Settings
from pipelines.night.ingest import ingest
from pipelines.services import airflow_config, processes

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1200)]
MODEL = "headless"
LOCKED = 20  # seconds; SQLite's own patience is 5


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The services, with nobody else at work there, and a model with its days."""
    with shared(tmp_path_factory, alone=True) as settings:
        write_tiny_model(settings, MODEL, place=MODEL)
        ingest(settings, MODEL, FIRST, FIRST + timedelta(days=39), lambda _: None)
        yield settings


def test_a_killed_scheduler_is_started_again_and_the_run_goes_on(settings: Settings) -> None:
    airflow, dag = client(settings), f"{MODEL}__retrain"
    wait(lambda: airflow.knows(dag))
    airflow.trigger(dag, "killed", {"as_of": "2024-02-07"})
    wait(lambda: stage_process(settings, MODEL, "train"))
    scheduler = processes.load(settings.home / "services.json")["scheduler"].process()
    assert scheduler is not None
    scheduler.kill()
    scheduler.wait(10)
    services.up(settings, lambda _: None)
    assert ended(airflow, dag, "killed") == "success"
    runs = [name for name in fetched(settings, MODEL).tags() if name.startswith("runs/2024-02-07-")]
    assert len(runs) == 1


def test_a_database_locked_for_a_while_ends_nobody(settings: Settings) -> None:
    records = processes.load(settings.home / "services.json")
    with closing(sqlite3.connect(airflow_config.folder(settings) / "airflow.db", timeout=60)) as database:
        database.execute("begin immediate")
        time.sleep(LOCKED)
        database.rollback()
    # Who has waited in vain ends some seconds later.
    time.sleep(5)
    assert [name for name, record in records.items() if record.process() is None] == []
    airflow, dag = client(settings), f"{MODEL}__ingest"
    wait(lambda: airflow.knows(dag))
    airflow.trigger(dag, "later", {"from": FIRST.isoformat(), "to": FIRST.isoformat()})
    assert ended(airflow, dag, "later") == "success"
