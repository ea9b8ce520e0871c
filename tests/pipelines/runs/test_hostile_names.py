"""A whole run of a model whose classes, columns and values are words that YAML, SQL or HTML may misread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import stories
from support import TinyModel

from pipelines.config import plain_yaml
from pipelines.config.settings import Settings
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.outs import fetch_files

pytestmark = pytest.mark.slow

CLASSES = ("No", "12:30", "it's <b>\"&amp; # a: 😀/../%s ")
SHOPS = {"north": "null", "south": "030", "east": "<i>on</i>", "west": "2024-01-01"}
COLUMNS = {"order_id": "Nr. größe ", "product": 'On"%(x)s', "distance": "a, b; {x}"}


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def make_hostile(tiny: TinyModel) -> None:
    """Give the tiny model these names, in its data and in its three files."""
    late, slow, fine = map(_sql, CLASSES)
    expression = f"CASE WHEN delay > 12 THEN {late} WHEN delay > 0 THEN {slow} ELSE {fine} END"
    tiny.edit("task: binary", "task: multiclass")
    label = f"expression: {plain_yaml.flow(expression)}\n  classes: {plain_yaml.flow(list(CLASSES))}"
    tiny.edit("expression: delay > 15", label)
    tiny.edit("floors: {auc: 0.55}", "floors: {accuracy: 0.3}")
    tiny.edit("{metric: log_loss, margin: 0.02, min_rows: 100}", "{metric: log_loss, margin: 1.0, min_rows: 100}")
    tiny.edit("key: [order_id]", f"key: {plain_yaml.flow([COLUMNS['order_id']])}")
    tiny.edit("slices: [shop]", f"slices: {plain_yaml.flow(['shop', COLUMNS['product']])}")
    tiny.edit("floors: {", "agreement: 10\n  baseline: {margin: 10}\n  floors: {")
    tiny.edit('        "product",\n', f"        {COLUMNS['product']!r},\n", "features.py")
    tiny.edit("labels.label.cast", "labels.label.fill_null(0).cast", "features.py")
    tiny.edit(
        'distance=joined.distance.cast("float32"),',
        f"**{{{COLUMNS['distance']!r}: joined[{COLUMNS['distance']!r}].cast('float32')}},",
        "features.py",
    )
    tiny.edit("couriers=joined", "On=joined", "features.py")
    for old, new in COLUMNS.items():
        tiny.edit(f"column: {old}", f"column: {plain_yaml.flow(new)}", "expectations.yaml")
    names = ("order_id", "placed_at", "shop", "product", "distance", "delay")
    column_set = plain_yaml.flow([COLUMNS.get(name, name) for name in names])
    tiny.edit(f"[{', '.join(names)}]", column_set, "expectations.yaml")
    for table in ("orders", "skies"):
        for day in map(tiny.day, range(40)):
            tiny.write(_renamed(tiny.read(table, day)), table, day)
    tiny.write(_renamed(tiny.read("shops")), "shops")


def _renamed(data: pa.Table) -> pa.Table:
    index = data.schema.get_field_index("shop")
    data = data.set_column(index, "shop", pa.array([SHOPS[name] for name in data["shop"].to_pylist()]))
    return data.rename_columns([COLUMNS.get(name, name) for name in data.column_names])


def test_a_run_with_names_that_others_misread_ends_and_says_them_as_they_are(
    tiny_model: TinyModel, settings: Settings, tmp_path: Path
) -> None:
    make_hostile(tiny_model)
    done = stories.evergreen(settings, "ingest", "tiny", "--from", str(tiny_model.first), "--to", str(tiny_model.last))
    assert done.returncode == 0, done.stderr + done.stdout
    done = stories.evergreen(settings, "run", "tiny", "--as-of", str(tiny_model.day(30)), "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    report = stories.last_json(done)
    assert report["version"] == 1
    ledger, tag = Ledger.open(settings, "tiny"), f"runs/{report['run']}"
    params = plain_yaml.load(ledger.read(tag, "params.yaml") or b"")
    assert tuple(params["label"]["classes"]) == CLASSES
    outs = {name: tmp_path / name for name in ("slices.json", "report.html")}
    fetch_files(settings, ledger, tag, {f"out/evaluate/{name}": path for name, path in outs.items()})
    values = {json.dumps(item, ensure_ascii=False) for item in _values(json.loads(outs["slices.json"].read_text()))}
    assert {json.dumps(name) for name in SHOPS.values()} <= values
    page = outs["report.html"].read_text()
    assert "<i>on</i>" not in page
    assert "&lt;i&gt;on&lt;/i&gt;" in page
    for stage in ("snapshot", "validate", "features", "train", "evaluate"):
        assert Pipeline(ledger, tag).finished(stage)
    again = stories.evergreen(settings, "run", "tiny", "--as-of", str(tiny_model.day(38)), "--json")
    assert again.returncode == 0, again.stderr + again.stdout


def _values(document: Any) -> Iterator[Any]:
    for item in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from _values(item)
    if isinstance(document, dict):
        yield from document
    yield document
