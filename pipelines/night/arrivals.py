"""From files in the lake to judged arrivals: fetch, recognise what is known, inspect, judge, profile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.config import names
from pipelines.config.model import Model
from pipelines.databug.twins import find_twins, with_twins
from pipelines.drift.grid import Grid, make_grid
from pipelines.drift.profile import Profile, profile
from pipelines.drift.thinning import thinned
from pipelines.errors import DataError, EvergreenError
from pipelines.ledger.data import Arrival, Manifest, Partition
from pipelines.ledger.suppression import Suppression
from pipelines.night.report import Fate, Outcome
from pipelines.quality.conform import Conformed, voted_types
from pipelines.quality.findings import sentences
from pipelines.quality.suite import Suite
from pipelines.quality.verdict import Verdict, cannot_be_judged, conformed, judge_many
from pipelines.storage import parquet
from pipelines.storage.erasing import held, write_without
from pipelines.storage.files import sha256_file
from pipelines.storage.lake import Fetched, PartitionMissing, PartitionRefused, Source

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY = 28
FETCHES = 8
GRID_FILES, GRID_ROWS = 20, 200_000


@dataclass
class Inspector:
    """Examines partitions of one model against what the ledger's `manifest` knows; `folder` takes the copies.

    A table that has none of `grids` yet gets one of the first accepted partitions that are examined together. Rows
    that were `erased` are taken out before anything looks at a copy: what is known and judged is without them.
    Columns are brought to the `types` of earlier partitions; those of new columns are added. What a library raises over
    one partition is a reason to quarantine that one.
    """

    model: Model
    suite: Suite
    source: Source
    manifest: Manifest
    folder: Path
    progress: Callable[[str], None]
    grids: dict[str, Grid]
    erased: Suppression
    types: dict[str, dict[str, pa.DataType]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def examine(self, table: str, partitions: Sequence[str]) -> list[Arrival]:
        """The arrivals among `partitions` of `table`, in order; what arrives not is added to `outcomes`.

        Raises:
            ConfigError: an expectation of the model does not fit Great Expectations.
            PassingFault: the lake cannot be read now.
        """
        accepted = {item.partition: item.rows for item in self.manifest if item.table == table and item.accepted}
        arrivals: list[Arrival] = []
        for run in self._runs(table, partitions):
            for arrival in self._judged(table, run, _history(accepted, run[0][0])):
                if arrival.partition.accepted:
                    accepted[arrival.partition.partition] = arrival.partition.rows
                arrivals.append(arrival)
        return arrivals

    def _runs(self, table: str, partitions: Sequence[str]) -> Iterator[list[tuple[str, Fetched]]]:
        """New partitions that follow each other; one that is known and unchanged in between ends a run.

        Judged in one go, a run's partitions see as history what they would have seen one by one.
        """
        run: list[tuple[str, Fetched]] = []
        for partition, found in zip(partitions, self._fetched(table, partitions), strict=True):
            if isinstance(found, Fetched):
                run.append((partition, found))
                continue
            self.outcomes.append(found)
            if run and found.fate is Fate.UNCHANGED:
                yield run
                run = []
        if run:
            yield run

    def _fetched(self, table: str, partitions: Sequence[str]) -> Iterator[Fetched | Outcome]:
        """In order, some ahead of the one that is asked for: a lake on S3 takes its time to answer."""
        with ThreadPoolExecutor(FETCHES) as pool:
            yield from pool.map(lambda partition: self._fetch(table, partition), partitions)

    def _fetch(self, table: str, partition: str) -> Fetched | Outcome:
        config, known = self.model.tables[table], self.manifest.latest(table, partition)
        target = self.folder / table / f"{names.partition_name(partition)}.parquet"
        reasons = () if known is None or self.manifest.accepted(table, partition) else known.reasons
        unchanged = Outcome(table, partition, Fate.UNCHANGED, known.revision if known else 0, reasons=reasons)
        try:
            fetched = self._cleared(
                table, self.source.fetch(config, partition, target, self.model.validation.max_bytes)
            )
        except PartitionMissing:
            return unchanged if known else Outcome(table, partition, Fate.MISSING)
        except PartitionRefused as error:
            return Outcome(table, partition, Fate.REFUSED, reasons=(error.line(),))
        except EvergreenError:
            raise
        except Exception as error:
            # Nobody knows whether rows that were erased are in it.
            return Outcome(table, partition, Fate.REFUSED, reasons=(cannot_be_judged(error).sentence,))
        hashes = (self.suite.hash(table), self._unreadable(table))
        if known and known.came_as == fetched.sha256 and known.suite in hashes:
            target.unlink()
            return unchanged
        return fetched

    def _cleared(self, table: str, fetched: Fetched) -> Fetched:
        """The copy without erased rows; one that cannot be read as it is, for it will be quarantined."""
        hashes = self.erased.of(table)
        if not hashes or not fetched.whole:
            return fetched
        try:
            data = self._read(fetched.path)
        except DataError:
            return fetched
        gone = held(data, hashes, partial(self.erased.digest, table))
        if gone is None:
            return fetched
        write_without(fetched.path, data, gone)
        self.progress(f"{table}: rows that were erased are left out of {fetched.path.stem}")
        return replace(fetched, sha256=sha256_file(fetched.path), bytes=fetched.path.stat().st_size)

    def _unreadable(self, table: str) -> str:
        """What stands for the suite of a file that could not be read: other caps may let it in."""
        caps = self.model.validation
        text = f"{self.suite.hash(table)} {caps.max_bytes} {caps.max_rows} {caps.max_uncompressed_bytes}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _judged(self, table: str, run: Sequence[tuple[str, Fetched]], history: Sequence[int]) -> list[Arrival]:
        cases: list[Arrival] = []
        heard: list[tuple[Arrival, Conformed]] = []
        types = {**voted_types(_schemas(run)), **self.types.get(table, {})}

        def readable() -> Iterator[tuple[date | None, pa.Table | Conformed]]:
            for partition, fetched in run:
                case, data = self._open(table, partition, fetched, types)
                cases.append(case)
                if data is not None:
                    heard.append((case, data))
                    yield None if partition == names.STATIC else date.fromisoformat(partition), data

        span = run[0][0] if len(run) == 1 else f"{len(run)} partitions, {run[0][0]} to {run[-1][0]}"
        self.progress(f"{table}: judging {span}")
        verdicts = list(judge_many(self.suite, table, readable(), self.model, history))
        for (case, data), verdict in zip(heard, verdicts, strict=True):
            _decide(case, verdict)
            if verdict.accepted:
                self._settle(table, data)
        if table not in self.grids:
            self._begin_grid(table, [(case, case.file) for case in cases if case.file])
        return cases

    def _settle(self, table: str, data: Conformed) -> None:
        """Keep the types of the columns of an accepted partition for later ones."""
        import pyarrow as pa

        known = self.types.setdefault(table, {})
        for item in data.table.schema:
            if item.name not in data.misfits and not pa.types.is_null(item.type):
                known.setdefault(item.name, item.type)

    def _begin_grid(self, table: str, accepted: Sequence[tuple[Arrival, Path]]) -> None:
        """Make the grid of `table` of these partitions, spread over all of them, and count them by it."""
        import pyarrow as pa

        if not accepted:
            return
        step = -(-len(accepted) // GRID_FILES)
        some = [thinned(self._read(path), GRID_ROWS // GRID_FILES) for _, path in accepted[::step]]
        # Another schema than the first one's does not fit into one table; there are few, if any.
        begun = pa.concat_tables([data for data in some if data.schema.equals(some[0].schema)])
        self.grids[table] = make_grid(with_twins(begun, find_twins(begun)))
        for case, path in accepted:
            case.profile = self._profile(table, self._read(path))

    def _profile(self, table: str, data: pa.Table) -> Profile:
        grid = self.grids.get(table)
        return profile(with_twins(data, grid.columns), grid) if grid else profile(data)

    def _read(self, path: Path) -> pa.Table:
        return parquet.load(path, self.model.validation)[1]

    def _open(
        self, table: str, partition: str, fetched: Fetched, types: Mapping[str, pa.DataType]
    ) -> tuple[Arrival, Conformed | None]:
        item = Partition(
            table=table,
            partition=partition,
            revision=1,  # revision, path and md5 are settled when it is published
            path="",
            sha256=fetched.sha256,
            md5="",
            rows=0,
            bytes=fetched.bytes,
            source=fetched.source,
            etag=fetched.etag,
            verdict="accepted",
            suite=self.suite.hash(table),
        )
        try:
            if not fetched.whole:
                parquet.check_bytes(fetched.bytes, self.model.validation, fetched.source)
            raw = parquet.load(fetched.path, self.model.validation)[1]
            item = replace(item, rows=raw.num_rows)
            data = conformed(self.suite, table, raw, types)
            found = self._profile(table, data.table)
            if data.usable and not (data.table is raw and _as_kept(fetched.path, raw)):
                item = _rewritten(item, fetched.path, data.table)
        except DataError as error:
            # Without its place: that is a temporary name, and the same bytes must give the same reason.
            return self._unusable(item, "; ".join(text for text in (error.what, error.remedy) if text)), None
        except EvergreenError:
            raise
        except Exception as error:
            (reason,) = sentences([cannot_be_judged(error)], "critical")
            return self._unusable(item, reason), None
        return Arrival(item, fetched.path, found), data

    def _unusable(self, item: Partition, reason: str) -> Arrival:
        return Arrival(replace(item, verdict="quarantined", suite=self._unreadable(item.table), reasons=(reason,)))


def _schemas(run: Sequence[tuple[str, Fetched]]) -> Iterator[pa.Schema]:
    """The schemas of the files whose footers can be read: of the others the verdict will speak."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for _, fetched in run:
        try:
            yield pq.read_schema(fetched.path)
        except (OSError, pa.ArrowException, UnicodeDecodeError):
            continue


