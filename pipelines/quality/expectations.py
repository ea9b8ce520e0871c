"""Great Expectations on partitions: the rules of `expectations.yaml` as its own objects, run once for many partitions.

A run costs about 8 ms an expectation whatever the rows, so partitions are judged together where that gives the same
answer: expectations that look at one row at a time run over all partitions of a chunk, and only where unexpected rows
show up does that expectation run again on that partition alone, whose own verdict counts.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines import imports
from pipelines.errors import shorten
from pipelines.quality.findings import Finding
from pipelines.quality.suite import Rule, Suite
from pipelines.quality.values import plain

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Map expectations that look beyond the row all the same: their answer depends on the other rows of the partition.
_NOT_ROW_WISE = ("ZScores", "Outliers", "Increasing", "Decreasing")
_NAN_ROOM = 1e-9


class Expectations:
    """The rules of one table, ready to run; built once, used for every partition."""

    def __init__(self, suite: Suite, table: str) -> None:
        """Builds Great Expectations' own objects.

        Raises:
            ConfigError: a rule names an expectation or an argument that Great Expectations does not know.
        """
        self.rules = [(index, rule) for index, rule in enumerate(suite.of(table)) if not rule.in_schema]
        self._built = {index: _build(suite, table, index, rule) for index, rule in self.rules}
        self._together = frozenset(index for index, rule in self.rules if _row_wise(self._built[index], rule))

    def judge(self, partitions: Sequence[pa.Table]) -> list[list[Finding]]:
        """One list of findings for each of `partitions`, which share one schema."""
        if not self.rules:
            return [[] for _ in partitions]
        used = frozenset(column for _, rule in self.rules for column in rule.columns)
        frames = [_frame(data, used) for data in partitions]
        everything = frozenset(self._built)
        todo = [everything] * len(frames) if len(frames) == 1 else self._open_questions(frames)
        return [self._alone(frame, wanted) for frame, wanted in zip(frames, todo, strict=True)]

    def _open_questions(self, frames: list[pd.DataFrame]) -> list[frozenset[int]]:
        """Per partition the rules that must be run on it alone, found by one run over all of them."""
        import pandas as pd

        whole = pd.concat(frames, ignore_index=True)
        # The index says which partition a row is of: unexpected rows come back as a list of partition numbers.
        whole.index = pd.Index([number for number, frame in enumerate(frames) for _ in range(len(frame))])
        alone = frozenset(self._built) - self._together
        todo = [set(alone) for _ in frames]
        for index, result in _run(whole, {i: self._built[i] for i in self._together}, "COMPLETE").items():
            for number in self._suspects(index, result, whole, len(frames)):
                todo[number].add(index)
        return [frozenset(wanted) for wanted in todo]

    def _suspects(self, index: int, result: Any, whole: pd.DataFrame, partitions: int) -> Iterable[int]:
        if _raised(result) or "unexpected_index_list" not in result.result:
            return range(partitions)
        bad = Counter(result.result["unexpected_index_list"])
        mostly, column = _mostly(result), result.expectation_config.kwargs.get("column")
        if mostly >= 1 or column is None or not bad:
            return sorted(bad)
        counted = whole[column].notna() | ("NotBeNull" in type(self._built[index]).__name__)
        rows = counted.groupby(level=0).sum()
        return [number for number, count in sorted(bad.items()) if 1 - count / rows[number] < mostly + _NAN_ROOM]

    def _alone(self, frame: pd.DataFrame, wanted: frozenset[int]) -> list[Finding]:
        if not wanted:
            return []
        results = _run(frame, {i: self._built[i] for i in wanted}, "SUMMARY")
        return [
            Finding(rule.severity, _sentence(rule, results[index]))
            for index, rule in self.rules
            if index in wanted and not results[index].success
        ]


def _frame(data: pa.Table, used: frozenset[str]) -> pd.DataFrame:
    """`data` as pandas, narrow whole numbers widened: Great Expectations compares others value by value in Python.

    Columns that no rule reads are there by name alone, as zeros: their values are none of the library's business.
    """
    import pyarrow as pa

    data = plain(data)
    columns: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(data.column_names, data.columns, strict=True):
        if name not in used:
            columns[name] = pa.repeat(pa.scalar(0, pa.int8()), data.num_rows)
        elif pa.types.is_integer(column.type) and column.type.bit_width < 64:
            columns[name] = column.cast(pa.int64())
        else:
            columns[name] = column
    table = pa.table(columns)
    frame: pd.DataFrame = table.to_pandas()
    for name in filter(used.__contains__, table.column_names):
        if _loses_digits(table[name]):
            frame[name] = table[name].to_pandas(types_mapper=_nullable)
    return frame


def _loses_digits(column: pa.ChunkedArray) -> bool:
    """Whether pandas would make doubles of whole numbers that no double tells from the next."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(column.type) or not column.null_count:
        return False
    ends = pc.min_max(column)
    return any(end.is_valid and abs(end.as_py()) > 2**53 for end in (ends["min"], ends["max"]))


