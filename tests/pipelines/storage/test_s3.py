"""Places on S3, the connection, and what its errors say."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from botocore import exceptions as known
from botocore.exceptions import ClientError
from buckets import KEY, SECRET

from pipelines.config import settings as configuration
from pipelines.errors import ConfigError, InputError, PassingFault
from pipelines.storage.s3 import S3, S3Place, endpoint_name
from pipelines.storage.s3_faults import Busy, ObjectMissing, ObjectRefused, Taken, fault


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://lake", "lake", ""),
        ("s3://lake/", "lake", ""),
        ("s3://my.bucket-1/a/b c/", "my.bucket-1", "a/b c"),
        ("s3://lake/date=2024-01-01/größe.parquet", "lake", "date=2024-01-01/größe.parquet"),
    ],
)
def test_a_place_is_a_bucket_and_a_key(text, bucket, key):
    place = S3Place.parse(text, "EVERGREEN_LAKE")
    assert (place.bucket, place.key) == (bucket, key)
    assert place.below("x", "y").key == (f"{key}/x/y" if key else "x/y")


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3:///key", "s3://a", "s3://a b/x", "s3://user:secret@host/x", "s3://lake/../x", "s3://lake/a//b",
     "s3://lake/./b", "s3://lake/a\nb", "s3://lake/" + "x" * 1025, "http://lake/x", "lake/x", ""],
)  # fmt: skip
def test_what_is_no_place_is_refused_naming_the_setting(text):
    with pytest.raises(ConfigError, match="EVERGREEN_PREDICTIONS"):
        S3Place.parse(text, "EVERGREEN_PREDICTIONS")


def answer(status: int, code: str) -> ClientError:
    response = {"Error": {"Code": code, "Message": f"{KEY} {SECRET}"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (answer(403, "InvalidAccessKeyId"), ConfigError, "aws-credentials"),
        (answer(403, "SignatureDoesNotMatch"), ConfigError, "aws-credentials"),
        (answer(400, "ExpiredToken"), ConfigError, "aws-credentials"),
        (answer(403, "RequestTimeTooSkewed"), ConfigError, "clock"),
        (answer(404, "NoSuchBucket"), ConfigError, "no such bucket"),
        (answer(301, "PermanentRedirect"), ConfigError, "EVERGREEN_S3_REGION"),
        (answer(400, "AuthorizationHeaderMalformed"), ConfigError, "EVERGREEN_S3_REGION"),
        (answer(501, "NotImplemented"), ConfigError, "If-None-Match"),
        (answer(400, "InvalidArgument"), ConfigError, "InvalidArgument"),
        (answer(403, "AccessDenied"), ObjectRefused, "read, write and list"),
        (answer(403, "InvalidObjectState"), ObjectRefused, "InvalidObjectState"),
        (answer(404, "NoSuchKey"), ObjectMissing, "no such object"),
        (answer(404, "404"), ObjectMissing, "no such object"),
        (answer(412, "PreconditionFailed"), Taken, "412"),
        (answer(409, "ConditionalRequestConflict"), Busy, "409"),
        (answer(404, "NoSuchUpload"), Busy, "NoSuchUpload"),
        (answer(503, "SlowDown"), PassingFault, "503 SlowDown"),
        (answer(500, "InternalError"), PassingFault, "500"),
        (answer(429, "TooManyRequests"), PassingFault, "429"),
        (answer(400, "RequestTimeout"), PassingFault, "RequestTimeout"),
        (answer(400, "BadDigest"), PassingFault, "BadDigest"),
        (answer(403, "QuotaExceeded"), PassingFault, "QuotaExceeded"),
        (known.ConnectTimeoutError(endpoint_url="http://x"), PassingFault, "ConnectTimeoutError"),
        (known.ReadTimeoutError(endpoint_url="http://x"), PassingFault, "ReadTimeoutError"),
        (known.EndpointConnectionError(endpoint_url="http://x"), PassingFault, "EndpointConnectionError"),
        (known.ConnectionClosedError(endpoint_url="http://x"), PassingFault, "ConnectionClosedError"),
        (known.ResponseStreamingError(error=SECRET), PassingFault, "ResponseStreamingError"),
        (known.IncompleteReadError(actual_bytes=1, expected_bytes=2), PassingFault, "IncompleteReadError"),
        (known.SSLError(endpoint_url="https://x", error="CERTIFICATE_VERIFY_FAILED"), ConfigError, "AWS_CA_BUNDLE"),
        (known.NoCredentialsError(), ConfigError, "aws-credentials"),
        (known.ParamValidationError(report=SECRET), ConfigError, "ParamValidationError"),
    ],
)
def test_an_answer_says_what_to_mend_or_to_try_again_and_tells_no_secret(error, kind, told):
    found = fault(error, "EVERGREEN_LAKE s3://lake/x", "http://s3:7070")
    assert type(found) is kind
    assert told in found.line()
    assert found.exit_code == (75 if isinstance(found, PassingFault) else 3)
    assert "EVERGREEN_LAKE s3://lake/x" in found.line()
    assert "http://s3:7070" in found.line()
    assert KEY not in found.line()
    assert SECRET not in found.line()


def test_a_long_key_does_not_push_the_remedy_out_of_the_message():
    found = fault(answer(403, "InvalidAccessKeyId"), f"EVERGREEN_LAKE s3://lake/{'x' * 1000}", "http://s3:7070")
    assert len(found.line()) <= 300
    assert found.line().endswith("put valid keys into the secret aws-credentials")


def test_the_endpoint_is_named_without_what_somebody_hid_in_it():
    loaded = configuration.load({"EVERGREEN_S3_ENDPOINT": "https://user:hunter2@s3.example:7070"})
    assert endpoint_name(loaded.s3) == "https://s3.example:7070"
    assert endpoint_name(configuration.load({"EVERGREEN_S3_REGION": "eu-north-1"}).s3) == "AWS S3 (eu-north-1)"


def test_the_secret_file_counts_and_not_the_environment(buckets, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ANOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    monkeypatch.setenv("AWS_PROFILE", "another")
    before = dict(os.environ)
    signed = []
    client = buckets.s3.client
    client.meta.events.register_last("before-send.s3", lambda request, **_: signed.append(request.headers), "test")
    buckets.s3.head(buckets.at("x"))
    client.meta.events.unregister("before-send.s3", unique_id="test")
    assert f"Credential={KEY}/" in signed[0]["Authorization"].decode()
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "text", ["", "[other]\naws_access_key_id = a\n", "[default]\naws_access_key_id = a\n", "no ini"]
)
def test_a_secret_file_without_keys_is_a_config_error_that_shows_nothing_of_it(buckets, text):
    file = buckets.settings.secrets / "aws-credentials"
    other = file.parent / f"other-{len(text)}"
    other.mkdir()
    (other / file.name).write_text(text)
    with pytest.raises(ConfigError, match="aws-credentials") as caught:
        S3.open(replace(buckets.settings, secrets=other))
    assert "aws_access_key_id = a" not in caught.value.line()


def test_a_profile_that_is_not_there_is_a_config_error(buckets, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="ProfileNotFound"):
        S3.open(replace(buckets.settings, secrets=None))


@pytest.mark.parametrize("endpoint", ["http://", "http://a b", "https://[::1"])
def test_an_endpoint_that_is_no_address_is_a_config_error(buckets, endpoint):
    settings = replace(buckets.settings, s3=replace(buckets.settings.s3, endpoint=endpoint))
    with pytest.raises(ConfigError, match="EVERGREEN_S3_ENDPOINT"):
        S3.open(settings).head(buckets.at("x"))


def test_a_head_is_what_stands_there_or_none(buckets):
    assert buckets.s3.head(buckets.at("x")) is None
    buckets.put(buckets.at("x"), b"abc")
    found = buckets.s3.head(buckets.at("x"))
    assert found is not None
    assert (found.place, found.size, found.etag) == (buckets.at("x"), 3, "900150983cd24fb0d6963f7d28e17f72")


def test_a_list_is_every_key_that_begins_so_over_many_pages(buckets):
    for number in range(5):
        buckets.put(buckets.at("a", str(number)), b"x")
    buckets.put(buckets.at("b"), b"x")
    assert [found.place.key[-3:] for found in buckets.s3.list(buckets.at("a"))] == [f"a/{n}" for n in range(5)]


def test_no_such_bucket_names_the_setting(buckets):
    with pytest.raises(ConfigError, match=r"EVERGREEN_LAKE s3://nowhere/x.*no such bucket"):
        list(buckets.s3.list(S3Place.parse("s3://nowhere/x", "EVERGREEN_LAKE")))


def test_forbidden_is_no_fault_that_passes(shaky):
    buckets, faults = shaky
    faults.set(mode="error", status=403)
    with pytest.raises(InputError, match="403"):
        buckets.s3.head(buckets.at("x"))
    assert faults.count == 1
