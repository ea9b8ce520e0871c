"""Retrainings of the past in several processes at once; what is kept already is not made again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path

from pipelines.config.params import RunParams
from pipelines.replay import fits
from pipelines.replay.table import Table
from pipelines.replay.world import World

# How many are done, of how many.
Bar = Callable[[int, int], None]


def make(world: World, days: Iterable[date], jobs: int, bar: Bar) -> int:
    """Make the retrainings as of `days` that are not kept yet; gives back how many those were.

    Each process fits with one thread: two fits side by side are done sooner than one after the other with two threads.

    Raises:
        DataError: a window holds rows that cannot be trained on.
    """
    due = {path: world.params(day) for day in sorted(set(days)) if not (path := world.path(day)).is_file()}
    if not due:
        return 0
    bar(0, len(due))
    # Forked, a child would inherit the threads of Arrow and XGBoost in whatever state they are.
    with ProcessPoolExecutor(min(jobs, len(due)), mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(_make, path, params, world.table) for path, params in due.items()]
        try:
            for done, future in enumerate(as_completed(running), 1):
                future.result()
                bar(done, len(due))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(due)


def _make(path: Path, params: RunParams, table: Table) -> None:
    single = params.training.model_copy(update={"threads": 1})
    fits.make(path, params.model_copy(update={"training": single}), table, lambda _: None)
