"""A lake on S3 is read as one in a folder is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.config.model import Table
from pipelines.errors import ConfigError, PassingFault
from pipelines.storage.files import sha256_bytes
from pipelines.storage.lake import PartitionMissing, PartitionRefused, Source

DAY = "2024-01-05"
BYTES = b"bytes of the day"


def table(uri: str = "orders/{date}.parquet") -> Table:
    return Table.model_validate({"role": "events", "uri": uri, "key": ["id"], "time": "at"})


STATIC = Table.model_validate({"role": "static", "uri": "shops.parquet", "key": ["shop"]})


@pytest.fixture
def lake(buckets):
    buckets.put(buckets.at("orders", f"{DAY}.parquet"), BYTES)
    buckets.put(buckets.at("shops.parquet"), b"shops")
    return buckets


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "copy.parquet"


def test_a_partition_is_copied_and_hashed_and_its_etag_kept(lake, target):
    fetched = Source(lake.settings).fetch(table(), DAY, target, 100)
    assert (fetched.sha256, fetched.bytes, fetched.whole) == (sha256_bytes(BYTES), 16, True)
    assert fetched.source == f"orders/{DAY}.parquet"
    assert fetched.etag == lake.s3.head(lake.at("orders", f"{DAY}.parquet")).etag
    assert target.read_bytes() == BYTES


def test_more_than_the_cap_is_hashed_but_not_copied(lake, target):
    fetched = Source(lake.settings).fetch(table(), DAY, target, 5)
    assert (fetched.sha256, fetched.bytes, fetched.whole) == (sha256_bytes(BYTES), 16, False)
    assert target.read_bytes() == b"bytes"


def test_a_uri_of_its_own_bucket_is_read_whatever_the_lake_is(lake, target):
    elsewhere = replace(lake.settings, lake="/nowhere")
    fetched = Source(elsewhere).fetch(table(f"{lake.at('orders')}/{{date}}.parquet"), DAY, target, 100)
    assert fetched.source == str(lake.at("orders", f"{DAY}.parquet"))
    assert target.read_bytes() == BYTES


def test_a_path_of_its_own_is_read_though_the_lake_is_on_s3(lake, target, tmp_path):
    (tmp_path / f"{DAY}.parquet").write_bytes(b"x")
    assert Source(lake.settings).fetch(table(f"{tmp_path}/{{date}}.parquet"), DAY, target, 100).bytes == 1


def test_what_is_there_is_told_without_a_look_at_each(lake):
    source = Source(lake.settings)
    buckets_asked = []
    lake.s3.client.meta.events.register("before-send.s3", lambda request, **_: buckets_asked.append(request.url), "t")
    assert source.present(table(), ["2024-01-04", DAY, "2024-01-06"]) == [DAY]
    lake.s3.client.meta.events.unregister("before-send.s3", unique_id="t")
    assert len(buckets_asked) == 1
    assert source.present(table(), []) == []
    assert source.present(STATIC, ["static"]) == ["static"]
    assert source.where(table(), DAY) == str(lake.at("orders", f"{DAY}.parquet"))


def test_a_copy_to_read_is_of_the_whole_or_refused(lake, tmp_path):
    source = Source(lake.settings)
    path = source.readable(STATIC, "static", tmp_path / "copies", 100)
    assert path is not None
    assert path.read_bytes() == b"shops"
    with pytest.raises(PartitionRefused, match="max_bytes"):
        source.readable(STATIC, "static", tmp_path / "copies", 4)


@pytest.mark.parametrize("day", ["2024-01-06", "2023-12-31"])
def test_a_partition_that_is_not_there_is_missing(lake, target, day):
    with pytest.raises(PartitionMissing, match=day):
        Source(lake.settings).fetch(table(), day, target, 100)
    assert not target.exists()


def test_no_such_bucket_is_a_config_error_naming_the_setting(lake, target):
    nowhere = Source(replace(lake.settings, lake="s3://no-such-bucket/x"))
    with pytest.raises(ConfigError, match="EVERGREEN_LAKE"):
        nowhere.fetch(table(), DAY, target, 100)
    with pytest.raises(ConfigError, match="EVERGREEN_LAKE"):
        nowhere.present(table(), [DAY])
    with pytest.raises(ConfigError, match=r"model\.yaml"):
        Source(lake.settings).fetch(table("s3://no-such-bucket/{date}"), DAY, target, 100)


@pytest.mark.parametrize("lake_setting", ["s3://", "s3://x", "s3://bucket/../other", "gs://bucket", "s3://u:p@host/x"])
def test_a_lake_that_is_no_place_is_a_config_error(lake, target, lake_setting):
    with pytest.raises(ConfigError, match="EVERGREEN_LAKE"):
        Source(replace(lake.settings, lake=lake_setting)).fetch(table(), DAY, target, 100)


@pytest.mark.parametrize("uri", ["s3://bucket/../{date}", "s3://bucket//{date}", "s3://bu{date}/x", "a/../{date}"])
def test_a_uri_that_climbs_or_hides_its_bucket_is_a_config_error(lake, target, uri):
    with pytest.raises(ConfigError, match=r"model\.yaml"):
        Source(lake.settings).fetch(table().model_copy(update={"uri": uri}), DAY, target, 100)


def test_forbidden_is_refused_by_name(shaky, target):
    buckets, faults = shaky
    faults.set(mode="error", status=403)
    with pytest.raises(PartitionRefused, match=DAY) as caught:
        Source(buckets.settings).fetch(table(), DAY, target, 100)
    assert caught.value.exit_code == 3


def test_away_is_a_passing_fault_and_leaves_no_half_of_a_file(shaky, target):
    buckets, faults = shaky
    buckets.put(buckets.at("orders", f"{DAY}.parquet"), BYTES * 1000)
    faults.set(mode="truncate", upto=600)
    with pytest.raises(PassingFault, match=DAY):
        Source(buckets.settings).fetch(table(), DAY, target, 10**6)
    assert list(target.parent.iterdir()) == []
