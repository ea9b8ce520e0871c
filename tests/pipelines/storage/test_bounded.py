"""Documents that anybody may have written are read within caps, or refused by name: quickly, and never by a crash."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import UnreadableRecord
from pipelines.storage.bounded import MAX_DEPTH, MAX_JSON, parse
from pipelines.storage.files import json_bytes

BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n".encode()
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD = {
    "nothing": (b"", "json", "Expecting value"),
    "half": (b'{"a":', "json", "Expecting value"),
    "nested arrays": (b"[" * 200_000, "json", "nested deeper"),
    "nested objects": (b'{"a":' * 200_000, "json", "nested deeper"),
    "just too deep": (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "json", "nested deeper"),
    "an integer without end": (b'{"a": ' + b"9" * 5000 + b"}", "json", "5000 digits"),
    "an integer no column holds": (b'{"a": 123456789012345678901}', "json", "of 21 digits"),
    "NaN": (b'{"a": NaN}', "json", "NaN"),
    "infinity": (b'{"a": -Infinity}', "json", "Infinity"),
    "beyond floats": (b'{"a": 1e999}', "json", "1e999"),
    "beyond floats, in a list": (b"[1,-1.5E+400]", "json", "which no float holds"),
    "beyond floats by its length": (b"[" + b"9" * 400 + b".0]", "json", "which no float holds"),
    "a key twice": (b'{"a": 1, "b": {"c": 1, "c": 1}}', "json", "'c' twice"),
    "not UTF-8": (b'"\xff"', "json", "utf-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "json", "utf-8"),
    "half a pair": (b'["\\ud800"]', "json", "surrogates"),
    "half a pair as a key": (b'{"\\udfff": 1}', "json", "surrogates"),
    "too large": (b" " * (MAX_JSON + 1), "json", "more than"),
    "nested flow": (b"[" * 200_000, "yaml", "nested deeper"),
    "nested blocks": (b"- " * 200_000 + b"a", "yaml", "nested deeper"),
    "nested maps": (b"{a: " * 200_000, "yaml", "nested deeper"),
    "keys of keys": (b"? " * 200_000 + b"a", "yaml", "no text"),
    "alias bomb": (BOMB, "yaml", "anchor or alias"),
    "an anchor of its own": (b"a: &a 1", "yaml", "anchor or alias"),
    "an alias to nothing": (b"a: *b", "yaml", "alias"),
    "a tag": (b"!!python/object/apply:os.system [id]", "yaml", "a tag"),
    "a tag of YAML's": (b"a: !!float 1", "yaml", "a tag"),
    "a YAML key twice": (b"a: 1\nb: 2\na: 3", "yaml", "'a' twice"),
    "hexadecimal": (b"a: 0x" + b"f" * 3_000_000, "yaml", "digits"),
    "binary": (b"a: 0b" + b"1" * 3_000_000, "yaml", "digits"),
    "base 60": (b"a: " + b"1:" * 1_500_000 + b"1", "yaml", "digits"),
    "long": (b"a: " + b"9" * 3_000_000, "yaml", "digits"),
    "65 bits": (b"a: 0xfffffffffffffffff", "yaml", "68 bits"),
    "infinite": (b"a: .inf", "yaml", "inf"),
    "many": (b"[" + b"1," * 1_000_000 + b"]", "yaml", "200,000 values"),
    "two documents": (b"a: 1\n---\nb: 2", "yaml", "another document"),
    "a control character": (b"a: \x00", "yaml", "control characters"),
}
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    PLAIN | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=20
)


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_document_of_ours_is_refused_by_name_within_a_second(kind: str) -> None:
    content, suffix, why = BAD[kind]
    began = time.process_time()
    with pytest.raises(UnreadableRecord, match=why) as error:
        parse(content, f"tiny runs/one: file.{suffix}")
    assert time.process_time() - began < 2
    assert error.value.where == f"tiny runs/one: file.{suffix}"
    assert len(error.value.line()) <= 300
    assert "evergreen discard" in error.value.line()


@given(VALUES)
def test_what_we_write_as_json_is_read_as_it_was(value: object) -> None:
    assert parse(json_bytes(value), "file.json") == value


@given(
    st.dictionaries(
        st.text("abcxyz", min_size=1), st.booleans() | st.integers(-(2**60), 2**60) | st.text("abc xyz:#-") | st.none()
    )
)
def test_what_we_write_as_yaml_is_read_as_it_was(value: dict[str, object]) -> None:
    assert (parse(yaml.safe_dump(value).encode(), "file.yaml") or {}) == value


@given(st.binary(max_size=200), st.sampled_from(["json", "yaml"]))
def test_any_bytes_are_a_document_or_refused(content: bytes, suffix: str) -> None:
    try:
        parse(content, f"file.{suffix}")
    except UnreadableRecord as error:
        assert error.where == f"file.{suffix}"  # noqa: PT017


@given(st.text(" -?:,[]{}#&*!|>'\"%@`\n\t0123456789abcxeE.+_<=", max_size=80))
def test_any_text_of_yamls_signs_is_a_document_or_refused(text: str) -> None:
    try:
        parse(text.encode(), "file.yaml")
    except UnreadableRecord as error:
        assert error.where == "file.yaml"  # noqa: PT017
