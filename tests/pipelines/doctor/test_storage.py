"""Lake, DVC remote and predictions, in folders and on a small S3 server that can be wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from pipelines.config.settings import Settings
from pipelines.doctor import storage
from pipelines.doctor.base import Mark
from pipelines.doctor.run import run


def told(settings: Settings, name: str):
    report = run([check for check in storage.checks(settings) if check.name == name], [].append)
    return report.results[0]


def test_what_is_written_to_is_as_it_was_before(home: Settings) -> None:
    Path(home.predictions).mkdir()
    for name in ("lake", "DVC remote", "predictions"):
        assert told(home, name).mark is Mark.OK
    assert list(Path(home.predictions).iterdir()) == list(Path(home.dvc_remote).iterdir()) == []


def test_a_lake_that_is_away_or_empty(home: Settings) -> None:
    Path(home.lake).rename(home.home / "away")
    assert (told(home, "lake").mark, told(home, "lake").passing) == (Mark.FAIL, False)
    Path(home.lake).mkdir()
    assert told(home, "lake").mark is Mark.WARN


def test_models_that_name_their_own_places_need_no_lake(home: Settings, tiny_model, tmp_path: Path) -> None:
    Path(home.lake).rename(tmp_path / "own")
    text = (tiny_model.folder / "model.yaml").read_text().replace("uri: ", f"uri: {tmp_path}/own/")
    (tiny_model.folder / "model.yaml").write_text(text)
    report = run([check for check in storage.checks(home) if check.name == "lake"], [].append)
    assert [item.found.split(",")[0] for item in report.results] == [
        f"{tmp_path}/own/orders",
        f"{tmp_path}/own/skies",
        f"{tmp_path}/own",
    ]
    assert {item.mark for item in report.results} == {Mark.OK}


def test_a_remote_that_ledgers_need_and_is_away(home: Settings) -> None:
    Path(home.dvc_remote).rmdir()
    assert (told(home, "DVC remote").mark, told(home, "DVC remote").passing) == (Mark.FAIL, True)


@pytest.mark.parametrize("spoil", ["place", "probe", "above"])
def test_a_file_in_the_place_of_a_folder(home: Settings, spoil: str) -> None:
    remote = Path(home.dvc_remote)
    remote.rmdir()
    if spoil == "probe":
        remote.mkdir()
    file = {"place": remote, "probe": remote / "doctor", "above": remote.parent / "file"}[spoil]
    file.write_text("")
    settings = replace(home, dvc_remote=str(file / "remote")) if spoil == "above" else home
    found = told(settings, "DVC remote")
    assert found.mark is Mark.FAIL
    assert found.remedy


def test_a_kind_of_place_that_is_not_known(home: Settings) -> None:
    assert told(replace(home, dvc_remote="gs://bucket/dvc"), "DVC remote").mark is Mark.WARN


@dataclass
class Bucket:
    """An S3 server of one bucket; the flags are what it does wrong."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, datetime] = field(default_factory=dict)
    conditions: bool = True
    keeps: bool = False
    spoils: bool = False
    status: int = 0
    code: str = ""

    def __call__(self, request, body: bytes):
        parts = urlsplit(request.path)
        _, bucket, *rest = unquote(parts.path).split("/", 2)
        key, query = "".join(rest), parse_qs(parts.query, keep_blank_values=True)
        if self.status:
            return self.refusal(self.status, self.code)
        if bucket != "bucket":
            return self.refusal(404, "NoSuchBucket")
        if not key:
            return 200, {"Content-Type": "application/xml"}, self.listed(query).encode()
        return getattr(self, request.command)(key, body, request)

    def listed(self, query) -> str:
        prefix = query.get("prefix", [""])[0]
        if "uploads" in query:
            found = "".join(
                f"<Upload><Key>{key}</Key><UploadId>1</UploadId><Initiated>{begun:%Y-%m-%dT%H:%M:%SZ}</Initiated></Upload>"
                for key, begun in self.uploads.items()
                if key.startswith(prefix)
            )
            return f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{found}</ListMultipartUploadsResult>"
        found = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(data)}</Size></Contents>"
            for key, data in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"

    def PUT(self, key: str, body: bytes, request):
        if self.conditions and request.headers.get("If-None-Match") == "*" and key in self.objects:
            return self.refusal(412, "PreconditionFailed")
        self.objects[key] = body[:-1] + b"?" if self.spoils else body
        return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""  # noqa: S324

    def GET(self, key: str, *_):
        if key not in self.objects:
            return self.refusal(404, "NoSuchKey")
        return 200, {"ETag": '"x"'}, self.objects[key]

    HEAD = GET

    def DELETE(self, key: str, *_):
        if self.keeps:
            return self.refusal(403, "AccessDenied")
        self.objects.pop(key, None)
        return 204, {}, b""

    @staticmethod
    def refusal(status: int, code: str):
        return status, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>".encode()


