"""Property tests draw the same examples, whatever else their process has imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
DRAWS = """
import hashlib, importlib, os
from hypothesis import given, strategies
drawn = []
@given(strategies.text(), strategies.floats(), strategies.integers())
def test_draw(text, number, count):
    drawn.append(repr((text, number, count)))
def test_tell():
    print("drawn", len(drawn), hashlib.sha256("".join(drawn).encode()).hexdigest())
for name in os.environ["IMPORTED"].split():
    importlib.import_module(name)
"""


def drawn(folder: Path, **env: str) -> str:
    (folder / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (folder / "test_it.py").write_text(DRAWS)
    argv = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}"]
    env |= {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}
    done = subprocess.run(
        [*argv, str(folder)], capture_output=True, text=True, timeout=120, check=False, cwd=folder, env=os.environ | env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = [line.partition("drawn ")[2] for line in done.stdout.splitlines() if "drawn " in line]
    return told


def test_the_same_whatever_is_imported_and_however_text_is_hashed(tmp_path: Path) -> None:
    one = drawn(tmp_path, PYTHONHASHSEED="1", IMPORTED="")
    assert drawn(tmp_path, PYTHONHASHSEED="2", IMPORTED="pipelines.drift.noise pipelines.services.stack") == one
