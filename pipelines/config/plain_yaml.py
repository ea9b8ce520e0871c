"""YAML of our own writing: a stage reads several such files, and PyYAML is ten times as fast with its loader in C."""

from __future__ import annotations

from typing import Any

import yaml

# A wheel of PyYAML without libyaml exists for rare platforms.
LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str | bytes) -> Any:
    """The document in `text`; raises yaml.YAMLError."""
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - the safe loader, in C where there is one
