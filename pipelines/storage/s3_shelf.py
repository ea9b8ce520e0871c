"""Objects on S3 with their age, moved to another key and back, and removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.storage.s3 import S3, S3Place
from pipelines.storage.s3_faults import ObjectMissing

# S3 copies at most 5 GiB in one request.
ONE_COPY_BYTES = 5 << 30
PART_BYTES = 1 << 30


def listed(s3: S3, prefix: S3Place) -> Iterator[tuple[str, int, float]]:
    """Key, bytes and time of writing (seconds since 1970) of every object below `prefix`; raises as `S3.list` does."""
    with s3.asking(prefix):
        pages = s3.client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=f"{prefix.key}/")
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"], int(item["Size"]), item["LastModified"].timestamp()


def since(s3: S3, place: S3Place) -> float | None:
    """When the object at `place` was written; None: there is none. Raises PassingFault where S3 cannot be reached."""
    try:
        with s3.asking(place):
            return float(s3.client.head_object(**_at(place))["LastModified"].timestamp())
    except ObjectMissing:
        return None


def move(s3: S3, source: S3Place, target: S3Place) -> None:
    """Copy the object at `source` to `target`, whatever stands there, then remove `source`. May be repeated.

    Raises:
        ObjectMissing: there is nothing at `source`.
        PassingFault: S3 cannot be reached.
    """
    found = s3.head(source)
    if found is not None and found.size > ONE_COPY_BYTES:
        _in_parts(s3, source, target, found.size)
    else:
        with s3.asking(source):
            s3.client.copy_object(**_at(target), CopySource=_at(source))
    remove(s3, source)


def remove(s3: S3, place: S3Place) -> None:
    """See that nothing is at `place`; raises PassingFault where S3 cannot be reached."""
    with s3.asking(place):
        s3.client.delete_object(**_at(place))


def put(s3: S3, place: S3Place, content: bytes) -> None:
    """Put `content` at `place`, whatever stood there; raises as `move` does."""
    with s3.asking(place):
        s3.client.put_object(**_at(place), Body=content)


def _in_parts(s3: S3, source: S3Place, target: S3Place, size: int) -> None:
    with s3.asking(target):
        upload: dict[str, Any] = _at(target) | {
            "UploadId": s3.client.create_multipart_upload(**_at(target))["UploadId"]
        }
        try:
            parts = []
            for number, first in enumerate(range(0, size, PART_BYTES), 1):
                last = min(size, first + PART_BYTES) - 1
                answer = s3.client.upload_part_copy(
                    **upload, PartNumber=number, CopySource=_at(source), CopySourceRange=f"bytes={first}-{last}"
                )
                parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            s3.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            s3.client.abort_multipart_upload(**upload)
            raise


def _at(place: S3Place) -> dict[str, str]:
    return {"Bucket": place.bucket, "Key": place.key}
