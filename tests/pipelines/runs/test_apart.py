"""Training in a process of its own: the same model and errors as in process, and nobody is left behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
import stories
import yaml
from feature_tables import make, params
from stories import Story

from pipelines.config.settings import Settings
from pipelines.errors import DataError, InputError, IntegrityError, PassingFault
from pipelines.ledger.git import Ledger
from pipelines.runs import apart, stage
from pipelines.storage.files import sha256_file, write_json

# `evergreen`, to which every table is large.
EAGER = "from pipelines.runs import apart; apart.LARGE = 0; from pipelines.cli.main import main; main()"
OUTS = ("trial.json", "release.json", "signature.json", "training.json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checked-out run that can be trained."""
    return runnable(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "schema", "large"),
    [
        ("train", {"rows": 3_000_001}, True),
        ("train", {"rows": 3_000_000}, False),
        ("evaluate", {"rows": 10_000_000}, False),
        ("train", {}, False),
        ("train", [], False),
    ],
)
def test_only_the_training_of_many_rows_is_apart(tmp_path: Path, name: str, schema: Any, large: bool) -> None:
    write_json(tmp_path / "out/features/schema.json", schema)
    assert apart.wanted(tmp_path, name) is large


def test_a_missing_schema_is_told_as_the_stage_tells_it(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"schema\.json"):
        apart.wanted(tmp_path, "train")


def test_result_and_bytes_are_those_of_the_stage_in_process(root: Path, settings: Settings, capfd: Any) -> None:
    within = stage.run(root, "train", lambda _: None).summary
    first = shas(root)
    capfd.readouterr()
    beside = apart.run(root, "train", settings, "tiny").summary
    assert shas(root) == first
    assert beside | {"seconds": 0} == within | {"seconds": 0}
    said = capfd.readouterr()
    assert " model=tiny stage=train release: " in said.err
    assert not said.out, "the result is the caller's to print"


def test_what_lies_in_the_run_stands_in_for_no_module(root: Path, settings: Settings) -> None:
    for name in ("json.py", "xgboost.py"):
        (root / name).write_text("raise SystemExit('mine')")
    assert apart.run(root, "train", settings, "tiny").summary["rounds"] > 0


def test_a_data_error_is_the_same_line_with_code_3(tmp_path: Path, settings: Settings, capfd: Any) -> None:
    root = runnable(tmp_path, change=lambda table: table.set_column(*_nulls(table, "noise")))
    with pytest.raises(DataError) as within:
        stage.run(root, "train", lambda _: None)
    with pytest.raises(InputError) as beside:
        apart.run(root, "train", settings, "tiny")
    assert beside.value.exit_code == 3
    assert beside.value.line() == within.value.line()
    assert "evergreen: " not in capfd.readouterr().err, "the error is said once, by the command"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (
            "import sys; sys.stderr.write('evergreen: the remote is away\\n'); sys.exit(75)",
            PassingFault,
            "^the remote is",
        ),
        ("import sys; sys.exit(3)", InputError, "train: ended with exit code 3"),
        ("import sys; sys.exit(7)", apart.Crashed, "exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", apart.Crashed, "was killed, as a system that runs out of memory"),
        ("import os; os.kill(os.getpid(), 11)", apart.Crashed, "signal 11"),
        ("print('done')", apart.Crashed, "without a result"),
        ("print('[1]')", apart.Crashed, "without a result"),
    ],
)
def test_every_other_end_is_told(
    tmp_path: Path, settings: Settings, monkeypatch: Any, code: str, kind: type[Exception], words: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(stand_in(tmp_path / "python", code)))
    with pytest.raises(kind, match=words):
        apart.run(tmp_path, "train", settings, "tiny")


def test_more_output_than_a_pipe_holds_stops_nobody(tmp_path: Path, settings: Settings, monkeypatch: Any) -> None:
    code = "print('x' * 300_000); print('{\"rounds\": 3, \"exit_code\": 0}')"
    monkeypatch.setattr(sys, "executable", str(stand_in(tmp_path / "python", code)))
    assert apart.run(tmp_path, "train", settings, "tiny").summary == {"rounds": 3}


