"""YAML between three readers: PyYAML's 1.1, ruamel.yaml's 1.2 (DVC) and ours."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from pipelines.config import plain_yaml

WORDS = (
    *("No", "Yes", "On", "Off", "y", "n", "null", "~", "true", "", "NaN", ".nan", "-.inf", "=", "<<"),
    *("12:30", "1:2", "1_000", "_1", "0_", "030", "0o17", "0x1F", "0b1", "1e3", ".5", "1.", "+1", "2024-01-01"),
    *("  ", " a", "a ", "#", "a #b", ": ", "a: b", "- a", "? a", "'", '"', "\\", "*a", "&a", "!a", "%a", "@a", "`a"),
    *("|", ">", "[", "]", "{", "}", ",", "---", "...", "a\nb", "\n", "\t", "\r", "😀", "é", "\u2028", "\ufeff", "\x00"),
)
# DVC's writer keeps everything but U+0085 as it is, which `read_yaml` therefore refuses.
TEXTS = (
    st.sampled_from(WORDS)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), max_size=150)
    | st.from_regex(r"\A[-+0-9_.eExob: ~yYnN]{1,8}\Z")
)


def read_by_dvc(text: str) -> Any:
    return YAML(typ="safe").load(text)


def locked(text: str) -> str:
    """What DVC writes into dvc.lock of what it read."""
    stream, writer = io.StringIO(), YAML()
    writer.default_flow_style = False
    writer.dump(read_by_dvc(text), stream)
    return stream.getvalue()


@given(st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3), max_size=3))
@example({word: list(WORDS) for word in WORDS})
def test_any_text_goes_through_params_and_lock_unchanged(value: dict[str, list[str]]) -> None:
    document = {"params": value}
    written = plain_yaml.dump(document)
    assert plain_yaml.load(written) == read_by_dvc(written) == yaml.safe_load(written) == document
    assert plain_yaml.load(locked(written)) == document


@given(TEXTS)
@example("030")
@example("0o17")
def test_a_bare_scalar_is_read_as_dvc_reads_it(text: str) -> None:
    try:
        said = read_by_dvc(f"key: {text}\n")
    except (YAMLError, ValueError):
        return
    assert repr(plain_yaml.load(f"key: {text}\n")) == repr(said)


@given(st.lists(TEXTS, min_size=1, max_size=3))
@example(list(WORDS))
def test_flow_is_one_line_for_every_reader(value: list[str]) -> None:
    written = plain_yaml.flow(value)
    assert "\n" not in written
    items = ", ".join(plain_yaml.flow(each) for each in value)
    for text in (
        f"a:\n  b: {written}\n",
        f"{{a: {{b: [{items}]}}}}",
        "a:\n  b:\n" + "".join(f"  - {plain_yaml.flow(each)}\n" for each in value),
    ):
        assert plain_yaml.load(text) == read_by_dvc(text) == yaml.safe_load(text) == {"a": {"b": value}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000.0), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("-0b11", -3), ("yes", "yes"), ("12:30", "12:30")],
)
def test_scalars_of_yaml_1_2(text: str, value: object) -> None:
    assert plain_yaml.load(text) == value


def test_the_loader_is_the_one_in_c() -> None:
    assert issubclass(plain_yaml.LOADER, yaml.CSafeLoader)
