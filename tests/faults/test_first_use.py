"""The first use of a fresh home: whoever comes at once makes what is missing together, and nobody fails of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stories
from support import write_tiny_model

from pipelines.registry import Registry

FIRST = """
import sys, time
from pathlib import Path
import mlflow
from pipelines.registry import Registry
Path(sys.argv[2], sys.argv[3]).touch()
while not Path(sys.argv[2], "go").exists():
    time.sleep(0.001)
print(Registry(sys.argv[1], Path(sys.argv[2])).aliases("tiny"))
"""


def test_processes_that_are_the_first_to_use_mlflow_at_once_all_can(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    argv = [sys.executable, "-W", "ignore", "-c", FIRST, uri, str(tmp_path)]
    children = [
        subprocess.Popen([*argv, f"{n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for n in range(4)
    ]
    deadline = time.monotonic() + 120
    while not all((tmp_path / f"{n}").exists() for n in range(4)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (tmp_path / "go").touch()
    said = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0] * 4, said
    assert {out.strip() for out, _ in said} == {"{}"}
    assert Registry(uri, tmp_path).aliases("tiny") == {}


@pytest.mark.slow
def test_two_models_that_begin_in_a_fresh_home_at_once_both_get_a_champion(tmp_path: Path) -> None:
    settings = stories.fresh_settings(tmp_path)
    tiny = write_tiny_model(settings)
    shutil.copytree(settings.models / "tiny", settings.models / "twin")
    env = stories.environment(settings)

    def both(*arguments: str) -> None:
        children = [
            subprocess.Popen(
                [stories.EVERGREEN, arguments[0], model, *arguments[1:]],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for model in ("tiny", "twin")
        ]
        said = [child.communicate(timeout=300) for child in children]
        assert [child.returncode for child in children] == [0, 0], said

    both("ingest", "--from", str(tiny.first), "--to", str(tiny.last))
    both("run", "--as-of", str(tiny.day(stories.AS_OF)))
    for model in ("tiny", "twin"):
        assert Registry.of(settings).aliases(model) == {"champion": 1, "challenger": 1}
