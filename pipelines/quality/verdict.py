"""The verdict on a partition: cheap framework checks first, then the model's expectations, then its row count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pipelines.config.model import Model
from pipelines.errors import EvergreenError, shorten
from pipelines.quality.conform import Conformed, conform, declared_types
from pipelines.quality.findings import Finding, critical, sentences
from pipelines.quality.label import connect, judge_label
from pipelines.quality.schema import declared_columns, judge_doubled, judge_schema
from pipelines.quality.suite import Rule, Suite
from pipelines.quality.values import HISTORY, judge_rounded, judge_row_count, judge_text, judge_values

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from pipelines.quality.expectations import Expectations

CHUNK_ROWS = 500_000  # rows that Great Expectations sees at once: about 150 MB as pandas


@dataclass(frozen=True)
class Verdict:
    """Whether a partition may be used; `reasons` say why not, `warnings` what to look at: sentences of <= 300 signs."""

    accepted: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(
    suite: Suite,
    table: str,
    data: pa.Table,
    day: date | None,
    model: Model,
    history: Sequence[int] = (),
    types: Mapping[str, pa.DataType] | None = None,
) -> Verdict:
    """The verdict on one partition of `table`. Whatever a library raises on the way is a reason against it.

    Args:
        suite: the model's expectations.
        table: the name of the table.
        data: the whole partition.
        day: its day; None for a static table.
        model: the model.
        history: row counts of the newest accepted partitions of the table, oldest first.
        types: column to the type that it had in earlier partitions.

    Raises:
        ConfigError: a rule does not fit Great Expectations.
    """
    return next(judge_many(suite, table, [(day, data)], model, history, types))


def judge_many(
    suite: Suite,
    table: str,
    partitions: Iterable[tuple[date | None, pa.Table | Conformed]],
    model: Model,
    history: Sequence[int] = (),
    types: Mapping[str, pa.DataType] | None = None,
) -> Iterator[Verdict]:
    """The verdicts on `partitions`, in their order, the same as `judge` would give one by one but in one go.

    An accepted partition joins the history that the next ones are compared with. Partitions are taken from the
    iterable as needed: at most about 500,000 rows are held at a time.
    """
    court = _Court(suite, table, model, list(history), types or {})
    for chunk in _chunks(court, partitions):
        yield from court.decide(chunk)


def conformed(suite: Suite, table: str, data: pa.Table, types: Mapping[str, pa.DataType]) -> Conformed:
    """`data`, a partition of `table`, in the types that its columns are kept in; `types` are those of earlier ones."""
    return conform(data, declared_types(suite.of(table)), types, suite.named(table))


@dataclass
class _Case:
    data: pa.Table
    findings: list[Finding]

    @property
    def hopeless(self) -> bool:
        return any(finding.severity == "critical" for finding in self.findings)


@dataclass
class _Court:
    suite: Suite
    table: str
    model: Model
    history: list[int]
    types: Mapping[str, pa.DataType]
    _expectations: Expectations | None = None
    _session: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.suite.of(self.table)

    def open(self, data: pa.Table | Conformed, day: date | None) -> _Case:
        """The framework's findings. Wrong columns or unreadable text end the hearing: the rest needs them."""
        raw = data.raw if isinstance(data, Conformed) else data
        case = _Case(raw, judge_doubled(raw.schema))
        if case.hopeless:
            return case
        try:
            case = self._opened(data if isinstance(data, Conformed) else self._conformed(data), day)
        except EvergreenError:
            raise
        except Exception as error:
            case.findings.append(cannot_be_judged(error))
        return case

    def _opened(self, conformed: Conformed, day: date | None) -> _Case:
        config = self.model.tables[self.table]
        case = _Case(conformed.table, list(conformed.findings))
        schema = conformed.table.schema if conformed.usable else _whole(conformed)
        case.findings += judge_schema(config, self.rules, schema, conformed.told) or judge_text(conformed.table)
        if case.hopeless:
            return case
        decided = frozenset(
            c for rule in self.rules if rule.expect == "ExpectColumnValuesToNotBeNull" for c in rule.columns
        )
        wanted = declared_columns(config, self.rules)
        named = self.suite.named(self.table)
        case.findings += judge_values(config, wanted, decided, conformed.table, day, named)
        case.findings += judge_rounded(config.key, named, conformed.raw, conformed.table)
        if self.table == self.model.events and conformed.table.num_rows:
            self._session = self._session or connect()
            case.findings += judge_label(self._session, self.model, conformed.table)
        return case

    def _conformed(self, data: pa.Table) -> Conformed:
        return conformed(self.suite, self.table, data, self.types)

    def decide(self, cases: list[_Case]) -> Iterator[Verdict]:
        """Verdicts for cases of one schema; those that failed the framework are not shown to Great Expectations."""
        from pipelines.quality.expectations import Expectations

        heard = [case for case in cases if not case.hopeless]
        if heard and self._expectations is None:
            self._expectations = Expectations(self.suite, self.table)
        if heard and self._expectations:
            self._ask(self._expectations, heard)
        for case in cases:
            yield self._verdict(case)

    def _ask(self, expectations: Expectations, cases: list[_Case]) -> None:
        """Great Expectations' findings; where it stumbles over all of them, it is asked about each alone."""
        try:
            found = expectations.judge([case.data for case in cases])
        except EvergreenError:
            raise
        except Exception as error:
            if len(cases) == 1:
                cases[0].findings.append(cannot_be_judged(error))
                return
            for case in cases:
                self._ask(expectations, [case])
            return
        for case, findings in zip(cases, found, strict=True):
            case.findings += findings

    def _verdict(self, case: _Case) -> Verdict:
        if case.data.num_rows:
            case.findings += judge_row_count(case.data.num_rows, self.history, self.model.validation)
        reasons = sentences(case.findings, "critical")
        if not reasons:
            self.history = [*self.history, case.data.num_rows][-HISTORY:]
        return Verdict(not reasons, reasons, sentences(case.findings, "warning"))


def _whole(conformed: Conformed) -> pa.Schema:
    """The columns that came, in the types they are kept in: one that cannot be kept is not missing all the same."""
    import pyarrow as pa

    kept = conformed.table.schema
    return pa.schema([kept.field(item.name) if item.name in kept.names else item for item in conformed.raw.schema])


def cannot_be_judged(error: Exception) -> Finding:
    """What is said of a partition over which a library stumbled."""
    return critical(f"cannot be judged: {type(error).__name__}: {shorten(' '.join(str(error).split()), 160)}")


def _chunks(court: _Court, partitions: Iterable[tuple[date | None, pa.Table | Conformed]]) -> Iterator[list[_Case]]:
    """Cases in order, cut where the schema changes or enough rows are together."""
    chunk: list[_Case] = []
    for day, data in partitions:
        case = court.open(data, day)
        full = sum(item.data.num_rows for item in chunk) + case.data.num_rows > CHUNK_ROWS
        if chunk and (full or not chunk[0].data.schema.equals(case.data.schema)):
            yield chunk
            chunk = []
        chunk.append(case)
    if chunk:
        yield chunk
