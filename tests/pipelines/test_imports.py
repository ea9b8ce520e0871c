"""A module that was put off comes when it is asked for, and what was imported is set aside once."""

from __future__ import annotations

import subprocess
import sys

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
    seen = "print(hasattr(sys.modules['xml.dom.expatbuilder'], '__loader__'), 'xml.dom.xmlbuilder' in sys.modules)\n"
    put_off = "imports.put_off('xml.dom.expatbuilder')\nprint('xml.dom.xmlbuilder' in sys.modules)\n"
    assert said(f"{put_off}{use}\n{seen}") == ["False", "True True"]


def test_what_is_there_stays_and_what_is_missing_is_missing() -> None:
    there = "import json.decoder as it\nimports.put_off('json.decoder')\nprint(sys.modules['json.decoder'] is it)\n"
    missing = "imports.put_off('json.no')\ntry: import json.no\nexcept ImportError as error: print(error.name)"
    assert said(there + missing) == ["True", "json.no"]


def test_what_was_imported_is_set_aside_once() -> None:
    code = "imports.set_aside()\ncount = gc.get_freeze_count()\nmore = [[] for _ in range(9)]\nimports.set_aside()\n"
    assert said(code + "print(count > 1000, gc.get_freeze_count() <= count)") == ["True True"]
