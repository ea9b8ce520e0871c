import pytest

from pipelines.evaluation.sampling import affordable, spread


@pytest.mark.parametrize(
    ("rows", "times", "trees", "found"),
    [
        (5_000, 130, 70, 5_000),  # a model of flights: all of them
        (5_000, 27, 20_000, 100),  # never fewer than a hundred
        (60, 27, 20_000, 60),  # than which there may be no more
        (20_000, 2, 20_000, 1_250),
        (0, 3, 10, 0),
    ],
)
def test_rows_are_bounded_by_what_the_trees_cost(rows, times, trees, found):
    assert affordable(rows, times, trees) == found


def test_fewer_rows_are_spread_from_the_first_to_the_last():
    assert spread(10, 4).tolist() == [0, 3, 6, 9]
    assert spread(3, 5).tolist() == [0, 1, 2]
    assert spread(0, 5).tolist() == []