def test_an_interrupted_caller_ends_its_child(tmp_path: Path, settings: Settings, monkeypatch: Any) -> None:
    code = "import os, sys, time; sys.stderr.write(f'{os.getpid()}\\n'); sys.stderr.flush(); time.sleep(60)"
    monkeypatch.setattr(sys, "executable", str(stand_in(tmp_path / "python", code)))
    heard: list[int] = []

    class Interrupted:
        def write(self, line: str) -> None:
            heard.append(int(line))
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        apart.run(tmp_path, "train", settings, "tiny")
    monkeypatch.undo()
    assert not psutil.pid_exists(heard[0])


@pytest.mark.slow
def test_a_whole_run_makes_the_same_model_apart(told: Story, tmp_path: Path) -> None:
    models = []
    for number, command in enumerate(([stories.EVERGREEN], [sys.executable, "-c", EAGER])):
        story = unasked(told, tmp_path / str(number))
        done = subprocess.run(
            [*command, *asked(story)],
            env=stories.environment(story.settings),
            capture_output=True,
            text=True,
            check=True,
        )
        report = stories.last_json(done)
        assert report["steps"]["train"]["how"] == "ran"
        assert " model=tiny stage=train release: " in done.stderr
        gates = Ledger.open(story.settings, "tiny").read(f"runs/{report['run']}", "out/evaluate/gates.json")
        models.append(json.loads(gates or b"")["model_sha256"])
    assert models[0] == models[1]


@pytest.mark.slow
def test_a_killed_parent_leaves_no_child_and_its_run_goes_on(told: Story, tmp_path: Path) -> None:
    story = unasked(told, tmp_path)
    parent, child, _ = training(story, tmp_path / "said.txt")
    parent.kill()
    assert parent.wait() == -signal.SIGKILL
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    report = stories.last_json(stories.evergreen(story.settings, *asked(story)))
    assert (report["steps"]["features"]["how"], report["steps"]["train"]["how"]) == ("kept", "ran")


@pytest.mark.slow
def test_a_killed_child_is_one_clear_line_and_another_try_goes_on(told: Story, tmp_path: Path) -> None:
    story = unasked(told, tmp_path)
    parent, child, said = training(story, tmp_path / "said.txt")
    child.kill()
    assert parent.wait(60) == 1
    last = said.read_text().strip().splitlines()[-1]
    assert last.startswith("evergreen: train: its process was killed")
    assert "Traceback" not in said.read_text()
    report = stories.last_json(stories.evergreen(story.settings, *asked(story)))
    assert (report["steps"]["features"]["how"], report["steps"]["train"]["how"]) == ("kept", "ran")


def runnable(root: Path, **more: Any) -> Path:
    """A folder with a feature table and the parameters to train on it."""
    table = make(root, rows=200, **more)
    (root / "params.yaml").write_text(yaml.safe_dump(params(table).model_dump(mode="json")))
    return root


def shas(root: Path) -> dict[str, str]:
    found = {name: sha256_file(root / "out" / "train" / name) for name in OUTS}
    shutil.rmtree(root / "out" / "train")
    return found


def stand_in(path: Path, code: str) -> Path:
    """An executable that runs `code`, whatever it is asked."""
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return path


def unasked(told: Story, target: Path) -> Story:
    """A copy of the story in which day 39 is still to be retrained."""
    return told.copy(target / "copy")


def asked(story: Story) -> list[str]:
    return ["run", "tiny", "--as-of", str(story.tiny.day(39)), "--json"]


def training(story: Story, said: Path) -> tuple[subprocess.Popen[bytes], psutil.Process, Path]:
    """A run that has just begun to train in a child process: the run, the child and the file it speaks to."""
    with said.open("w") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", EAGER, *asked(story)],
            env=stories.environment(story.settings),
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + 120
    while "stage=train labels" not in said.read_text():
        assert parent.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.005)
    (child,) = (item for item in psutil.Process(parent.pid).children() if "--here" in item.cmdline())
    return parent, child, said


def _nulls(table: pa.Table, name: str) -> tuple[int, str, pa.Array]:
    place = table.column_names.index(name)
    return place, name, pa.nulls(len(table), table.schema.field(name).type)
