"""A traced prediction as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.audit.lineage import partition_lines

TOP = 40


def render(found: Mapping[str, Any]) -> str:
    """`trace`'s answer."""
    key = ", ".join(f"{name}={value}" for name, value in found["key"].items())
    lines = [
        f"{found['model']}, {found['day']}: {key}",
        f"  version   {found['version']} ({found['role']}), run {found['run']}",
        f"  model     sha256 {found['model_sha256']}",
        f"  scored    at {found['scored_at']}",
        f"            {found['predictions']['file']} sha256 {found['predictions']['sha256']}",
        *(_score(item) for item in found["scores"]),
        *(_margin(item) for item in found["margins"]),
        f"  label     {_label(found['label'])}",
        "  features, by what they contributed",
        *_features(found),
        f"            {found['features_file']['file']} sha256 {found['features_file']['sha256']}",
        f"  data      commit {found['data']['commit']}",
        *(f"    {line}" for line in partition_lines(found["data"]["partitions"])),
        *(f"    corrected since: {item['path']} sha256 {item['sha256']}" for item in found["data"]["corrected_since"]),
    ]
    lines += ["  BROKEN", *(f"    {line}" for line in found["broken"])] if found["broken"] else []
    return "\n".join(lines)


def _score(item: Mapping[str, Any]) -> str:
    same = "equal" if item["stamped"] == item["recomputed"] else "NOT equal"
    return f"  {item['name']:<9} {item['stamped']:.9g} as stamped, {item['recomputed']:.9g} computed again: {same}"


def _margin(item: Mapping[str, Any]) -> str:
    features = item["sum"] - item["bias"]
    return (
        f"  margin    {item['margin']:.6f}; bias {item['bias']:+.6f} and features {features:+.6f} are "
        f"{item['sum']:.6f}, {abs(item['sum'] - item['margin']):.1g} apart"
    )


def _label(label: Mapping[str, Any]) -> str:
    if label["value"] is None:
        return f"none: {label['why']}"
    value = label["value"]
    told = f"{value:g}" if isinstance(value, float) else value
    return f"{told}, by revision {label['revision']} of its day"


def _features(found: Mapping[str, Any]) -> list[str]:
    shown = found["features"][:TOP]
    width = max((len(item["feature"]) for item in shown), default=0)
    lines = []
    for item in shown:
        parts = " ".join(f"{part:+.6f}" for part in item["contributions"].values())
        lines.append(f"    {item['feature']:<{width}}  {_value(item):<24} {parts}")
    more = len(found["features"]) - len(shown)
    return [*lines, f"    and {more} more"] if more else lines


def _value(item: Mapping[str, Any]) -> str:
    value = item["value"]
    if value is None:
        return "missing"
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{text} (unknown)" if item["unknown"] else text
