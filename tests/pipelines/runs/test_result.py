"""The result file: whole or not there, small, and written however a stage ends but by a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import stories

from pipelines.config.settings import Settings
from pipelines.errors import InputError, NothingToDo, PassingFault
from pipelines.runs.result import LIMIT, Results, told

RUN = "2024-01-20-20260102T030405Z-0123ab"


def read(path: Path) -> dict:
    return json.loads(path.read_bytes())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_result_is_told(tmp_path: Path) -> None:
    with told(tmp_path / "a" / "r.json") as results:
        results.done(4, {"refused": True})
    assert read(tmp_path / "a" / "r.json") == {"exit_code": 4, "summary": {"refused": True}, "error": ""}
    assert names_in(tmp_path / "a") == ["r.json"]


@pytest.mark.parametrize("kind", [InputError, PassingFault, NothingToDo])
def test_an_error_is_told_and_goes_on(tmp_path: Path, kind: type) -> None:
    with pytest.raises(kind), told(tmp_path / "r.json"):
        raise kind("it broke", where="here", remedy="mend it")
    expected = {"exit_code": int(kind.exit_code), "summary": {}, "error": "here: it broke; mend it"}
    assert read(tmp_path / "r.json") == expected


def test_a_crash_leaves_no_file_not_even_an_earlier_trys(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"exit_code": 0}')
    with pytest.raises(ZeroDivisionError), told(tmp_path / "r.json"):
        raise ZeroDivisionError
    assert names_in(tmp_path) == []


def test_too_large_a_result_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="over 8192"), told(tmp_path / "r.json") as results:
        results.done(0, {"x": "y" * LIMIT})
    assert (read(tmp_path / "r.json")["exit_code"], (tmp_path / "r.json").stat().st_size < LIMIT) == (3, True)


def test_a_device_is_written_where_it_is(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    Results(Path(f"/dev/fd/{write_end}")).done(0, {"a": 1})
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        assert json.load(stream) == {"exit_code": 0, "summary": {"a": 1}, "error": ""}


def test_without_a_path_nothing_is_told() -> None:
    with told(None) as results:
        assert results is None


def test_old_results_are_swept_from_the_folder_that_containers_share(settings: Settings, tmp_path: Path) -> None:
    for folder in (settings.home / "results", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
        for name in ("old.json", "new.json", "other.txt"):
            (folder / name).touch()
        os.utime(folder / "old.json", (0, 0))
        with told(folder / "r.json") as results:
            results.done(0, {})
    assert names_in(settings.home / "results") == ["new.json", "other.txt", "r.json"]
    assert names_in(tmp_path / "elsewhere") == ["new.json", "old.json", "other.txt", "r.json"]


def test_the_command_writes_it(settings: Settings, tmp_path: Path) -> None:
    done = stories.evergreen(settings, "stage", "train", "--model", "Tiny", "--run", RUN, "--result", tmp_path / "r")
    assert done.returncode == 3
    assert done.stdout == ""
    assert read(tmp_path / "r")["error"] == done.stderr.strip().splitlines()[-1].removeprefix("evergreen: ")
