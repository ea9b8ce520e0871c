"""A version's lineage as a person reads it: from the raw partitions down to the nights it scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.audit.told import gate_lines, origin_lines
from pipelines.errors import shorten
from pipelines.ledger.champion import Origin

WIDTH = 200


def render(found: Mapping[str, Any], *, every: bool = False) -> str:
    """`explain`'s answer; `every` lists each partition, else each table's are counted and its newest is shown."""
    lines = [f"{found['model']} version {found['version']}, run {found['run']}", f"  commit {found['commit']}"]
    for title, body in _sections(found, every):
        lines += [f"  {title}", *(f"    {line}" for line in body)]
    if found["broken"]:
        lines += ["  BROKEN", *(f"    {line}" for line in found["broken"])]
    return "\n".join(lines)


def partition_lines(partitions: Sequence[Mapping[str, Any]], *, every: bool = False) -> list[str]:
    """A line a table and its newest partition, or a line for every partition."""
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for item in partitions:
        tables.setdefault(item["table"], []).append(item)
    lines = []
    for table, items in tables.items():
        days = f"{items[0]['partition']} to {items[-1]['partition']}" if len(items) > 1 else items[0]["partition"]
        corrected = sum(item["revision"] > 1 for item in items)
        told = f", {corrected} of them corrected" if corrected else ""
        rows = sum(item["rows"] for item in items)
        count = "one partition" if len(items) == 1 else f"{len(items)} partitions"
        lines.append(f"{table}: {count}, {days}, {rows:,} rows{told}")
        lines += [f"  {_partition(item)}" for item in (items if every else items[-1:])]
    return lines


def _partition(item: Mapping[str, Any]) -> str:
    return (
        f"{item['path']} sha256 {item['sha256']} revision {item['revision']} etag {item['etag'] or 'none'} "
        f"{item['verdict']}"
    )


def _sections(found: Mapping[str, Any], every: bool) -> Iterable[tuple[str, list[str]]]:
    yield from _remembered(found) if found["ended"] else _made(found, every)
    yield "gates", gate_lines(found["gates"])
    yield "model", [f"sha256 {found['model_sha256']}"]
    yield "registry", [_aliases(found)]
    yield "champion", _reigns(found["reigns"])
    yield "nights", _nights(found["nights"])


def _remembered(found: Mapping[str, Any]) -> Iterable[tuple[str, list[str]]]:
    """What is left where retention has ended the run: what the champion's record holds."""
    window, origin = found["window"], found["origin"]
    yield "ended", ["retention has ended its run: this is what the branch champion holds"]
    yield (
        "raw data",
        [
            f"as of {window['as_of']}, trained {' to '.join(window['train'])}, judged {' to '.join(window['test'])}",
            f"window.json {window['sha256'] or 'not recorded'}",
            *origin_lines(Origin(**origin) if origin else None),
        ],
    )
    yield "evaluation", [_flat(found["evaluation"]["metrics"])]


def _made(found: Mapping[str, Any], every: bool) -> Iterable[tuple[str, list[str]]]:
    window, training, features, code = (found[name] for name in ("window", "training", "features", "code"))
    yield (
        "raw data",
        [
            f"{window['first']} to {window['last']}, as of {window['as_of']}, window.json {window['sha256']}",
            f"data commit {found['request']['data_commit'] or 'not recorded'}",
            *partition_lines(found["partitions"], every=every),
            *_left_out(found),
        ],
    )
    yield "snapshot", [f"digest of all partitions {found['snapshot']['digest']}"]
    failed = found["validation"]["failed"]
    yield (
        "validation",
        [
            f"{found['validation']['checks'] - len(failed)} of {found['validation']['checks']} checks passed",
            *(shorten(f"{check['name']}: {check['sentence']}", WIDTH) for check in failed),
        ],
    )
    yield (
        "features",
        [
            f"features.py {features['sha256']}",
            f"{len(features['names'])} features, {features['rows']:,} rows, digest {features['digest']}",
        ],
    )
    yield (
        "training",
        [
            *_code(code),
            f"XGBoost {training['xgboost']}, seed {training['seed']}, {training['rounds']} rounds",
            f"trial on {_days(training['trial'])}, {training['trial']['rows']:,} rows",
            f"release on {_days(training['release'])}, {training['release']['rows']:,} rows",
            f"booster {_flat(training['params']['booster'])}",
        ],
    )
    evaluation = found["evaluation"]
    yield (
        "evaluation",
        [
            f"{evaluation['test']['rows']:,} rows, {' to '.join(evaluation['test']['days'])}",
            _flat(evaluation["metrics"]),
        ],
    )


def _left_out(found: Mapping[str, Any]) -> list[str]:
    told = []
    for what in ("quarantined", "missing"):
        named = [f"{item['table']} {item['partition']}" for item in found[what]]
        told += [shorten(f"{what}: {', '.join(named)}", WIDTH)] if named else []
    return told


def _code(code: Mapping[str, Any]) -> list[str]:
    image = code["image_digest"] or "none: ran as a process"
    return [f"code {code['git_sha']}, image {image}", f"requirements.lock {code['lock_sha256']}"]


def _aliases(found: Mapping[str, Any]) -> str:
    if found["aliases"] is None:
        return str(found["note"])
    return f"version {found['version']}, aliases {', '.join(found['aliases']) or 'none'}"


def _reigns(reigns: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{item['from']} to {item['until'] or 'now'}: {item['reason']['kind']}, by {item['by']}" for item in reigns
    ] or ["never"]


def _nights(nights: Sequence[Mapping[str, Any]]) -> list[str]:
    if not nights:
        return ["none yet"]
    by_role: dict[str, list[Mapping[str, Any]]] = {}
    for item in nights:
        by_role.setdefault(item["role"], []).append(item)
    return [
        f"as {role}: {len(items)} from {items[0]['day']} to {items[-1]['day']}, {sum(i['rows'] for i in items):,} rows"
        for role, items in sorted(by_role.items())
    ]


def _days(part: Mapping[str, Any]) -> str:
    return " to ".join(part["days"])


def _flat(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
