"""Serving: a signature that holds no example ties no score to training."""

import pytest

from pipelines.evaluation.serving import Serving
from pipelines.gates import serving

CLOCK = {"row_ms": {"cpu_p99": 1.0}, "rows_per_second": 1e6}


@pytest.mark.parametrize(("example_rows", "passed"), [(8, True), (0, False)])
def test_parity_needs_an_example(example_rows: int, passed: bool) -> None:
    found = Serving("", 10_000, 0, example_rows, 0, 1.0, CLOCK)
    assert serving._parity(found).passed is passed
    assert ("no example" in serving._parity(found).sentence) is not passed
