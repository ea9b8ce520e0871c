"""Puts files on S3 once: what stands there already is compared, never replaced, and nothing half-put is left."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.errors import EvergreenError, IntegrityError, PassingFault
from pipelines.storage.files import short
from pipelines.storage.s3 import S3, S3Place
from pipelines.storage.s3_faults import Busy, Taken
from pipelines.storage.s3_read import md5_of, pause

SINGLE_BYTES = 256 << 20
PART_BYTES = 32 << 20
_MOST_PARTS = 9_000


def put_new(s3: S3, place: S3Place, source: Path, *, md5: str | None = None) -> bool:
    """Put the file `source` at `place` unless these very bytes stand there; True: it was put, False: it stood there.

    `md5`, in hex, is what the caller takes the file's to be. After an answer that tells nothing, a timeout say, what
    stands there tells.

    Raises:
        IntegrityError: other bytes stand there, or the file is not what `md5` says; nothing is replaced.
        ConfigError: no such bucket, wrong keys, a server without conditional writes.
        PassingFault: S3 cannot be reached; repeating it is safe.
    """
    size, found = source.stat().st_size, _md5(source)
    if md5 not in (None, found):
        raise IntegrityError(
            "holds other bytes than its md5 says", where=short(source), remedy="remove it and make it again"
        )
    put = _single if size <= SINGLE_BYTES else _in_parts
    for turn in range(s3.attempts):
        try:
            put(s3, place, source, found)
        except PassingFault as error:
            if _stands(s3, place, size, found):
                return False
            if not isinstance(error, Busy) or turn + 1 == s3.attempts:
                raise
            pause(turn)
        else:
            return True
    raise AssertionError("the last turn returns or raises")


def _stands(s3: S3, place: S3Place, size: int, md5: str) -> bool:
    """Whether these bytes are at `place`; False: nothing is. An ETag that is no md5 makes us read them."""
    found = s3.head(place)
    if found is None:
        return False
    if found.size != size or (found.etag != md5 and md5_of(s3, place) != md5):
        raise IntegrityError("holds other bytes already", where=str(place), remedy="it is kept; see who wrote it")
    return True


def _single(s3: S3, place: S3Place, source: Path, md5: str) -> None:
    with s3.asking(place), source.open("rb") as body:
        s3.client.put_object(
            Bucket=place.bucket, Key=place.key, Body=body, ContentMD5=_header(bytes.fromhex(md5)), IfNoneMatch="*"
        )


def _in_parts(s3: S3, place: S3Place, source: Path, _: str) -> None:
    if s3.head(place) is not None:
        raise Taken("stands there already", where=str(place))
    _abort_left(s3, place)
    target = {"Bucket": place.bucket, "Key": place.key}
    with s3.asking(place):
        target["UploadId"] = s3.client.create_multipart_upload(**target)["UploadId"]
    try:
        parts = _send(s3, place, source, target)
        if s3.head(place) is not None:  # not every server knows the condition of a completion
            raise Taken("another writer was first", where=str(place))
        with s3.asking(place):
            s3.client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        # Where this fails too, or we are killed, whoever puts this object next removes the parts before beginning.
        with suppress(EvergreenError), s3.asking(place):
            s3.client.abort_multipart_upload(**target)
        raise


def _send(s3: S3, place: S3Place, source: Path, target: dict[str, str]) -> list[dict[str, Any]]:
    length = max(PART_BYTES, -(-source.stat().st_size // _MOST_PARTS))
    parts: list[dict[str, Any]] = []
    with source.open("rb") as file:
        while block := file.read(length):
            digest = hashlib.md5(block, usedforsecurity=False).digest()
            with s3.asking(place):
                answer = s3.client.upload_part(
                    **target, PartNumber=len(parts) + 1, Body=block, ContentMD5=_header(digest)
                )
            parts.append({"PartNumber": len(parts) + 1, "ETag": answer["ETag"]})
    return parts


def _abort_left(s3: S3, place: S3Place) -> None:
    """End uploads in parts that a killed process left at `place`. A live one's ends too, and its retry sees ours."""
    with s3.asking(place):
        pages = s3.client.get_paginator("list_multipart_uploads").paginate(Bucket=place.bucket, Prefix=place.key)
        left = [item["UploadId"] for page in pages for item in page.get("Uploads", ()) if item["Key"] == place.key]
    for upload in left:
        with suppress(Busy), s3.asking(place):  # Busy: it has ended meanwhile
            s3.client.abort_multipart_upload(Bucket=place.bucket, Key=place.key, UploadId=upload)


def _header(digest: bytes) -> str:
    return b64encode(digest).decode()


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
