"""What the documents name is there: tests, commands, and sums that are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from pipelines.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
SCORE = (ROOT / "docs" / "ml-test-score.md").read_text()
POINTS = {"1": 1.0, "½": 0.5, "0": 0.0}
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SCORE)))
COMMANDS = sorted(set(re.findall(r"`evergreen ([\w-]+)`", SCORE)))


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_a_named_test_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), file
    assert re.search(rf"^\s*def {name}\(", path.read_text(), re.MULTILINE), f"{file} has no {name}"


def test_the_named_commands_exist() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert COMMANDS
    assert set(COMMANDS) <= known


def test_points_sections_and_total_add_up() -> None:
    sections = re.findall(r"^## (\w+): ([\d.]+) of 7\n(.*?)(?=^## |\Z)", SCORE, re.MULTILINE | re.DOTALL)
    assert [name for name, _, _ in sections] == ["Data", "Model", "Infrastructure", "Monitoring"]
    sums = []
    for name, told, text in sections:
        points = re.findall(r"^\| \d .*\| (1|½|0) \|$", text, re.MULTILINE)
        assert len(points) == 7, name
        sums.append(sum(POINTS[point] for point in points))
        assert float(told) == sums[-1], name
    total = re.search(r"\*\*Score: ([\d.]+)\*\*", SCORE)
    assert total
    assert float(total[1]) == min(sums)
