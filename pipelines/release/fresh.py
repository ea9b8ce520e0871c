"""`python -m pipelines.release.fresh FOLDER`: a stored version alone in a fresh process, asked for what it once said.

FOLDER holds `model.json`, `signature.json` and `ask.json` with the sha256 that the model must have; `rows.parquet` and
`said.parquet` where a day's feature rows and stamped predictions are to be repeated. It answers in a line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipelines import leave
from pipelines.engines import example
from pipelines.engines.matrix import predict
from pipelines.errors import EvergreenError
from pipelines.storage.files import read_json
from pipelines.storage.model_file import Signature, verify_and_load


def main(folder: Path) -> dict[str, Any]:
    """Verify, load, and repeat: how many rows of the example and of the day there are, and how many differ.

    Raises:
        IntegrityError: the bytes are not the ones asked for, or no model of these columns.
    """
    from pipelines.night.predictions import scores_of
    from pipelines.storage.parquet import read_table

    signature = Signature.read(folder / "signature.json")
    booster = verify_and_load(folder / "model.json", read_json(folder / "ask.json")["sha256"], signature)
    booster.set_param({"nthread": 1, "device": "cpu"})
    told = signature.example.rows if signature.example else ()
    found = {"example": len(told), "example_differing": example.repeat(booster, signature) or 0, "day": 0}
    if (folder / "rows.parquet").exists():
        said = scores_of(read_table(folder / "said.parquet"))
        anew = predict(booster, signature, read_table(folder / "rows.parquet").to_batches())
        same = anew.shape == said.shape
        differing = int((anew != said).reshape(len(said), -1).any(axis=1).sum()) if same else len(said)
        found |= {"day": len(said), "day_differing": differing}
    return found


if __name__ == "__main__":
    with leave.shortly():
        try:
            sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
        except EvergreenError as error:
            sys.stderr.write(f"{error.line()}\n")
            raise SystemExit(int(error.exit_code)) from None
