"""A year of claims in a world whose changes are known, laid out as a lake: `python -m benchmarks.shifting LAKE`.

Campaigns come and go: while one runs, a third of the claims are of it, and its own odds decide over them. On `ABRUPT`
what the channels mean changes for good; on `COVARIATE` only the mix of claims changes, which no model need be retrained
for. Every day has luck of its own, which its claims share; now and then a bad day comes that says nothing of the
next.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.storage.parquet import write_table

FIRST, DAYS, ROWS = date(2022, 1, 1), 365, 300
NONE = "none"
CAMPAIGNS = (
    ("winter sale", date(2022, 1, 20), date(2022, 2, 12)),
    ("spring", date(2022, 4, 20), date(2022, 5, 12)),
    ("festival", date(2022, 5, 25), date(2022, 6, 18)),
    ("holidays", date(2022, 7, 1), date(2022, 7, 20)),
    ("summer", date(2022, 8, 5), date(2022, 9, 2)),
    ("school", date(2022, 9, 14), date(2022, 10, 5)),
    ("autumn", date(2022, 10, 18), date(2022, 11, 8)),
    ("friday", date(2022, 11, 20), date(2022, 11, 30)),
    ("advent", date(2022, 12, 10), date(2022, 12, 28)),
)
SHARE = 0.35
ABRUPT = date(2022, 8, 22)
COVARIATE = date(2022, 11, 14)
REGIONS = ("north", "south", "east", "west", "islands")
CHANNELS = ("web", "phone", "letter", "agent")
PRODUCTS = ("car", "home", "travel", "health", "life", "legal")
LUCK, BAD_SHARE, BAD = 0.15, 0.06, 1.2


@dataclass(frozen=True)
class World:
    """What decides, in log odds: by region, channel (before and after `ABRUPT`), product, and by amount, weight, hour;
    of each campaign an amount and a slope of `weight` of its own."""

    region: NDArray[np.float64]
    channel: NDArray[np.float64]
    later: NDArray[np.float64]
    product: NDArray[np.float64]
    slopes: NDArray[np.float64]
    campaigns: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> World:
        """A world by chance."""
        region, channel, product, slopes = (rng.normal(0, 0.6, size) for size in (5, 4, 6, 3))
        later = channel + rng.normal(0, 0.4, 4)
        return cls(region, channel, later, product, slopes, rng.normal(0, (1.5, 0.7), (len(CAMPAIGNS), 2)))


def campaign_of(day: date) -> int | None:
    """The place in `CAMPAIGNS` of the one that runs on `day`."""
    return next((place for place, (_, first, last) in enumerate(CAMPAIGNS) if first <= day <= last), None)


def claims(day: date, world: World, luck: float, rng: np.random.Generator) -> pa.Table:
    """The claims of one day."""
    rows = int(rng.poisson(ROWS))
    travel = 0.6 if day >= COVARIATE else 0.1
    shares = np.full(len(PRODUCTS), (1 - travel) / (len(PRODUCTS) - 1))
    shares[PRODUCTS.index("travel")] = travel
    region, channel = rng.integers(0, len(REGIONS), rows), rng.integers(0, len(CHANNELS), rows)
    product = rng.choice(len(PRODUCTS), rows, p=shares)
    amount, weight, hour = rng.lognormal(6, 0.8, rows), rng.normal(0, 1, rows), rng.integers(0, 24, rows)
    inputs = np.column_stack([np.log(amount) - 6, weight, (hour - 11.5) / 7])
    channels = world.later if day >= ABRUPT else world.channel
    odds = world.region[region] + channels[channel] + world.product[product] + inputs @ world.slopes + luck - 0.8
    running, names = campaign_of(day), np.full(rows, NONE, dtype=object)
    if running is not None:
        of_it = rng.random(rows) < SHARE
        names[of_it] = CAMPAIGNS[running][0]
        odds[of_it] += world.campaigns[running, 0] + world.campaigns[running, 1] * weight[of_it]
    late = rng.random(rows) < 1 / (1 + np.exp(-odds))
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pa.table(
        {
            "claim_id": pa.array((day - FIRST).days * 10_000 + np.arange(rows), pa.int64()),
            "made_at": pa.array([start + timedelta(hours=int(value)) for value in hour], pa.timestamp("us", tz="UTC")),
            "region": pa.array(np.array(REGIONS)[region]),
            "channel": pa.array(np.array(CHANNELS)[channel]),
            "campaign": pa.array(names.tolist()),
            "product": pa.array(np.array(PRODUCTS)[product]),
            "amount": pa.array(np.round(amount, 2)),
            "weight": pa.array(np.round(weight, 3)),
            "hour": pa.array(hour, pa.int32()),
            "pages": pa.array(rng.poisson(3, rows), pa.int32()),
            "days_to_pay": pa.array(np.where(late, 11 + rng.poisson(9, rows), rng.integers(0, 11, rows)), pa.int32()),
        }
    )


def lay_out(lake: Path, seed: int = 2022) -> None:
    """Write `claims/<day>.parquet` for the whole year below `lake`; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    world = World.drawn(rng)
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        luck = rng.normal(0, LUCK) + (BAD if rng.random() < BAD_SHARE else 0.0)
        write_table(lake / "claims" / f"{day}.parquet", claims(day, world, luck, rng), durable=False)


def main() -> None:
    """Lay the lake out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lake", type=Path)
    parser.add_argument("--seed", type=int, default=2022)
    asked = parser.parse_args()
    lay_out(asked.lake, asked.seed)


if __name__ == "__main__":
    main()
