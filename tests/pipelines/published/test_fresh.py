"""A process of its own, where Evergreen is not: what it says, and what becomes of one that says nothing."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from pipelines.config.settings import PROJECT
from pipelines.errors import Crashed, PassingFault
from pipelines.ledger.code import closure
from pipelines.published import build, fresh


def test_the_evaluate_stage_is_another_where_what_is_published_changes():
    assert {fresh.MODULE, build.MODULE} <= closure(PROJECT, "pipelines.stages.evaluate")


def test_a_process_that_hangs_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(fresh, "SECONDS", 0.001)
    assert fresh.run(tmp_path)[1] == "it gave no answer within 0.001 s"


def test_a_killed_process_is_no_verdict_on_the_model(monkeypatch, tmp_path):
    killed = subprocess.CompletedProcess([], -signal.SIGKILL, "", "")
    monkeypatch.setattr(fresh.subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(Crashed, match="runs out of memory"):
        fresh.run(tmp_path)


def test_a_full_disk_is_no_verdict_on_the_model(monkeypatch, tmp_path):
    full = subprocess.CompletedProcess([], 1, "", "Traceback\nOSError: [Errno 28] No space left on device: '/tmp/x'")
    monkeypatch.setattr(fresh.subprocess, "run", lambda *_, **__: full)
    with pytest.raises(PassingFault, match="no space left"):
        fresh.run(tmp_path)


def test_scores_of_another_shape_or_no_numbers_all_differ(tmp_path):
    np.save(tmp_path / "scores.npy", np.array([0.5, np.nan], np.float32))
    same = np.array([0.5, np.nan], np.float32)
    assert fresh.differing(tmp_path / "scores.npy", same) == 1
    assert fresh.differing(tmp_path / "scores.npy", same[:1]) == 1


@pytest.mark.parametrize("prepared", [True, False])
def test_evergreen_cannot_be_imported_there(prepared: bool, tmp_path):
    """Neither from the folder of the project, nor where an installation from its source would find it."""
    (tmp_path / "site-packages" / "pipelines").mkdir(parents=True)
    (tmp_path / "site-packages" / "pipelines" / "__init__.py").touch()
    lines = [
        f"import sys; sys.path.append({str(fresh.SCRIPT.parent)!r}); import ask",
        "sys.modules.pop('sklearn', None)",
        f"ask._prepare({[*fresh._packages(), str(tmp_path / 'site-packages')]!r})"
        if prepared
        else f"sys.path.append({str(tmp_path / 'site-packages')!r})",
        "ask.alone()",
    ]
    command = [sys.executable, "-I", "-S", "-B", "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is prepared
    assert prepared or "Evergreen is there" in done.stderr
