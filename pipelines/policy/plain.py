"""Records that go into the ledger as JSON and come back: frozen dataclasses of plain values, checked on the way in."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipelines.errors import IntegrityError


class Record:
    """Base of frozen dataclasses: `to_json` gives what JSON can hold, `from_json` takes it back."""

    # What a newer version added is passed over, so that an older one can still read it.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", allow_inf_nan=False)

    def to_json(self) -> dict[str, Any]:
        """Its JSON form: days as YYYY-MM-DD, tuples as lists."""
        kind: Any = type(self)
        value: dict[str, Any] = _adapter(kind).dump_python(self, mode="json")
        return value

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The record that `to_json` gave.

        Raises:
            IntegrityError: `value` is something else, or holds a number that is not finite.
        """
        kind: Any = cls
        try:
            made: Self = _adapter(kind).validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise IntegrityError(
                f"{key}: {first['msg']}", where=f"a record of {cls.__name__}", remedy="mend the ledger"
            ) from None
        return made


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
