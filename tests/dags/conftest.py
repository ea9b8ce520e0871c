"""Parsing the DAG folder in a process with an Airflow of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """`parse(models, dag_id=None, **settings)`: what the DAG folder holds for these models, or for one task's DAG.

    Asked the same again, it answers the same: whoever asks looks, and changes nothing.
    """

    @cache
    def run(models: Path, dag_id: str | None = None, **settings: str) -> dict[str, Any]:
        home = tmp_path_factory.mktemp("airflow")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "EVERGREEN_"))}
        env = kept | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "EVERGREEN_HOME": str(home / "evergreen"),
            "EVERGREEN_MODELS": str(models),
            **settings,
        }
        if dag_id:
            env["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = dag_id
        script = Path(__file__).with_name("parse.py")
        argv = [sys.executable, str(script), str(ROOT / "dags")]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("PARSED "))
        found: dict[str, Any] = json.loads(line.removeprefix("PARSED "))
        return found

    return run
