"""Snapshot: cases 9, 10 and 11 of bad input stop the run before anything is computed."""

import json
import shutil
import time

import pytest
from support import TinyModel, flip_bit

from pipelines.config.params import RunParams
from pipelines.errors import DataError, ExitCode, IntegrityError
from pipelines.stages.context import StageContext
from pipelines.stages.snapshot import main
from pipelines.storage.files import sha256_file


@pytest.fixture
def ctx(tiny_model: TinyModel, tmp_path):
    """A workspace with ten days of orders and the shops, as a run's window lists them."""
    root, listed = tmp_path / "workspace", []
    days = [tiny_model.day(number) for number in range(30, 40)]
    for table, day in [("orders", day) for day in days] + [("shops", None)]:
        source = tiny_model.path(table, day)
        path = f"lake/{table}/{f'{day:%Y-%m}' if day else 'static'}/{day or 'static'}.parquet"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / path)
        rows = tiny_model.read(table, day).num_rows
        listed.append({"table": table, "partition": str(day or "static"), "path": path, "rows": rows})
        listed[-1]["sha256"] = sha256_file(source)
    (root / "window.json").write_text(json.dumps({"partitions": listed, "quarantined": [], "missing": []}))
    return StageContext(root, RunParams.of("tiny", tiny_model.model, tiny_model.last), lambda _: None)


def victim(ctx):
    return ctx.root / json.loads((ctx.root / "window.json").read_text())["partitions"][3]["path"]


def change_window(ctx, **values):
    window = json.loads((ctx.root / "window.json").read_text())
    window["partitions"][3] |= values
    (ctx.root / "window.json").write_text(json.dumps(window))


def test_a_whole_window_is_verified_and_summed(ctx):
    result = main(ctx)
    written = json.loads((ctx.root / "out/snapshot/snapshot.json").read_text())
    assert result.exit_code is ExitCode.DONE
    assert written["rows"] == result.summary["rows"] == {"orders": 1200, "shops": 4}
    assert len(written["partitions"]) == 11
    assert len(written["digest"]) == 64


def test_the_same_window_gives_the_same_bytes(ctx):
    main(ctx)
    first = (ctx.root / "out/snapshot/snapshot.json").read_bytes()
    (ctx.root / "out/snapshot/left over").write_text("from an earlier try")
    main(ctx)
    assert (ctx.root / "out/snapshot/snapshot.json").read_bytes() == first
    assert [path.name for path in (ctx.root / "out/snapshot").iterdir()] == ["snapshot.json"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda ctx: victim(ctx).unlink(), "is missing; expected sha256"),
        (lambda ctx: flip_bit(victim(ctx), 200), "changed after it was accepted"),
        (lambda ctx: victim(ctx).write_bytes(b""), "changed after it was accepted"),
        (lambda ctx: change_window(ctx, sha256="0" * 64), "expected sha256 000000000000, found "),
        (lambda ctx: change_window(ctx, rows=7), "expected 7 rows, found 120"),
        (lambda ctx: (victim(ctx).unlink(), victim(ctx).mkdir()), "is missing"),
    ],
    ids=["9 missing", "11 one bit changed", "11 emptied", "10 other hash", "5 other rows", "a folder instead"],
)
def test_a_wrong_file_stops_the_run_and_is_named(ctx, spoil, said):
    main(ctx)
    name = victim(ctx).name
    spoil(ctx)
    with pytest.raises(IntegrityError) as caught:
        main(ctx)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert caught.value.exit_code == 3
    assert not (ctx.root / "out/snapshot/snapshot.json").exists()


def test_all_wrong_files_are_counted(ctx):
    for path in sorted((ctx.root / "lake/orders").rglob("*.parquet"))[:4]:
        path.unlink()
    with pytest.raises(IntegrityError, match="4 of 11 listed files"):
        main(ctx)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "lake/../../x", "out/snapshot/snapshot.json"])
def test_a_path_outside_the_lake_is_refused(ctx, path):
    change_window(ctx, path=path)
    with pytest.raises(IntegrityError, match="outside the lake"):
        main(ctx)


def test_an_empty_window_is_an_error_of_the_data(ctx):
    (ctx.root / "window.json").write_text('{"partitions": []}')
    with pytest.raises(DataError, match="no accepted partition"):
        main(ctx)


def test_a_year_is_verified_quickly(ctx):
    window = json.loads((ctx.root / "window.json").read_text())
    one = window["partitions"][0]
    window["partitions"] = []
    for number in range(365):
        path = f"lake/orders/copies/{number}.parquet"
        (ctx.root / path).parent.mkdir(exist_ok=True)
        shutil.copyfile(ctx.root / one["path"], ctx.root / path)
        window["partitions"].append(one | {"path": path})
    (ctx.root / "window.json").write_text(json.dumps(window))
    start = time.perf_counter()
    main(ctx)
    assert time.perf_counter() - start < 3
