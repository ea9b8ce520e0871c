"""Encoded blocks kept in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from feature_tables import COLUMNS, make
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.model import Training
from pipelines.engines import matrix as matrices
from pipelines.engines.spool import Spool


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5)), max_size=6))
def test_what_was_put_comes_back(tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    random = np.random.default_rng(1)
    parts = [
        (random.normal(size=shape).astype(np.float32), {"label": random.normal(size=shape[0]).astype(np.float32)})
        for shape in shapes
    ]
    for part in parts:
        spool.put([part])
    for _ in range(2):
        back = list(spool.parts())
        assert len(back) == len(parts)
        for (block, info), (block_back, info_back) in zip(parts, back, strict=True):
            assert np.array_equal(block, block_back)
            assert np.array_equal(info["label"], info_back["label"])
    assert not list(folder.iterdir()), "the file has no name"
    spool.close()


def test_a_matrix_is_the_same_from_memory_and_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make(tmp_path).rows()
    kept = matrices.matrix(rows, COLUMNS, Training(threads=1), progress=print)
    monkeypatch.setattr(matrices, "KEEP_BYTES", 0)
    spooled = matrices.matrix(rows, COLUMNS, Training(threads=1), progress=print)
    assert kept.num_row() == spooled.num_row() > 0
    for ours, theirs in zip(kept.get_quantile_cut(), spooled.get_quantile_cut(), strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(kept.get_label(), spooled.get_label())
