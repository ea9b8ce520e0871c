"""What `evergreen new` refuses, in which words, and that a refusal leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafting import columns, drafted, write

from pipelines.authoring.new import draft
from pipelines.authoring.source import Request
from pipelines.config.model import Validation
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, DataError


def table(days: int = 30, rows: int = 20, **more: object) -> pa.Table:
    """A small file with a column `y` of yes and no; `more` replaces or adds columns."""
    random = np.random.default_rng(3)
    data = columns(random, days, rows)
    data["y"] = pa.array(random.random(days * rows) < 0.4)
    return pa.table(data | more)


def size(data: pa.Table) -> int:
    return data.num_rows


N = 600
REFUSED: dict[str, tuple[Callable[[], pa.Table], dict[str, str], str]] = {
    "no such label": (table, {"label": "memeber"}, "no column 'memeber'.*member"),
    "no such time": (table, {"time": "At"}, "no column 'At'.*at"),
    "label is time": (table, {"label": "at"}, "cannot be both"),
    "one value": (lambda: table(y=pa.array([True] * N)), {}, "every value is True.*nothing to learn"),
    "all null": (lambda: table(y=pa.nulls(N, pa.bool_())), {}, "all 600 values are null"),
    "untyped nulls": (lambda: table(y=pa.nulls(N)), {}, "all 600 values are null"),
    "time as label": (table, {"label": "joined"}, "cannot be a label: it is timestamp"),
    "free text as label": (table, {"label": "remark"}, "text with more than 20 different values"),
    "too few days": (lambda: table(days=12), {}, "holds 12 days of at with rows, at least 20"),
    "labels end early": (
        lambda: table(y=pa.array([n % 3 == 0 if n < 200 else None for n in range(N)])),
        {},
        "labels reach 1. days into the file's 30; at least 16",
    ),
    "newest days of one class": (
        lambda: table(y=pa.array([n < 50 and n % 2 == 0 for n in range(N)])),
        {},
        "hold one value of y only",
    ),
    "time is a number": (lambda: table(at=pa.array(range(N))), {}, "is int64, not a time.*seconds since 1970"),
    "time is no time": (lambda: table(at=["soon"] * N), {}, "600 of 600 texts in at are no times, such as 'soon'"),
    "event without time": (
        lambda: table(at=pa.array([None] + [datetime(2024, 1, 1, tzinfo=UTC)] * (N - 1))),
        {},
        "1 of 600 event times are null",
    ),
    "time of another age": (
        lambda: table(at=pa.array([0] * N, pa.timestamp("us"))),
        {},
        "at: all 600 rows are of 1970-01-01; fillers for missing times",
    ),
    "infinite": (lambda: table(price=[float("inf")] + [1.0] * (N - 1)), {}, "price: 1 of 600 values are infinite"),
    "nested": (lambda: table(tags=[["a"]] * N), {}, "'tags' is nested"),
    "case twins": (lambda: table(Shop=["a"] * N), {}, "'shop' and 'Shop' differ in case only"),
    "no rows": (lambda: table().slice(0, 0), {}, "holds no rows"),
}


def left_behind(settings: Settings) -> list[Path]:
    found = [path for root in (settings.models, Path(settings.lake)) if root.is_dir() for path in root.iterdir()]
    return sorted(found)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_clear_words_and_without_a_trace(settings: Settings, tmp_path: Path, case: str) -> None:
    make, options, message = REFUSED[case]
    with pytest.raises((ConfigError, DataError), match=message) as refusal:
        drafted(settings, make(), tmp_path / "data.parquet", **options)
    assert len(str(refusal.value)) <= 300
    assert left_behind(settings) == []


@pytest.mark.parametrize("name", ["../up", "Upper", "a b", "", "x" * 80, "naïve", "a\n"])
def test_an_illegal_name_reaches_no_path(settings: Settings, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="not a legal model name"):
        drafted(settings, table(), tmp_path / "data.parquet", name=name)
    assert left_behind(settings) == []


def test_a_model_that_is_there_is_never_touched(settings: Settings, tmp_path: Path) -> None:
    drafted(settings, table(), tmp_path / "data.parquet")
    before = {path: path.read_bytes() for path in settings.models.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="a model of this name is there already"):
        drafted(settings, table(days=40), tmp_path / "data.parquet")
    assert {path: path.read_bytes() for path in settings.models.rglob("*") if path.is_file()} == before


def test_a_link_to_nowhere_counts_as_there(settings: Settings, tmp_path: Path) -> None:
    settings.models.mkdir(parents=True)
    (settings.models / "draft").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is there already"):
        drafted(settings, table(), tmp_path / "data.parquet")
    assert not (tmp_path / "nowhere").exists()


def test_a_lake_folder_of_other_data_is_never_touched(settings: Settings, tmp_path: Path) -> None:
    other = write(table(), Path(settings.lake) / "draft" / "2024-01-01.parquet")
    before = other.read_bytes()
    with pytest.raises(ConfigError, match="a lake folder of this name is there already"):
        drafted(settings, table(), tmp_path / "data.parquet")
    assert other.read_bytes() == before
    assert list(other.parent.iterdir()) == [other]
    assert not settings.models.exists() or not list(settings.models.iterdir())


def test_a_draft_cut_short_between_lake_and_folder_is_taken_up(settings: Settings, tmp_path: Path) -> None:
    drafted(settings, table(), tmp_path / "data.parquet")
    files = {path.name: path.read_bytes() for path in (Path(settings.lake) / "draft").iterdir()}
    for path in (settings.models / "draft").iterdir():
        path.unlink()
    (settings.models / "draft").rmdir()
    report, _ = drafted(settings, table(), tmp_path / "data.parquet")
    assert report.files == len(files)
    assert {path.name: path.read_bytes() for path in (Path(settings.lake) / "draft").iterdir()} == files


@pytest.mark.parametrize("kind", ["missing", "folder", "link", "text", "cut", "empty"])
def test_a_source_that_is_no_parquet_file(settings: Settings, tmp_path: Path, kind: str) -> None:
    good = write(table(), tmp_path / "good.parquet")
    path = tmp_path / "source.parquet"
    {
        "missing": lambda: None,
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(good),
        "text": lambda: path.write_text("at,y\n2024-01-01,1\n"),
        "cut": lambda: path.write_bytes(good.read_bytes()[:-100]),
        "empty": path.touch,
    }[kind]()
    message = {
        "missing": "is not there",
        "folder": "is no ordinary file",
        "link": "is a symbolic link",
        "text": "not parquet",
        "cut": "truncated",
        "empty": "empty",
    }[kind]
    with pytest.raises((ConfigError, DataError), match=message):
        draft(settings, "draft", Request(path, "y", "at"), lambda _: None)
    assert left_behind(settings) == []


def test_a_file_over_the_caps(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.authoring.source.Validation", lambda: Validation(max_rows=100))
    with pytest.raises(DataError, match="600 rows, more than the cap of 100"):
        drafted(settings, table(), tmp_path / "data.parquet")


def test_a_lake_that_is_no_folder(settings: Settings, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match="no folder"):
        drafted(replace(settings, lake="s3://bucket/lake"), table(), tmp_path / "data.parquet")


def test_the_command_says_it_in_one_line_and_exits_with_3(settings: Settings, tmp_path: Path) -> None:
    import subprocess
    import sys

    write(table(), tmp_path / "data.parquet")
    code = "from pipelines.cli.main import main; main()"
    words = ["new", "draft", "--from", str(tmp_path / "data.parquet"), "--label", "z", "--time", "at"]
    done = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 3
    assert "there is no column 'z'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_partitions_are_written_as_the_lake_wants_them(settings: Settings, tmp_path: Path) -> None:
    drafted(settings, table(), tmp_path / "data.parquet")
    for path in (Path(settings.lake) / "draft").iterdir():
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            assert file.read().num_rows == file.metadata.num_rows
