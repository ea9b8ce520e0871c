"""Drift as the nights of the past would have seen it: profiles of days, made once, and what is told from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelines.config.policy import DriftRule
from pipelines.drift.compare import ColumnDrift, compare, unseen
from pipelines.drift.grid import Grid, make_grid
from pipelines.drift.profile import Profile, merge_all, profile
from pipelines.drift.rank import Ranked, rank, score
from pipelines.policy.evidence import ColumnFact, DriftFacts
from pipelines.replay.world import World, nights

if TYPE_CHECKING:
    import pyarrow as pa

GRID_ROWS = 200_000
LABEL = "label"


@dataclass
class Drifts:
    """The drift of a world's days, as of any champion; the multivariate check is not made."""

    world: World
    _known: dict[tuple[date, date, bool], DriftFacts] = field(default_factory=dict)
    _merged: dict[tuple[date, bool], tuple[list[Profile], Profile]] = field(default_factory=dict)

    def facts(self, champion: date, day: date, rule: DriftRule) -> DriftFacts:
        """The newest days through `day` against the training days of the champion as of `champion`.

        For a rule that asks for unseen values no effect is worked out, which would take most of the time.
        """
        light = rule.what == "unseen"
        if (champion, day, light) not in self._known:
            self._known[champion, day, light] = self._unseen(champion, day) if light else self._whole(champion, day)
        return self._known[champion, day, light]

    def _unseen(self, champion: date, day: date) -> DriftFacts:
        """Only what share of the rows holds values that the champion never saw."""
        _, trained = self._trained(champion, self._texts, light=True)
        current = self._newest(day, self._texts)
        shares = {name: unseen(trained["columns"][name], column) for name, column in current["columns"].items()}
        off = self.world.model.monitoring.columns_off
        facts = (ColumnFact(name, 0.0, 0.0, 0.0, share) for name, share in sorted(shares.items()) if name not in off)
        return DriftFacts(0.0, tuple(facts))

    def _whole(self, champion: date, day: date) -> DriftFacts:
        off = self.world.model.monitoring.columns_off
        days, trained = self._trained(champion, self._features, light=False)
        moved = compare(trained, self._newest(day, self._features), self._grids[0], days)
        shares = self.world.fit(champion).facts["importance"]
        weights = {name: share or 0.0 for name, share in shares.items()}
        ranked = rank((item for item in moved if item.name not in off), weights)
        first = max(day - timedelta(days=self.world.model.monitoring.window_days - 1), champion + timedelta(days=1))
        return DriftFacts(
            score=score(ranked),
            columns=tuple(_fact(item) for item in ranked),
            prediction=self._predicted(champion, first, day),
            label=self._labelled(champion, day),
        )

    def _newest(self, last: date, profiles: Mapping[date, Profile]) -> Profile:
        first = last - timedelta(days=self.world.model.monitoring.window_days - 1)
        return merge_all(profiles[item] for item in nights(first, last) if item in profiles)

    def _labelled(self, champion: date, day: date) -> float | None:
        span = self.world.fit(champion).params.span
        before = merge_all(
            self._labels[item] for item in nights(span.train_start, span.test_end) if item in self._labels
        )
        matured = day - timedelta(days=self.world.model.label.maturity_days)
        return _most(compare(before, self._newest(matured, self._labels), self._grids[1]))

    def _predicted(self, champion: date, first: date, last: date) -> float | None:
        """How far the scores of these days are from what the trial said of its test days."""
        _, held, _ = self.world.test(champion)
        _, now = self.world.scores(champion, first, last)
        before = _as_table(held)
        grid = make_grid(before)
        return _most(compare(profile(before, grid), profile(_as_table(now), grid), grid))

    def _trained(
        self, champion: date, profiles: Mapping[date, Profile], *, light: bool
    ) -> tuple[list[Profile], Profile]:
        """The profiles of the champion's training days, and all of them as one."""
        if (champion, light) not in self._merged:
            span = self.world.fit(champion).params.span
            days = [profiles[item] for item in nights(span.train_start, span.test_end) if item in profiles]
            self._merged[champion, light] = (days, merge_all(days))
        return self._merged[champion, light]

    @cached_property
    def _grids(self) -> tuple[Grid, Grid]:
        """The bins of features and label: from the first rows there are, as the product takes the first champion's."""
        rows: list[pa.Table] = []
        for _, table in self._days():
            rows.append(table)
            if sum(len(item) for item in rows) >= GRID_ROWS / 4:
                break
        import pyarrow as pa

        whole = pa.concat_tables(rows)
        return make_grid(whole.drop_columns([LABEL])), make_grid(whole.select([LABEL]))

    @cached_property
    def _features(self) -> dict[date, Profile]:
        return {day: profile(table.drop_columns([LABEL]), self._grids[0]) for day, table in self._days()}

    @cached_property
    def _texts(self) -> dict[date, Profile]:
        """Profiles of the text features alone."""
        names = [item.name for item in self.world.table.features if item.kind == "category"]
        return {day: profile(table.select(names), self._grids[0]) for day, table in self._days()}

    @cached_property
    def _labels(self) -> dict[date, Profile]:
        return {day: profile(table.select([LABEL]), self._grids[1]) for day, table in self._days()}

    def _days(self) -> Iterator[tuple[date, pa.Table]]:
        """Every day of the feature table with its rows; one month in memory at a time."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from pipelines.engines.rows import Rows

        whole = self.world.table
        columns = [*(item.name for item in whole.features), LABEL, "event_date"]
        for path in sorted(whole.folder.glob("*.parquet")):
            first = date.fromisoformat(f"{path.stem}-01")
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            batches = Rows(whole.folder, first, last, labelled=False).batches(columns)
            table = pa.Table.from_batches(batches).unify_dictionaries()
            for day in pc.unique(table["event_date"]).to_pylist():
                yield day, table.filter(pc.equal(table["event_date"], day)).drop_columns(["event_date"])


def _fact(item: Ranked) -> ColumnFact:
    drift = item.drift
    return ColumnFact(drift.name, drift.effect, item.importance, drift.null_shift, drift.unseen_share)


def _as_table(score: Any) -> pa.Table:
    import pyarrow as pa

    if score.ndim == 1:
        return pa.table({"score": pa.array(score)})
    return pa.table({f"score_{place}": pa.array(score[:, place]) for place in range(score.shape[1])})


def _most(found: Sequence[ColumnDrift]) -> float | None:
    return max((item.effect for item in found), default=None)
