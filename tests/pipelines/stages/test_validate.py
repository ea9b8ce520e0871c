"""The validate stage over a workspace as the snapshot stage leaves it; no ledger, no Great Expectations."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.config.params import RunParams
from pipelines.errors import ConfigError, DataError, ExitCode, IntegrityError
from pipelines.stages.context import StageContext
from pipelines.stages.validate import main
from pipelines.storage.files import read_json, sha256_file, write_json


@pytest.fixture
def workspace(tiny_model, tmp_path):
    """A workspace as of the 36th day; `accept` and `leave_out` change what the window says."""
    return Workspace(tiny_model, tmp_path / "workspace")


class Workspace:
    def __init__(self, tiny, root):
        self.tiny, self.root = tiny, root
        self.params = RunParams.of("tiny", tiny.model, tiny.day(35))
        self.quarantined, self.missing, self.said = [], [], []
        span = self.params.span
        days = [tiny.day(number) for number in range(40) if span.first <= tiny.day(number) <= span.as_of]
        self.entries = {(table, day): self.accept(table, day) for table in ("orders", "skies") for day in days}
        self.entries["shops", None] = self.accept("shops", None)

    def accept(self, table, day, data=None, warnings=()):
        data = self.tiny.read(table, day) if data is None else data
        name = day.isoformat() if day else "static"
        path = f"lake/{table}/{name[:7] if day else 'static'}/{name}.parquet"
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(data, self.root / path)
        entry = {"table": table, "partition": name, "revision": 1, "path": path, "rows": data.num_rows}
        entry |= {"sha256": sha256_file(self.root / path), "md5": "", "bytes": 0, "source": "", "etag": ""}
        entry |= {"verdict": "accepted", "suite": "", "reasons": [], "warnings": list(warnings)}
        if hasattr(self, "entries"):
            self.entries[table, day] = entry
        return entry

    def leave_out(self, table, *numbers, reason=None):
        for number in numbers:
            day = self.tiny.day(number)
            del self.entries[table, day]
            named = {"table": table, "partition": day.isoformat()}
            if reason:
                self.quarantined.append(named | {"sha256": "0" * 64, "reasons": [reason]})
            else:
                self.missing.append(named)

    def orders(self):
        return {
            day: pq.read_table(self.root / entry["path"])
            for (table, day), entry in self.entries.items()
            if table == "orders"
        }

    def run(self):
        listed = sorted(self.entries.values(), key=lambda entry: (entry["table"], entry["partition"]))
        span = self.params.span
        window = {"as_of": span.as_of, "first": span.first, "last": span.as_of, "partitions": listed}
        write_json(self.root / "window.json", window | {"quarantined": self.quarantined, "missing": self.missing})
        write_json(self.root / "out" / "snapshot" / "snapshot.json", {"partitions": listed, "rows": {}, "digest": ""})
        return main(StageContext(self.root, self.params, self.said.append))

    def out(self, name):
        return self.root / "out" / "validate" / name

    def failed(self):
        return {check["name"] for check in read_json(self.out("validation.json"))["checks"] if not check["passed"]}


def test_a_good_window(workspace):
    result = workspace.run()
    accepted = read_json(workspace.out("accepted.json"))
    span = workspace.params.span
    assert result.exit_code is ExitCode.DONE
    assert accepted["days"][0] == span.first.isoformat()
    assert accepted["days"][-1] == "2024-02-05"
    assert accepted["rows"] == 120 * len(accepted["days"])
    assert accepted["partitions"] == read_json(workspace.root / "window.json")["partitions"]
    judged = [day for day in workspace.orders() if span.train_start <= day <= span.test_end]
    delays = [delay for day in judged for delay in workspace.orders()[day]["delay"].to_pylist() if delay is not None]
    assert accepted["label"] == {
        "rows": len(delays),
        "positives": sum(delay > 15 for delay in delays),
        "coverage": round(len(delays) / (120 * len(judged)), 6),
    }
    assert workspace.failed() == set()
    assert workspace.out("report.html").read_text().startswith("<!doctype html>")
    assert workspace.said


def test_the_same_window_gives_the_same_bytes(workspace):
    workspace.run()
    first = {name: workspace.out(name).read_bytes() for name in ("accepted.json", "validation.json", "report.html")}
    workspace.params = workspace.params.model_copy(
        update={"training": workspace.params.training.model_copy(update={"threads": 2})}
    )
    workspace.run()
    assert {name: workspace.out(name).read_bytes() for name in first} == first


def test_quarantined_partitions_are_left_out_and_named(workspace):
    workspace.leave_out("orders", 20, 22, reason="distance: 3 of 120 values are infinite")
    result = workspace.run()
    record = read_json(workspace.out("validation.json"))
    assert [item["partition"] for item in record["quarantined"]] == ["2024-01-21", "2024-01-23"]
    assert "2024-01-21" not in read_json(workspace.out("accepted.json"))["days"]
    assert result.summary["quarantined"] == 2
    assert "distance: 3 of 120 values are infinite" in workspace.out("report.html").read_text()


def test_warnings_on_partitions_are_handed_on(workspace):
    day = workspace.tiny.day(21)
    workspace.accept("orders", day, warnings=["columns nobody expects: x"])
    workspace.run()
    assert read_json(workspace.out("validation.json"))["warnings"] == [
        {"table": "orders", "partition": day.isoformat(), "warnings": ["columns nobody expects: x"]}
    ]


def test_too_few_rows_left_is_exit_code_3_with_the_numbers(workspace):
    for day, data in workspace.orders().items():
        workspace.accept("orders", day, data.slice(0, 16))
    workspace.leave_out("orders", 20, 22, reason="bad")
    with pytest.raises(DataError) as caught:
        workspace.run()
    assert caught.value.exit_code == 3
    said = str(caught.value)
    assert "labelled training rows of at least 300" in said
    assert "quarantined: orders 2024-01-21, orders 2024-01-23" in said
    assert len(said) <= 300
    assert not workspace.out("accepted.json").exists()
    assert workspace.failed() == {"training_rows"}
    assert "<h1>Refused</h1>" in workspace.out("report.html").read_text()


def one_class(data):
    return data.set_column(data.schema.get_field_index("delay"), "delay", pa.array([99] * data.num_rows, pa.int32()))


def no_labels(data):
    return data.set_column(data.schema.get_field_index("delay"), "delay", pa.nulls(data.num_rows, pa.int32()))


def same_keys(data):
    ids = [f"order {number}" for number in range(data.num_rows)]
    return data.set_column(data.schema.get_field_index("order_id"), "order_id", pa.array(ids))


@pytest.mark.parametrize(
    ("spoil", "days", "failed"),
    [
        (one_class, range(40), {"train_classes", "test_classes"}),
        (no_labels, range(20), {"label_coverage"}),
        (same_keys, (24, 26), {"duplicate_keys"}),
    ],
    ids=["26 one class", "labels stop coming", "37 the same keys on two days"],
)
def test_a_window_that_is_not_fit_is_refused(workspace, spoil, days, failed):
    for number in days:
        day = workspace.tiny.day(number)
        if day in workspace.orders():
            workspace.accept("orders", day, spoil(workspace.orders()[day]))
    with pytest.raises(DataError, match="|".join(sorted(failed))):
        workspace.run()
    assert failed <= workspace.failed()


@pytest.mark.parametrize(
    ("table", "numbers", "failed"),
    [
        ("orders", (18, 19, 20, 21), {"orders_gaps"}),
        ("orders", (32, 33, 34, 35), {"freshness", "orders_gaps"}),
        ("orders", (8, 11, 14, 17, 20, 23, 26, 29), {"orders_missing"}),
        ("skies", (8, 11, 14, 17, 20, 23, 26, 29), {"skies_missing"}),
    ],
)
def test_missing_days_are_refused(workspace, table, numbers, failed):
    workspace.leave_out(table, *numbers)
    with pytest.raises(DataError):
        workspace.run()
    assert workspace.failed() == failed


def test_a_gap_in_a_context_table_is_a_warning(workspace):
    workspace.leave_out("skies", 18, 19, 20, 21)
    assert workspace.run().summary["warnings"] == ["skies_gaps"]


def test_a_static_table_must_be_there(workspace):
    del workspace.entries["shops", None]
    with pytest.raises(DataError, match="The static table shops has no accepted partition"):
        workspace.run()


def recast(workspace, column, kind):
    """The same values on one day in another type."""
    day = workspace.tiny.day(21)
    data = workspace.orders()[day]
    at = data.schema.get_field_index(column)
    workspace.accept("orders", day, data.set_column(at, column, data[column].cast(kind)))
    return day


def test_a_column_that_changes_its_kind_is_refused_before_anything_is_cast(workspace):
    day = recast(workspace, "delay", pa.float64())
    with pytest.raises(DataError, match=rf"column_types: .* orders.delay: number on {day}; integer on .* more") as told:
        workspace.run()
    # What was not looked at is not counted among what failed.
    assert "more critical checks" not in str(told.value)


@pytest.mark.parametrize(("column", "kind"), [("delay", pa.int64()), ("distance", pa.float32())])
def test_a_width_or_a_column_that_model_yaml_does_not_name_is_no_conflict(workspace, column, kind):
    recast(workspace, column, kind)
    workspace.run()


def test_a_regression_and_its_mean(workspace):
    plain = workspace.params.model_dump(mode="json") | {"task": "regression", "label": {"expression": "delay"}}
    workspace.params = RunParams.model_validate(plain)
    workspace.run()
    span = workspace.params.span
    judged = [data for day, data in workspace.orders().items() if span.train_start <= day <= span.test_end]
    delays = [delay for data in judged for delay in data["delay"].to_pylist() if delay is not None]
    assert read_json(workspace.out("accepted.json"))["label"]["mean"] == pytest.approx(sum(delays) / len(delays))


def test_several_classes_are_counted_by_name(workspace):
    label = {"expression": "product", "classes": ["bread", "cake", "pie"]}
    plain = workspace.params.model_dump(mode="json") | {"task": "multiclass", "label": label}
    workspace.params = RunParams.model_validate(plain)
    workspace.run()
    found = read_json(workspace.out("accepted.json"))["label"]
    assert sum(found["classes"].values()) == found["rows"]
    assert found["classes"]["bread"] > found["classes"]["cake"] > found["classes"]["pie"] > 0


def test_a_label_that_looks_outside_the_lake_is_refused(workspace):
    label = workspace.params.label.model_copy(
        update={"expression": "(SELECT count(*) FROM read_text('/etc/hostname')) > 0"}
    )
    workspace.params = workspace.params.model_copy(update={"label": label})
    with pytest.raises(ConfigError, match="it holds a query of its own, which a label cannot be made of"):
        workspace.run()


def test_a_snapshot_of_another_window_is_refused(workspace):
    workspace.run()
    entry = replace_sha(read_json(workspace.root / "window.json"))
    write_json(workspace.root / "window.json", entry)
    with pytest.raises(IntegrityError, match="the snapshot proves other partitions"):
        main(StageContext(workspace.root, workspace.params, print))


def replace_sha(window):
    window["partitions"][0]["sha256"] = "f" * 64
    return window


def test_the_stage_loads_neither_pandas_nor_great_expectations():
    heavy = {"pandas", "numpy", "duckdb", "great_expectations"}
    code = f"import sys, pipelines.stages.validate; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
