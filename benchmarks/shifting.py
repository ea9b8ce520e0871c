"""A year of claims in a world whose changes are known, laid out as a lake: `python -m benchmarks.shifting LAKE`.

What decides over a claim's late payment changes for good on `ABRUPT` days and between the days of `GRADUAL`; on
`COVARIATE` only the mix of claims changes, which no model need be retrained for. Every day has luck of its own, which all
its claims share, and now and then a bad day comes that says nothing of the next one.
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

FIRST, DAYS, ROWS = date(2022, 1, 1), 365, 400
ABRUPT = (date(2022, 5, 16), date(2022, 8, 2))
GRADUAL = (date(2022, 9, 26), date(2022, 10, 26))
COVARIATE = date(2022, 11, 21)
REGIONS = ("north", "south", "east", "west", "islands")
CHANNELS = ("web", "phone", "letter", "agent")
PRODUCTS = ("car", "home", "travel", "health", "life", "legal")
LUCK, BAD_SHARE, BAD = 0.15, 0.06, 1.2


@dataclass(frozen=True)
class World:
    """What decides, in log odds: by region, channel and product, and by amount, weight and hour."""

    region: NDArray[np.float64]
    channel: NDArray[np.float64]
    product: NDArray[np.float64]
    slopes: NDArray[np.float64]

    def mixed(self, other: World, share: float) -> World:
        """This world with a `share` of the other's."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("region", "channel", "product", "slopes"))
        return World(*((1 - share) * own + share * new for own, new in pairs))


def worlds(rng: np.random.Generator) -> list[World]:
    """The first world, and the one after each change: some of what decides is drawn anew."""
    found = [World(*(rng.normal(0, 0.7, size) for size in (5, 4, 6, 3)))]
    for names in (("channel", "slopes"), ("product",), ("region", "channel")):
        old = found[-1]
        kept = {name: getattr(old, name) for name in ("region", "channel", "product", "slopes")}
        found.append(World(**(kept | {name: rng.normal(0, 0.7, len(kept[name])) for name in names})))
    return found


def world_of(day: date, known: list[World]) -> World:
    """What decides on `day`."""
    if day < GRADUAL[0]:
        return known[sum(day >= change for change in ABRUPT)]
    share = min(1.0, (day - GRADUAL[0]).days / (GRADUAL[1] - GRADUAL[0]).days)
    return known[2].mixed(known[3], share)


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
    odds = world.region[region] + world.channel[channel] + world.product[product] + inputs @ world.slopes + luck - 0.8
    late = rng.random(rows) < 1 / (1 + np.exp(-odds))
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pa.table(
        {
            "claim_id": pa.array((day - FIRST).days * 10_000 + np.arange(rows), pa.int64()),
            "made_at": pa.array([start + timedelta(hours=int(value)) for value in hour], pa.timestamp("us", tz="UTC")),
            "region": pa.array(np.array(REGIONS)[region]),
            "channel": pa.array(np.array(CHANNELS)[channel]),
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
    known = worlds(rng)
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        luck = rng.normal(0, LUCK) + (BAD if rng.random() < BAD_SHARE else 0.0)
        write_table(lake / "claims" / f"{day}.parquet", claims(day, world_of(day, known), luck, rng), durable=False)


def main() -> None:
    """Lay the lake out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lake", type=Path)
    parser.add_argument("--seed", type=int, default=2022)
    asked = parser.parse_args()
    lay_out(asked.lake, asked.seed)


if __name__ == "__main__":
    main()