@pytest.fixture
def bucket() -> Bucket:
    return Bucket({"lake/orders/2024-01-01.parquet": b"PAR1"})


@pytest.fixture
def on_s3(settings: Settings, serve, bucket: Bucket, tmp_path: Path) -> Settings:
    """Settings that keep everything in `bucket`."""
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "aws-credentials").write_text("[default]\naws_access_key_id = key\naws_secret_access_key = canary\n")
    return replace(
        settings,
        s3=replace(settings.s3, endpoint=serve(bucket), attempts=1),
        secrets=secrets,
        lake="s3://bucket/lake",
        dvc_remote="s3://bucket/dvc",
        predictions="s3://bucket/predictions",
    )


def test_an_s3_server_that_does_all_we_rely_on(on_s3: Settings, bucket: Bucket) -> None:
    bucket.uploads = {"dvc/files/young": datetime.now(UTC), "dvc-other/old": datetime(2020, 1, 1, tzinfo=UTC)}
    before = dict(bucket.objects)
    for name in ("lake", "DVC remote", "predictions"):
        found = told(on_s3, name)
        assert found.mark is Mark.OK, found
    assert "written once only" in told(on_s3, "DVC remote").found
    assert bucket.objects == before


def test_a_server_that_ignores_if_none_match(on_s3: Settings, bucket: Bucket) -> None:
    bucket.conditions = False
    found = told(on_s3, "DVC remote")
    assert (found.mark, found.passing) == (Mark.FAIL, False)
    assert "ignores If-None-Match" in found.found
    assert "use a server that honours" in found.remedy
    assert list(bucket.objects) == ["lake/orders/2024-01-01.parquet"]


def test_a_server_that_changes_bytes(on_s3: Settings, bucket: Bucket) -> None:
    bucket.spoils = True
    assert "other bytes than were written" in told(on_s3, "predictions").found


def test_keys_that_may_not_delete(on_s3: Settings, bucket: Bucket) -> None:
    bucket.keeps = True
    found = told(on_s3, "predictions")
    assert found.mark is Mark.WARN
    assert "predictions/doctor/" in found.found


def test_uploads_that_nobody_ended(on_s3: Settings, bucket: Bucket) -> None:
    bucket.uploads = {"dvc/files/old": datetime.now(UTC) - timedelta(days=2), "dvc/files/young": datetime.now(UTC)}
    found = told(on_s3, "DVC remote")
    assert found.mark is Mark.WARN
    assert "1 uploads" in found.found
    assert "dvc/files/old" in found.found


def test_an_empty_lake_and_a_bucket_that_is_not_there(on_s3: Settings, bucket: Bucket) -> None:
    bucket.objects.clear()
    assert told(on_s3, "lake").mark is Mark.WARN
    for name, setting in (("lake", "lake"), ("DVC remote", "dvc_remote")):
        found = told(replace(on_s3, **{setting: "s3://nowhere/x"}), name)
        assert (found.mark, found.passing) == (Mark.FAIL, False)
        assert "no such bucket" in found.found


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [(403, "SignatureDoesNotMatch", False), (503, "SlowDown", True), (501, "NotImplemented", False)],
)
def test_refusals_tell_who_must_act(on_s3: Settings, bucket: Bucket, status: int, code: str, passing: bool) -> None:
    bucket.status, bucket.code = status, code
    for name in ("lake", "DVC remote"):
        found = told(on_s3, name)
        assert (found.mark, found.passing) == (Mark.FAIL, passing), found
        assert found.remedy
        assert "canary" not in found.found + found.remedy


def test_a_server_that_is_down(on_s3: Settings, nobody: str) -> None:
    found = told(replace(on_s3, s3=replace(on_s3.s3, endpoint=nobody)), "DVC remote")
    assert (found.mark, found.passing) == (Mark.FAIL, True)
