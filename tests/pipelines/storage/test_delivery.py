"""A lake on S3 filled from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from buckets import Buckets

from pipelines.config.settings import Settings
from pipelines.demo import lake
from pipelines.errors import ConfigError, IntegrityError
from pipelines.storage.delivery import deliver


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "from" / "orders").mkdir(parents=True)
    for number in range(12):
        (tmp_path / "from" / "orders" / f"{number}.parquet").write_bytes(b"%d" % number)
    (tmp_path / "from" / ".mark").write_bytes(b"hidden")
    return tmp_path / "from"


def test_files_arrive_under_their_names_once(buckets: Buckets, folder: Path) -> None:
    assert deliver(buckets.settings, folder) == 12
    assert {found.place.key for found in buckets.s3.list(buckets.at())} == {
        buckets.at("orders", f"{number}.parquet").key for number in range(12)
    }
    (folder / "orders" / "12.parquet").write_bytes(b"new")
    assert deliver(buckets.settings, folder) == 1


def test_what_stands_there_is_never_replaced(buckets: Buckets, folder: Path) -> None:
    place = buckets.at("orders", "3.parquet")
    buckets.put(place, b"corrected by somebody")
    with pytest.raises(IntegrityError, match="holds other bytes already"):
        deliver(buckets.settings, folder)
    assert buckets.get(place) == b"corrected by somebody"


def test_a_lake_in_a_folder_is_filled_by_writing_into_it(settings: Settings, folder: Path) -> None:
    with pytest.raises(ConfigError, match="EVERGREEN_LAKE"):
        deliver(settings, folder)


def test_the_demo_fills_the_lake_where_it_is(
    buckets: Buckets, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def lay_out(where: Path, _: object) -> lake.LakeFacts:
        asked.append(where)
        return lake.LakeFacts(folder, 12, {"orders": 12}, 0, 12, 0.0, "")

    monkeypatch.setattr(lake, "lay_out", lay_out)
    assert [lake.lay_out_where(buckets.settings, print).written for _ in range(2)] == [12, 0]
    lake.lay_out_where(settings, print)
    assert asked == [settings.home / "demo-lake", settings.home / "demo-lake", Path(settings.lake)]
