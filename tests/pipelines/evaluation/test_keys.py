from datetime import timedelta

import feature_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import DataError
from pipelines.evaluation.keys import SharedKeys, compared, shared_keys
from pipelines.storage.files import write_json

KEY = ["order", "day of the file's shop"]
DAYS = 10  # the last five of which are test days


@pytest.fixture
def run(tmp_path):
    """A run's parameters, its training days, and a way to deliver the events' keys of its days."""
    table = feature_tables.FeatureTable(tmp_path, DAYS)
    params = feature_tables.params(table)
    events = params.tables["orders"].model_copy(update={"key": tuple(KEY)})
    return params.model_copy(update={"tables": {"orders": events}}), (params.span.train_start, params.span.train_end)


def deliver(root, orders):
    """One file a day with these orders, of one shop, and accepted.json."""
    partitions = []
    for number, ids in enumerate(orders):
        day = feature_tables.START + timedelta(days=number)
        path = root / f"lake/orders/{day}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({KEY[0]: ids, KEY[1]: ["north"] * len(ids), "more": [0.5] * len(ids)}), path)
        partitions.append(
            {"table": "orders", "partition": f"{day}", "path": f"lake/orders/{day}.parquet", "rows": len(ids)}
        )
    write_json(root / "out/validate/accepted.json", {"partitions": partitions})


def own_orders():
    return [[10 * number, 10 * number + 1, 10 * number + 2] for number in range(DAYS)]


def day(number):
    return feature_tables.START + timedelta(days=number)


def test_events_with_keys_of_their_own_share_none(run, tmp_path):
    deliver(tmp_path, own_orders())
    assert shared_keys(tmp_path, *run) == SharedKeys(tuple(KEY), 15, 0)
    assert not (tmp_path / "out/.keys").exists()


def test_events_that_come_again_are_counted_with_their_days_and_without_their_keys(run, tmp_path):
    orders = own_orders()
    orders[4] = [*orders[4], 0]
    orders[6] = [0, 1, 61]
    orders[8] = [*orders[8], 2, 2]
    deliver(tmp_path, orders)
    found = shared_keys(tmp_path, *run)
    assert (found.rows, found.shared) == (17, 4)
    assert found.days == ((day(0), day(8), 2), (day(0), day(6), 1), (day(4), day(6), 1))


def test_at_most_five_pairs_of_days_are_kept(run, tmp_path):
    orders = own_orders()
    for number in range(5):
        orders[5 + number] = [10 * place for place in range(number + 1)]
    deliver(tmp_path, orders)
    found = shared_keys(tmp_path, *run)
    assert (found.shared, len(found.days)) == (15, 5)


def test_what_came_before_training_or_among_test_days_alone_is_no_overlap(run, tmp_path):
    params, trained = run
    orders = own_orders()
    orders[7] = orders[8] = orders[0]
    deliver(tmp_path, orders)
    assert shared_keys(tmp_path, params, (day(1), trained[1])).shared == 0
    assert shared_keys(tmp_path, params, trained).shared == 6


def test_a_key_that_holds_the_event_time_is_not_read(run, tmp_path):
    params = feature_tables.params(feature_tables.FeatureTable(tmp_path, DAYS))
    assert not compared(params)
    assert shared_keys(tmp_path, params, run[1]) == SharedKeys(("id", "at"), 0, None)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.unlink(), "No files found"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "No magic bytes"),
        (lambda path: pq.write_table(pa.table({"order": [1]}), path), "not found"),
    ],
    ids=["missing", "cut short", "no such column"],
)
def test_a_partition_that_cannot_be_read_is_named(run, tmp_path, spoil, why):
    deliver(tmp_path, own_orders())
    for number in range(5, DAYS):
        spoil(tmp_path / f"lake/orders/{day(number)}.parquet")
    with pytest.raises(DataError, match=why) as caught:
        shared_keys(tmp_path, *run)
    assert caught.value.where == "table orders"