def _nullable(kind: pa.DataType) -> Any:
    import pandas as pd
    import pyarrow as pa

    return {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}.get(kind)


def _great_expectations() -> Any:
    """The library, imported in one place: it uses parts of Python that warn of their removal."""
    # A third of the import: for three expectations about distributions, and for drawing one of them.
    imports.put_off("scipy.stats")
    imports.put_off("altair")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations.expectations

    return great_expectations


def _build(suite: Suite, table: str, index: int, rule: Rule) -> Any:
    gx = _great_expectations()
    from pydantic.v1 import ValidationError

    kind = getattr(gx.expectations, rule.expect, None)
    if not (isinstance(kind, type) and issubclass(kind, gx.expectations.Expectation)):
        raise suite.complain(table, index, "", "there is no such expectation in Great Expectations")
    try:
        return kind(**rule.arguments, severity=rule.severity, meta={"rule": index})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        where = "" if key == "__root__" else f"{key}: "
        raise suite.complain(table, index, key, f"{where}{first['msg']}") from None


def _row_wise(expectation: Any, rule: Rule) -> bool:
    from great_expectations.expectations import expectation as base

    maps = (base.ColumnMapExpectation, base.ColumnPairMapExpectation, base.MulticolumnMapExpectation)
    return isinstance(expectation, maps) and not any(word in rule.expect for word in _NOT_ROW_WISE)


def _run(frame: pd.DataFrame, wanted: dict[int, Any], result_format: str) -> dict[int, Any]:
    """Validation results by rule; Great Expectations returns them in an order of its own."""
    from great_expectations.core import ExpectationSuite

    if not wanted:
        return {}
    batch = _batch_definition().get_batch(batch_parameters={"dataframe": frame})
    suite = ExpectationSuite("partition", expectations=[wanted[index] for index in sorted(wanted)])
    results = batch.validate(suite, result_format=result_format).results
    return {result.expectation_config.meta["rule"]: result for result in results}


@lru_cache(maxsize=1)
def _batch_definition() -> Any:
    """Great Expectations' way to a data frame: one context for the process, without telemetry and progress bars."""
    gx = _great_expectations()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("partitions").add_dataframe_asset("partition")
    return asset.add_batch_definition_whole_dataframe("whole")


def _raised(result: Any) -> str:
    """What an expectation stumbled over, or nothing. A run over several metrics nests one report for each."""
    info = result.exception_info or {}
    reports = [info, *(value for value in info.values() if isinstance(value, dict))]
    messages = [str(report.get("exception_message")) for report in reports if report.get("raised_exception")]
    return messages[0] if messages else ""


def _mostly(result: Any) -> float:
    with contextlib.suppress(TypeError, ValueError):
        return float(result.expectation_config.kwargs.get("mostly", 1.0))
    return 1.0


def _sentence(rule: Rule, result: Any) -> str:
    problem = _raised(result)
    if problem:
        return f"{rule.title()} cannot be judged: {shorten(problem, 120)}"
    outcome = result.result
    if "unexpected_count" in outcome:
        examples = outcome.get("partial_unexpected_list") or []
        null = "NotBeNull" in rule.expect
        such = f", such as {shorten(_said(examples[0]))}" if examples and not null else ""
        return f"{rule.title()}: {outcome['unexpected_count']} of {outcome['element_count']} rows unexpected{such}"
    return f"{rule.title()}: observed {shorten(_said(outcome.get('observed_value')))}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_said(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "(" + ", ".join(_said(item) for item in value) + ")"
    return str(value)
