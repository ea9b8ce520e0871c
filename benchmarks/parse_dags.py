"""Parses a DAG folder as Airflow's processor does, and prints seconds and what was found as JSON.

A process of its own, because importing Airflow reads its configuration and sets up logging.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Parse the folder named first on the command line."""
    began = time.perf_counter()
    from airflow.dag_processing.dagbag import DagBag

    imported = time.perf_counter()
    bag = DagBag(Path(sys.argv[1]))
    parsed = time.perf_counter()
    broken = sorted(dag_id for dag_id in bag.dags if dag_id.endswith("__broken"))
    found = {
        "import": round(imported - began, 3),
        "seconds": round(parsed - imported, 3),
        "files": {Path(item.file).name: item.duration.total_seconds() for item in bag.dagbag_stats},
        "dags": len(bag.dags) - len(broken),
        "broken": broken,
        "errors": bag.import_errors,
    }
    print("\n" + json.dumps(found, default=str))


if __name__ == "__main__":
    main()
