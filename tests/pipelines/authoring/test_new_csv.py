"""CSV files as `evergreen new` reads them: what is told from the header and the values, and what is refused."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from drafting import feature_table, unaccepted

from pipelines.authoring.csv_file import load_csv
from pipelines.authoring.new import Report, draft
from pipelines.authoring.source import Request
from pipelines.config.load import load_model
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

DAYS, ROWS = 30, 20
FORM = "%Y-%m-%d %H:%M"


def lines(separator: str = ",", form: str = FORM, **more: object) -> list[str]:
    """The lines of a file of a month: an id, a time, a shop, a price and whether it was late."""
    count = DAYS * ROWS
    start = datetime(2024, 1, 1)
    columns: dict[str, list[object]] = {
        "order_id": [f"{number:05d}" for number in range(count)],
        "at": [(start + timedelta(minutes=number * 1440 // ROWS)).strftime(form) for number in range(count)],
        "shop": [("north", "south", '"a, b"')[number % 3] if separator == "," else "north" for number in range(count)],
        "price": [f"{number % 17}.{number % 10}" for number in range(count)],
        "late": [("yes", "no", "no")[number * 7 % 11 % 3] for number in range(count)],
    }
    columns |= {name: [values[n % len(values)] for n in range(count)] for name, values in more.items()}  # type: ignore[arg-type,index]
    rows = [separator.join(str(value) for value in row) for row in zip(*columns.values(), strict=True)]
    return [separator.join(columns), *rows]


def write(path: Path, rows: list[str], encoding: str = "utf-8", end: str = "\n") -> Path:
    """The file with these lines."""
    raw = (end.join(rows) + end).encode(encoding)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def drafted(settings: Settings, path: Path, **options: str) -> Report:
    """The draft of a file, held to what every draft must stand."""
    report = draft(settings, "orders", Request(path, "late", "at", **options), lambda _: None)
    load_model(settings.models / "orders")
    assert [said for said in unaccepted(settings, "orders") if not said.startswith("label: ")] == []
    table = feature_table(settings, "orders", path.parent / "scratch", report.draft.events.last)
    assert table.num_rows > 0
    return report


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["orders.csv", "orders.CSV", "orders.csv.gz", "orders.tsv"])
def test_a_separator_is_told_from_the_header(settings: Settings, tmp_path: Path, separator: str, name: str) -> None:
    report = drafted(settings, write(tmp_path / name, lines(separator)))
    assert report.draft.key == ("order_id",)
    assert report.draft.events.data.num_rows == DAYS * ROWS
    assert "1 where late is 'yes'" in report.render()
    assert {"shop", "price"} >= {column.name for column in report.draft.features} >= {"price"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_marks_of_order_and_ends_of_lines_change_nothing(
    settings: Settings, tmp_path: Path, encoding: str, end: str
) -> None:
    report = drafted(settings, write(tmp_path / "a.csv", lines(), encoding, end))
    assert report.draft.events.data.column_names == ["order_id", "at", "shop", "price", "late"]


def test_types_are_told_from_all_values(tmp_path: Path) -> None:
    rows = lines(
        whole=["1", "-2", "", "NA"],
        padded=["007", "010"],
        big=["123456789012345678901", "2"],
        number=["1.5", "2", "1e3", "nan"],
        flag=["true", "False", ""],
        day=["2024-01-31", "2023-12-01"],
        moment=["2024-01-31T10:00:00Z", "2024-01-31 11:00:00+02:00"],
        local=["2024-01-31 10:00", "2024-01-31 11:00:30"],
        word=["NA", "none", "x"],
        nothing=["", "NA"],
        text=['"two\nlines"', '"say ""hi"""'],
    )
    table = load_csv(write(tmp_path / "a.csv", rows), ("late", "at"))
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {
        "order_id": "string",
        "at": "string",
        "shop": "string",
        "price": "double",
        "late": "string",
        "whole": "int64",
        "padded": "string",
        "big": "string",
        "number": "double",
        "flag": "bool",
        "day": "date32[day]",
        "moment": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "word": "string",
        "nothing": "string",
        "text": "string",
    }
    assert table["whole"][:4].to_pylist() == [1, -2, None, None]
    assert table["number"][:4].to_pylist() == [1.5, 2.0, 1000.0, None]
    assert table["word"][:3].to_pylist() == ["NA", "none", "x"]
    assert table["text"][:2].to_pylist() == ["two\nlines", 'say "hi"']
    assert table.num_rows == DAYS * ROWS


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d %b %Y %H:%M:%S", "%Y%m%d"])
def test_times_in_any_form_are_read_by_their_pattern(settings: Settings, tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "a.csv", lines(form=form))
    report = drafted(settings, path, time_format=form)
    assert (report.draft.events.first.isoformat(), len(report.draft.events.days)) == ("2024-01-01", DAYS)


def test_a_pattern_that_reads_the_times_is_named(settings: Settings, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", lines(form="%d.%m.%Y %H:%M"))
    with pytest.raises(
        ConfigError, match=r"such as '01.01.2024 00:00'; --time-format '%d.%m.%Y %H:%M' reads all of them"
    ):
        draft(settings, "orders", Request(path, "late", "at"), lambda _: None)


REFUSED: dict[str, tuple[list[str], str, str]] = {
    "decimal comma": (lines(";", weight=["1,5", "12,25"]), "utf-8", "column 'weight' has numbers with a comma.*'1,5'"),
    "latin-1": (lines(name=["Müller"]), "latin-1", "line 2 is not UTF-8 text; save it as UTF-8"),
    "utf-16": (lines(), "utf-16", "is UTF-16"),
    "ragged": ([*lines(), "1,2"], "utf-8", "not readable as CSV: .*Expected 5 columns, got 2"),
    "doubled": ([line + ",x" for line in lines()[:1]] + ["1,2,3,4,5,6"], "utf-8", "no column"),
    "twice": (["at,late,at", "1,2,3"], "utf-8", "column 'at' stands 2 times in the header"),
    "only a header": (lines()[:1], "utf-8", "holds no rows"),
    "no header": (lines()[1:], "utf-8", "there is no column 'late'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name_and_line(settings: Settings, tmp_path: Path, case: str) -> None:
    rows, encoding, message = REFUSED[case]
    path = write(tmp_path / "a.csv", rows, encoding)
    if case == "doubled":
        path.write_text("at,x\n2024-01-01,1\n")
    with pytest.raises((ConfigError, DataError), match=message) as refusal:
        draft(settings, "orders", Request(path, "late", "at"), lambda _: None)
    assert len(str(refusal.value)) <= 300


@pytest.mark.parametrize("raw", [b"", b"\x1f\x8b\x08broken", b"\x00\x01\x02" * 50])
def test_bytes_that_are_no_text_are_refused(settings: Settings, tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(raw)
    with pytest.raises((ConfigError, DataError)):
        draft(settings, "orders", Request(path, "late", "at"), lambda _: None)


def test_a_name_with_signs_of_a_pattern_is_one_file(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path / "ax.csv", ["other", "1"])
    report = drafted(settings, write(tmp_path / "a[x]*.csv", lines()))
    assert report.draft.events.data.num_rows == DAYS * ROWS


def test_a_csv_and_a_parquet_file_make_the_same_features(settings: Settings, tmp_path: Path) -> None:
    report = drafted(settings, write(tmp_path / "a.csv", lines()))
    kinds = {field.name: field.type for field in report.draft.events.data.schema}
    assert kinds["price"] == pa.float64()
    assert kinds["at"] == pa.timestamp("us", "UTC")
