"""What must be there before a clock runs, in a process of its own so that the timing process stays small.

python -m benchmarks.prepare lake FOLDER | mlflow URI | correct PARQUET_FILE
"""

from __future__ import annotations

import sys
from pathlib import Path


def lake(folder: str) -> None:
    """Lay out the demo lake."""
    from pipelines.demo.lake import lay_out

    print(lay_out(Path(folder), print).sentence())


def mlflow(uri: str) -> None:
    """Make MLflow's tables."""
    from mlflow import MlflowClient

    Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    MlflowClient(uri, uri).search_experiments()


def correct(path: str) -> None:
    """Correct a day's file as a data team would: one flight arrived forty minutes later than was said."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    delays = table["arr_delay"].to_pylist()
    place = next(at for at, value in enumerate(delays) if value is not None and value < 0)
    delays[place] += 40
    at = table.column_names.index("arr_delay")
    column = pa.array(delays, table.schema.field("arr_delay").type)
    table = table.set_column(at, table.schema.field("arr_delay"), column)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


if __name__ == "__main__":
    {"lake": lake, "mlflow": mlflow, "correct": correct}[sys.argv[1]](sys.argv[2])
