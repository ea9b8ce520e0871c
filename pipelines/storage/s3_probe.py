"""Small questions to an S3 server, for those who want to know whether it does what we rely on."""

from __future__ import annotations

from datetime import datetime

from pipelines.storage.s3 import S3, S3Place


def first(s3: S3, prefix: S3Place) -> S3Place | None:
    """The first object below `prefix`; None: there is none. Raises as `S3.list` does."""
    with s3.asking(prefix):
        answer = s3.client.list_objects_v2(Bucket=prefix.bucket, Prefix=_folder(prefix), MaxKeys=1)
    found = answer.get("Contents", ())
    return S3Place(prefix.bucket, found[0]["Key"], prefix.setting) if found else None


def read(s3: S3, place: S3Place, size: int) -> bytes:
    """At most `size` first bytes of the object; raises as `s3_read.fetch` does."""
    with s3.asking(place):
        body = s3.client.get_object(Bucket=place.bucket, Key=place.key)["Body"]
        try:
            found: bytes = body.read(size)
        finally:
            body.close()
    return found


def put(s3: S3, place: S3Place, data: bytes) -> None:
    """Put `data` where no object is; raises Taken where one is, if the server honours conditions."""
    with s3.asking(place):
        s3.client.put_object(Bucket=place.bucket, Key=place.key, Body=data, IfNoneMatch="*")


def remove(s3: S3, place: S3Place) -> None:
    """Delete the object; raises ObjectRefused where our keys may not."""
    with s3.asking(place):
        s3.client.delete_object(Bucket=place.bucket, Key=place.key)


def uploads_before(s3: S3, prefix: S3Place, before: datetime) -> list[str]:
    """The keys of uploads in parts below `prefix` that were begun before then and neither ended nor aborted."""
    with s3.asking(prefix):
        pages = s3.client.get_paginator("list_multipart_uploads").paginate(Bucket=prefix.bucket, Prefix=_folder(prefix))
        return [item["Key"] for page in pages for item in page.get("Uploads", ()) if item["Initiated"] < before]


def _folder(prefix: S3Place) -> str:
    return f"{prefix.key}/" if prefix.key else ""
