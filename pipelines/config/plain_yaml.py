"""YAML of our own writing and of DVC's: read by one set of rules, YAML 1.2 as DVC has it, and quoted for every reader.

PyYAML reads YAML 1.1, where `No`, `on`, `12:30` and `030` are no texts; DVC writes and reads by ruamel.yaml, where
they are (or are other numbers). The rules below are ruamel.yaml's for 1.2. A stage reads several such files, and
PyYAML is ten times as fast with its loader in C, so it is that loader which gets them.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
# Tag, form of the whole scalar, and the characters it can begin with.
_RULES = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (
        "float",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("int", r"[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+", "-+0123456789"),
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    (
        "timestamp",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
        r"(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?",
        "0123456789",
    ),
)
_BASES = {"0b": 2, "0o": 8, "0x": 16}
# What ends a line for some reader of YAML: a text with one of these is written in double quotes, escaped.
_BREAKS = re.compile("[\n\r\x85\u2028\u2029]")
_WIDE = 10**9
# A wheel of PyYAML without libyaml exists for rare platforms.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Loader):  # type: ignore[misc]
    """PyYAML's safe loader, in C where there is one, with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own way

    def construct_int(self, node: yaml.ScalarNode) -> int:
        """The integer written `30`, `030` (which is 30), `0o36`, `0x1E`, `0b11110` or `1_000`."""
        text = str(self.construct_scalar(node)).replace("_", "")
        digits = text.lstrip("+-")
        value = int(digits[2:], _BASES[digits[:2]]) if digits[:2] in _BASES else int(digits)
        return -value if text.startswith("-") else value

    def construct_float(self, node: yaml.ScalarNode) -> float:
        """The number written `1.5`, `1e3` or `.inf`."""
        text = str(self.construct_scalar(node)).replace("_", "").lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))


class Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which quotes every text that YAML 1.1 or 1.2 would take for something else."""


class _OneLine(Dumper):
    """A dumper that never breaks a line."""


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    node: yaml.ScalarNode = dumper.represent_scalar(f"{_TAG}str", text, style='"' if _BREAKS.search(text) else None)
    return node


for _kind, _form, _first in _RULES:
    for _each in (Loader, Dumper):
        _each.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_form})\Z"), list(_first))
Loader.add_constructor(f"{_TAG}int", Loader.construct_int)
Loader.add_constructor(f"{_TAG}float", Loader.construct_float)
_OneLine.add_representer(str, _represent_text)
LOADER: type = Loader


def load(text: str | bytes) -> Any:
    """The document in `text`, by YAML 1.2; raises yaml.YAMLError, or ValueError for a value out of range."""
    return yaml.load(text, Loader=Loader)  # noqa: S506 - the safe loader, in C where there is one


def dump(value: Any) -> str:
    """`value` as a YAML document that readers of YAML 1.1 and of 1.2 take for the same."""
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=True))


def flow(value: Any) -> str:
    """`value`, a scalar or a collection, as YAML on one line, to stand as a value or an item in a file."""
    # As an item of a list: a text that may stand bare on a line of its own may not within brackets.
    text = yaml.dump(
        [value], Dumper=_OneLine, default_flow_style=True, allow_unicode=True, sort_keys=False, width=_WIDE
    )
    return str(text).removesuffix("\n")[1:-1]
