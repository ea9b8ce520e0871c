import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from buckets import Buckets

from pipelines.config.settings import Settings
from pipelines.errors import PassingFault
from pipelines.storage.once import Once


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, settings: Settings) -> Once:
    if request.param == "s3":
        kept: Buckets = request.getfixturevalue("buckets")
        return Once(kept.settings, kept.settings.predictions, "EVERGREEN_PREDICTIONS")
    return Once(settings, settings.predictions, "EVERGREEN_PREDICTIONS")


def source(folder: Path, text: str) -> Path:
    path = folder / f"{text}.txt"
    path.write_text(text)
    return path


def test_what_stands_there_stays(place: Once, tmp_path: Path) -> None:
    assert place.bring("m/a.txt", tmp_path) is None
    assert place.keep("m/a.txt", source(tmp_path, "first"))
    assert not place.keep("m/a.txt", source(tmp_path, "second"))
    assert not place.keep("m/a.txt", source(tmp_path, "first"))
    found = place.bring("m/a.txt", tmp_path)
    assert found is not None
    assert found.read_text() == "first"
    assert place.where("m/a.txt").endswith("/m/a.txt")


def test_of_many_at_once_one_is_first(place: Once, tmp_path: Path) -> None:
    sources = [source(tmp_path, f"writer-{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(lambda path: place.keep("m/b.txt", path), sources))
    assert won.count(True) == 1
    found = place.bring("m/b.txt", tmp_path)
    assert found is not None
    assert found.read_text() == sources[won.index(True)].read_text()


def test_a_full_disk_leaves_nothing_behind(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "link", full)
    place = Once(settings, settings.predictions, "EVERGREEN_PREDICTIONS")
    with pytest.raises(PassingFault, match="no space left"):
        place.keep("m/c.txt", source(tmp_path, "one"))
    assert list(Path(settings.predictions).rglob("*.*")) == []
