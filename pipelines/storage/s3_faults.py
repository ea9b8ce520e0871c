"""What S3 and the way to it can answer, in our words: what a person has to mend, and what heals by itself.

S3 fault
├── ConfigError       3    keys, bucket, region, address: a setting is wrong
│   └── ObjectRefused      there may be one, and our keys may not use it
├── ObjectMissing     3    there is no such object
└── PassingFault     75    timeouts, 5xx, SlowDown, resets, bodies cut short
    ├── Taken              a condition did not hold: the object is there already, or another one by now
    └── Busy               somebody else is at work on this object just now
"""

from __future__ import annotations

from typing import Any

from pipelines.errors import ConfigError, EvergreenError, InputError, PassingFault, shorten

_KEYS = "put valid keys into the secret aws-credentials"
_REGION = "set EVERGREEN_S3_REGION and EVERGREEN_S3_ENDPOINT to where the bucket is"
_REFUSED = {
    "InvalidAccessKeyId": ("does not know our access key", _KEYS),
    "SignatureDoesNotMatch": ("does not accept our secret key", _KEYS),
    "InvalidToken": ("does not accept our session token", _KEYS),
    "ExpiredToken": ("does not accept our session token any more", _KEYS),
    "RequestTimeTooSkewed": ("says that this machine's clock is wrong", "set the clock"),
    "NoSuchBucket": ("has no such bucket", "create it, or name another one"),
    "InvalidBucketName": ("says that a bucket cannot have this name", "name another one"),
    "AuthorizationHeaderMalformed": ("is of another region", _REGION),
    "IllegalLocationConstraintException": ("is of another region", _REGION),
    "PermanentRedirect": ("has this bucket elsewhere", _REGION),
    "NotImplemented": ("does not know conditional writes", "use a server that knows If-None-Match"),
}
# Answers below 500 that another try may get over: bytes spoilt on the way, a quota that somebody raises.
_PASSING = frozenset(
    {"RequestTimeout", "Throttling", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "InvalidPart"}
    | {"QuotaExceeded", "InternalError"}
)


class ObjectMissing(InputError):
    """There is no such object."""


class ObjectRefused(ConfigError):
    """Our keys may not use the object, or it lies in an archive."""


class Taken(PassingFault):
    """The condition of a request did not hold."""


class Busy(PassingFault):
    """Another writer was at work on the object."""


_ELSEWHERE = {301: "PermanentRedirect", 307: "PermanentRedirect", 501: "NotImplemented"}
_KINDS: dict[str, tuple[type[EvergreenError], str, str]] = {
    "NoSuchUpload": (Busy, "ended our upload for another writer", "try again"),
    "404": (ObjectMissing, "has no such object", "see whether it was removed"),
    "409": (Busy, "has another writer at work on it", "try again"),
    "412": (Taken, "has something else there meanwhile", "try again"),
    "416": (ObjectMissing, "has fewer bytes there", "see whether it was replaced"),
    "403": (ObjectRefused, "refuses it", "let this key read, write and list there, or see that such a bucket exists"),
    "other": (ConfigError, "cannot use the request", "check the s3:// settings"),
}


def fault(error: Exception, place: str, endpoint: str) -> EvergreenError:
    """What `error`, raised by botocore on a request about `place`, means; says nothing of keys or signatures."""
    from botocore.exceptions import ClientError

    place = shorten(place, 130)
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return _answered(str(error.response.get("Error", {}).get("Code", "")), status, place, endpoint)
    return _unanswered(error, place, endpoint)


def _answered(code: str, status: int, place: str, endpoint: str) -> EvergreenError:
    told = shorten(f"{status} {code}" if code and code != str(status) else str(status), 60)
    if code in _REFUSED or status in _ELSEWHERE:
        what, remedy = _REFUSED.get(code) or _REFUSED[_ELSEWHERE[status]]
        return ConfigError(f"{endpoint} {what} ({told})", where=place, remedy=remedy)
    if code in _PASSING or status >= 500 or status == 429:
        return PassingFault(f"{endpoint} answered {told}", where=place, remedy="try again")
    kind, what, remedy = _KINDS.get(code) or _KINDS.get(str(status)) or _KINDS["other"]
    return kind(f"{endpoint} {what} ({told})", where=place, remedy=remedy)


def _unanswered(error: Exception, place: str, endpoint: str) -> EvergreenError:
    from botocore import exceptions as known

    name = type(error).__name__
    if isinstance(error, known.NoCredentialsError | known.PartialCredentialsError):
        return ConfigError(f"no keys for {endpoint} are to be found", where=place, remedy=_KEYS)
    if isinstance(error, known.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        remedy = "let AWS_CA_BUNDLE name the file that vouches for it"
        return ConfigError(f"the certificate of {endpoint} is not trusted", where=place, remedy=remedy)
    if isinstance(error, known.ParamValidationError | known.ProfileNotFound | known.ConfigParseError | ValueError):
        return ConfigError(f"cannot be asked of {endpoint}: {name}", where=place, remedy="check the s3:// settings")
    return PassingFault(f"{endpoint} cannot be reached: {name}", where=place, remedy="see whether it is up; try again")


def passing_kinds() -> tuple[type[Any], ...]:
    """What botocore raises when a body breaks off while it is read."""
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    return (BotoCoreError, HTTPError)
