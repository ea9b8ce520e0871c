"""A year of real flights: its days shuffled it has no drift, and none is seen; as it was it has, and that is seen."""

from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.config import settings as configuration
from pipelines.config.load import load_model
from pipelines.config.params import RunParams
from pipelines.config.policy import DriftRule
from pipelines.demo.lake import lay_out
from pipelines.drift.compare import compare
from pipelines.drift.grid import make_grid
from pipelines.drift.profile import merge_all, profile
from pipelines.drift.rank import rank, score
from pipelines.engines.frame import open_frame
from pipelines.engines.local import connect
from pipelines.engines.sources import SourceFile

FOLDER = configuration.PROJECT / "include" / "models" / "flights"
FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
TRAINED, WINDOW = 90, 7
RULE = DriftRule()
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> list[pa.Table]:
    """The features and the label of every day of 2013, in order."""
    root = tmp_path_factory.mktemp("year")
    lay_out(root / "lake", lambda _: None)
    model = load_model(FOLDER)
    window = model.window.model_copy(update={"train_days": 300})
    params = RunParams.of("flights", model.model_copy(update={"window": window}), LAST)
    with connect(root / "duckdb", threads=1) as connection:
        frame = open_frame(connection, params, sources(root / "lake"), FOLDER / "features.py", now=LAST)
        table = frame.table(FIRST, LAST, label=True).unify_dictionaries()
        columns = [*(feature.name for feature in frame.features), "label"]
    number = table["event_date"].cast(pa.int32()).to_numpy()
    _, starts, counts = np.unique(number, return_index=True, return_counts=True)
    return [table.slice(*place).select(columns) for place in zip(starts, counts, strict=True)]


def sources(lake):
    daily = [(name, path) for name in ("flights", "weather") for path in sorted((lake / name).glob("*.parquet"))]
    found = [SourceFile(name, date.fromisoformat(path.stem), path, rows(path)) for name, path in daily]
    static = [name for name in ("planes", "airports", "airlines") if name in load_model(FOLDER).tables]
    return found + [SourceFile(name, None, lake / f"{name}.parquet", rows(lake / f"{name}.parquet")) for name in static]


def rows(path):
    return pq.read_metadata(path).num_rows


def effects(days):
    """Night by night, the drift of the last week from the first 90 days."""
    grid = make_grid(pa.concat_tables(days[:TRAINED]))
    profiles = [profile(day, grid) for day in days]
    reference = profiles[:TRAINED]
    whole = merge_all(reference)
    ends = range(TRAINED + WINDOW, len(days) + 1)
    return [compare(whole, merge_all(profiles[end - WINDOW : end]), grid, reference) for end in ends]


def alarms(scores):
    """How often the rule of the policy, as shipped, begins to fire."""
    over = np.asarray(scores) >= RULE.threshold
    recent = [over[max(0, night - RULE.of + 1) : night + 1].sum() for night in range(len(over))]
    fired = [bool(now and count >= RULE.days) for now, count in zip(over, recent, strict=True)]
    return sum(now and not before for before, now in pairwise([False, *fired]))


def test_twelve_months_of_shuffled_days_raise_no_alarm(days):
    order = np.random.default_rng(2013).permutation(len(days))
    # The nights of a whole year: the days of the reference come again at its end.
    nights = effects([days[place] for place in [*order, *order[:TRAINED]]])
    assert len(nights) >= 359
    names = [column.name for column in nights[0]]
    shares = dict.fromkeys(names, 1 / len(names))
    assert alarms([score(rank(night, shares)) for night in nights]) == 0
    # Of fifty models that each live of one column alone, or watch the label, in fifty such years: one alarm, if any.
    table = np.array([[column.effect for column in night] for night in nights])
    single = {name: alarms(table[:, place]) for place, name in enumerate(names)}
    assert sum(single.values()) <= 1, {name: count for name, count in single.items() if count}
    assert (table > 0).mean() < 0.005


def test_the_year_as_it_was_drifts(days):
    (summer,) = effects([*days[:TRAINED], *days[TRAINED + 113 : TRAINED + 120]])
    found = {column.name: column for column in summer}
    assert found["temp"].effect > 0.3
    assert found["carrier"].effect < 0.1
