from datetime import date

import feature_tables
import numpy as np
import pytest

from pipelines.evaluation.overlap import days_of, shared_rows


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return feature_tables.make(tmp_path_factory.mktemp("table"), days=20, rows=30)


def ids(rows):
    return np.concatenate([batch.column("row_id").to_numpy() for batch in rows.batches(["row_id"])])


def test_rows_of_other_days_share_no_id(table):
    assert shared_rows(table.rows(0, 14), ids(table.rows(15))) == 0


def test_a_day_in_both_is_counted_row_by_row(table):
    train, test = table.rows(0, 15), ids(table.rows(15))
    assert shared_rows(train, test) == len(ids(table.rows(15, 15)))


def test_one_old_row_among_new_ones_is_found(table):
    test = np.append(ids(table.rows(15)), ids(table.rows(3, 3))[4])
    assert shared_rows(table.rows(0, 14), test) == 1


def test_days_of_rows():
    assert days_of(np.array([19_723, 19_725, 19_724])) == (date(2024, 1, 1), date(2024, 1, 3))
