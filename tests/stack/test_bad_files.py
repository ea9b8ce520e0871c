"""Files that lie or explode (cases 5 and 6), through the whole stack.

61 and 62 are in test_limits.py, 63 in test_s3_away.py and test_s3_faults.py, 65 in test_ledger_away.py, 67 and 68 in
test_concurrency.py.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stack.machine import probes
from stack.machine.models import DAYS
from stack.machine.stack import Stack
from support import orders


def lying(path: Path, stack: Stack) -> None:
    """Case 5: the footer's row count is not that of the pages."""
    table = orders(stack.models.day(DAYS), 1000)
    pq.write_table(table, path, compression="none", use_dictionary=False)
    data = path.read_bytes()
    footer = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    thousand, less = bytes([0xD0, 0x0F]), bytes([0xC8, 0x0F])  # 1000 and 996 as zigzag varints
    path.write_bytes(data[:footer] + data[footer:].replace(thousand, less, 1))


def bomb(path: Path, stack: Stack) -> None:
    """Case 6: a few kB that stand for 20 GB."""
    table = orders(stack.models.day(DAYS + 1), 20_000)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 2**20]))
    pq.write_table(table.set_column(table.schema.get_field_index("product"), "product", text), path, compression="zstd")


@pytest.mark.parametrize(("offset", "spoil", "said"), [(0, lying, "footer says"), (1, bomb, "expands to")])
def test_a_bad_file_is_quarantined_by_name(stack: Stack, tmp_path: Path, offset: int, spoil: object, said: str) -> None:
    stack.ready("calm")
    before = probes.champion(stack.compose, "calm")
    day = stack.models.day(DAYS + offset)
    path = tmp_path / "orders.parquet"
    spoil(path, stack)  # type: ignore[operator]
    stack.machine.s3().upload_file(str(path), "evergreen-lake", f"orders/{day}.parquet")
    dag, run = "calm__ingest", f"bad-{offset}"
    stack.airflow.trigger(dag, run, {"from": str(day), "to": str(day)})
    # Nothing else came that day: whoever asked for it sees red.
    assert stack.airflow.ended(dag, run) == "failed"
    assert said in stack.airflow.logs(dag, run)
    assert stack.airflow.task(dag, run, "ingest").attempt == 1, "bad data is no reason to try again"
    assert probes.champion(stack.compose, "calm") == before
