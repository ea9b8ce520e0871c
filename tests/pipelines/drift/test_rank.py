"""What matters comes first."""

import pytest

from pipelines.drift.compare import ColumnDrift
from pipelines.drift.rank import rank, score


def drift(name, effect):
    return ColumnDrift(name, "number", effect, 0.0, 0.0, 0.0, 0.0, effect, 10, 10)


def test_importance_times_effect_leads():
    found = rank([drift("loud", 0.9), drift("quiet", 0.2), drift("still", 0.0)], {"loud": 0.1, "quiet": 0.8})
    assert [item.drift.name for item in found] == ["quiet", "loud", "still"]
    assert score(found) == pytest.approx(0.25)


def test_what_matters_alike_is_in_order_of_effect_and_name():
    found = rank([drift("b", 0.1), drift("a", 0.1), drift("c", 0.5)], {})
    assert [item.drift.name for item in found] == ["c", "a", "b"]
    assert score(found) == score([]) == 0.0
