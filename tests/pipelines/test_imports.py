"""A module that was put off comes when it is asked for, and what was imported is set aside once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BEFORE = "import gc, sys\nfrom pipelines import imports\n"


def said(code: str) -> list[str]:
    argv = [sys.executable, "-c", BEFORE + code]
    return subprocess.run(argv, text=True, check=True, capture_output=True, timeout=60).stdout.splitlines()


@pytest.mark.parametrize(
    "use",
    [
        "import xml.dom.expatbuilder as it; it.makeBuilder",
        "from xml.dom.expatbuilder import makeBuilder",
        "import xml.dom; xml.dom.expatbuilder.makeBuilder",
        "sys.modules['xml.dom.expatbuilder'].makeBuilder",
    ],
)
def test_a_module_that_was_put_off_is_loaded_by_its_first_use(use: str) -> None:
    seen = "it = sys.modules['xml.dom.expatbuilder']\nprint(type(it).__name__, 'xml.dom.xmlbuilder' in sys.modules)\n"
    put_off = "imports.put_off('xml.dom.expatbuilder')\nimport xml.dom.expatbuilder as it\n"
    assert said(f"{put_off}{seen}{use}\n{seen}") == ["PutOff False", "module True"]


def test_it_may_be_asked_for_while_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("import early\nhere = early.there\n")
    (tmp_path / "early.py").write_text("import late\nthere = 3\ntry: late.nothing\nexcept AttributeError: there = 4\n")
    path = f"sys.path.insert(0, {str(tmp_path)!r})\n"
    assert said(f"{path}imports.put_off('late')\nimport late\nprint(late.here, hasattr(late, 'no'))") == ["4 False"]


def test_what_is_there_stays_and_what_is_missing_is_missing() -> None:
    there = "import json.decoder as it\nimports.put_off('json.decoder')\nprint(sys.modules['json.decoder'] is it)\n"
    missing = "imports.put_off('json.no')\ntry: import json.no\nexcept ImportError as error: print(error.name)"
    assert said(there + missing) == ["True", "json.no"]


def test_what_was_imported_is_set_aside_once() -> None:
    code = "imports.set_aside()\ncount = gc.get_freeze_count()\nmore = [[] for _ in range(9)]\nimports.set_aside()\n"
    assert said(code + "print(count > 1000, gc.get_freeze_count() <= count)") == ["True True"]