def _as_kept(path: Path, table: pa.Table) -> bool:
    """Whether the file at `path`, read by anybody, has the types of `table`: no dictionaries, say."""
    import pyarrow.parquet as pq

    return bool(pq.read_schema(path).equals(table.schema))


def _rewritten(item: Partition, path: Path, table: pa.Table) -> Partition:
    """`item` with the bytes of `table`, put in the place of those that came."""
    parquet.write_table(path, table.combine_chunks(), durable=False)
    return replace(item, sha256=sha256_file(path), bytes=path.stat().st_size, delivered=item.sha256)


def _decide(case: Arrival, verdict: Verdict) -> None:
    word: Literal["accepted", "quarantined"] = "accepted" if verdict.accepted else "quarantined"
    item = replace(case.partition, verdict=word, reasons=verdict.reasons, warnings=verdict.warnings)
    case.partition = item
    if not verdict.accepted:
        # None of it is taken in: what is known of it are the bytes that came.
        case.partition, case.file = replace(item, sha256=item.came_as, delivered=""), None


def _history(accepted: Mapping[str, int], partition: str) -> list[int]:
    """Row counts of the newest accepted partitions before this one; of those after it where it is the first."""
    if partition == names.STATIC:
        return []
    before = [rows for day, rows in sorted(accepted.items()) if day < partition]
    after = [rows for day, rows in sorted(accepted.items()) if day > partition]
    return before[-HISTORY:] or after[:HISTORY]
