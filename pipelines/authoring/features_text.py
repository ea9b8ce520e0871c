"""`features.py` of a draft: the event's own columns, the calendar, and how the label went lately."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.authoring.columns import Column, Use
from pipelines.authoring.model_text import Draft, left_out_lines
from pipelines.authoring.plan import spread
from pipelines.authoring.words import flat_text, quoted, slug, wrapped
from pipelines.config.model import Task

MAX_GROUPS = 3
MAX_CLASSES = 5
MAX_GROUP_VALUES = 200
ROWS_A_GROUP_DAY = 2.0

_TEXT = '''\
"""Features of {name}: the event's own columns, the calendar, and how the label, {label}, went lately.

Every row must be computed from what is known when its day begins; `evergreen check {name}` proves it.
"""

from datetime import date

from ibis import Table

from pipelines.features import {imports}

# Columns of the event itself, used as they are. Whatever is known only after the event does not belong here:
# name it under `after_event` in model.yaml instead, and no feature can see it.
{lists}
{left_out}
# By what the label's past is looked up. Add the groups in which you would expect it to differ; a list of columns
# makes a group of their combinations.
{groups}
# Lengths of the windows in days, at most `lookback_days` of model.yaml.
DAYS = {days}
{zone}{constants}

def build(tables: dict[str, Table], as_of: date) -> Table:
    """One row for each event of `{table}`, known at the midnight before it."""
    events, labels = tables[{quoted_table}], tables["labels"]
    rows = attach(
        add_calendar(events, {calendar}),
        # Of the labels only those count that were known by then; groups with few rows lean on the rate of all.
        {history},
{counts}    )
    own = {{
{casts}
    }}
    history = [{history_names} for group in GROUPS for days in DAYS]
    return finish(rows.mutate(**own), [{result}, *history])
'''

_COUNTS = """\
        # How busy it was, each group for itself.
        trailing_count(events, events, GROUPS, DAYS),
"""


def features_text(draft: Draft) -> str:
    """The file's text."""
    calendar = _calendar(draft)
    helpers = ["add_calendar", "attach", "finish", *([] if draft.plan.small else ["trailing_count"])]
    helpers += ["trailing_mean" if draft.target.task is Task.REGRESSION else "trailing_rate"]
    helpers += ["day_number"] if _uses(draft, Use.SINCE, Use.MOMENT) else []
    helpers += ["local_time"] if _reads_clock(draft) else []
    history, constants, names = _history(draft)
    return _TEXT.format(
        name=draft.name,
        label=flat_text(draft.events.label, 40),
        imports=", ".join(sorted(helpers)),
        lists="\n".join(_lists(draft)),
        left_out=_left_out(draft),
        groups=f"GROUPS = {_groups(draft)}",
        days=_days(draft),
        zone=f"# Whose midnights part the days, and whose clocks tell the hour.\nZONE = {quoted(draft.events.zone)}\n"
        if _reads_clock(draft)
        else "",
        constants=constants,
        table=draft.table,
        quoted_table=quoted(draft.table),
        calendar=", ".join(quoted(part) for part in calendar),
        history=history,
        counts="" if draft.plan.small else _COUNTS,
        casts="\n".join(_casts(draft)),
        history_names=names,
        result=", ".join(["*own", *(_star(draft)), *(quoted(part) for part in calendar)]),
    )


_LISTS = {
    Use.NUMBER: ("NUMBERS", ""),
    Use.FLAG: ("FLAGS", "yes or no, as 1 or 0"),
    Use.CATEGORY: ("CATEGORIES", ""),
    Use.CODE: ("CODES", "whole numbers that are names"),
    Use.SINCE: ("TIMES", "used as days since then; they were over before the event's day on every row"),
    Use.MOMENT: ("MOMENTS", "as well, by the day in ZONE"),
}


def _named(draft: Draft, use: Use) -> list[str]:
    return [column.name for column in draft.features if column.use is use and column.name not in draft.renamed]


def _uses(draft: Draft, *uses: Use) -> bool:
    return any(column.use in uses for column in draft.features)


def _lists(draft: Draft) -> list[str]:
    lines = []
    for use, (constant, comment) in _LISTS.items():
        names = _named(draft, use)
        if names:
            lines.append(f"{constant} = {wrapped(names, len(constant) + 3)}" + (f"  # {comment}" if comment else ""))
    return lines


def _left_out(draft: Draft) -> str:
    lines = left_out_lines(draft.left_out)
    return "\n# Not used:\n" + "".join(f"# - {line}\n" for line in lines) if lines else ""


def _calendar(draft: Draft) -> list[str]:
    """Parts of the calendar that the span of days can teach, under names that no column of the file has."""
    span = (draft.events.last - draft.events.first).days + 1
    parts = [
        "day_of_week",
        *(["day_of_month"] if span >= 90 else []),
        *(["year_sin", "year_cos"] if span >= 500 else []),
    ]
    taken = {column.name.lower() for column in draft.columns}
    free = [part for part in parts if part not in taken]
    return free or [next(part for part in ("is_weekend", "day_of_year", "month") if part not in taken)]


def _days(draft: Draft) -> list[int]:
    lookback = draft.plan.window.lookback_days
    return [7, lookback] if lookback > 7 else [3, 7]


def _main(draft: Draft) -> list[str]:
    """The categories by which the label's past is looked up: those that say most, with rows enough for a rate."""
    distinct = {column.name: column.distinct for column in draft.columns}
    weekly = draft.plan.rows_a_day * 7
    # The helpers' own columns begin with an underscore.
    usable = [name for name in draft.categories if not name.startswith("_")]
    fit = [n for n in usable if distinct[n] <= MAX_GROUP_VALUES and distinct[n] * ROWS_A_GROUP_DAY <= weekly]
    return fit[: 1 if draft.target.task is Task.MULTICLASS else MAX_GROUPS]


def _groups(draft: Draft) -> str:
    main = _main(draft)
    # What is the same for all rows of a day lets a model that sees few rows learn the days by heart.
    names: dict[str, str | list[str]] = {} if main and draft.plan.small else {"all": []}
    for name in main:
        names[_fresh(slug(name), names)] = name
    if len(main) >= 2 and _pair_fits(draft, main):
        names[_fresh(f"{slug(main[0])}_{slug(main[1])}", names)] = main[:2]
    items = [f"{quoted(group)}: {_by(by)}" for group, by in names.items()]
    line = "{" + ", ".join(items) + "}"
    return line if len(line) <= 100 else "{\n" + "".join(f"    {item},\n" for item in items) + "}"


def _by(by: str | list[str]) -> str:
    return quoted(by) if isinstance(by, str) else "[" + ", ".join(quoted(name) for name in by) + "]"


def _pair_fits(draft: Draft, main: Sequence[str]) -> bool:
    distinct = {column.name: column.distinct for column in draft.columns}
    return distinct[main[0]] * distinct[main[1]] * ROWS_A_GROUP_DAY <= draft.plan.rows_a_day * 7


def _fresh(name: str, taken: dict[str, str | list[str]]) -> str:
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 1000))) if n not in taken)


def _history(draft: Draft) -> tuple[str, str, str]:
    """The call, the constants it needs, and the names of its columns (before `_<group>_<days>d`)."""
    if draft.target.task is Task.REGRESSION:
        unit = spread(draft.target.codes)
        decimals = max(0, min(6, 3 - _exponent(unit)))
        return f"trailing_mean(events, labels, GROUPS, DAYS, decimals={decimals}, smooth=20)", "", _names(draft, "mean")
    if draft.target.task is Task.BINARY:
        return "trailing_rate(events, labels, GROUPS, DAYS, smooth=20)", "", _names(draft, "rate")
    shares = _shares(draft)
    listed = ", ".join(f"{quoted(name)}: {place}" for name, place in shares.items())
    constants = (
        f"# Shares of the label's classes; the number is the class's place in label.classes.\nCLASSES = {{{listed}}}\n"
    )
    call = (
        "*(\n            trailing_rate(events, labels, GROUPS, DAYS, name=name, of=labels.label == place, smooth=20)\n"
        "            for name, place in CLASSES.items()\n        )"
    )
    names = "CLASSES" if draft.plan.small else '(*CLASSES, "count")'
    return call, constants, f'f"{{name}}_{{group}}_{{days}}d" for name in {names}'


def _names(draft: Draft, name: str) -> str:
    if draft.plan.small:
        return f'f"{name}_{{group}}_{{days}}d"'
    return f'f"{{name}}_{{group}}_{{days}}d" for name in ("{name}", "count")'


def _shares(draft: Draft) -> dict[str, int]:
    import numpy as np

    codes = draft.target.codes
    rows = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(draft.target.classes))
    names: dict[str, int] = {}
    for place in sorted(np.argsort(-rows, kind="stable")[:MAX_CLASSES].tolist()):
        stem = f"share_{slug(draft.target.classes[place])}"
        names[next(n for n in (stem, *(f"{stem}_{i}" for i in range(2, 100))) if n not in names)] = place
    return names


def _exponent(value: float) -> int:
    import math

    return math.floor(math.log10(value)) if value > 0 else 0


def _casts(draft: Draft) -> list[str]:
    """One line of the dictionary of computed columns for each list that is there, and the hour of the event."""
    lines = []
    if _named(draft, Use.NUMBER):
        lines.append('        **{name: rows[name].cast("float32") for name in NUMBERS},')
    if _named(draft, Use.FLAG):
        lines.append('        **{name: rows[name].cast("int8") for name in FLAGS},')
    if _named(draft, Use.CODE):
        lines.append('        **{name: rows[name].cast("string") for name in CODES},')
    if _named(draft, Use.SINCE):
        since = 'day_number(rows.event_date) - day_number(rows[name].cast("date"))'
        lines.append(f'        **{{f"days_since_{{name}}": {since} for name in TIMES}},')
    if _named(draft, Use.MOMENT):
        since = 'day_number(rows.event_date) - day_number(local_time(rows[name], ZONE).cast("date"))'
        lines.append(f'        **{{f"days_since_{{name}}": {since} for name in MOMENTS}},')
    lines += [f"        {quoted(new)}: {_single(draft, old)}," for old, new in draft.renamed.items()]
    hour = _hour(draft)
    if hour:
        moment = f"rows[{quoted(draft.events.time)}]"
        moment = f"local_time({moment}, ZONE)" if _reads_clock(draft) else moment
        lines.append(f'        "{hour}": {moment}.hour().cast("int8"),')
    return lines


def _single(draft: Draft, name: str) -> str:
    """The expression of a feature that has another name than its column."""
    use = next(column.use for column in draft.columns if column.name == name)
    value = f"rows[{quoted(name)}]"
    if use in (Use.SINCE, Use.MOMENT):
        moment = f"local_time({value}, ZONE)" if use is Use.MOMENT else value
        return f'day_number(rows.event_date) - day_number({moment}.cast("date"))'
    cast = {Use.NUMBER: "float32", Use.FLAG: "int8", Use.CODE: "string"}.get(use)
    return f'{value}.cast("{cast}")' if cast else value


def _reads_clock(draft: Draft) -> bool:
    """Whether the features need to know what the clocks of a zone show."""
    return draft.events.zone != "UTC" and bool(_hour(draft) or _uses(draft, Use.MOMENT))


def _hour(draft: Draft) -> str:
    """The name of the feature that is the event's hour, if its time has one and may be read."""
    time: Column = next(column for column in draft.columns if column.name == draft.events.time)
    if time.type != "timestamp" or not _has_hours(draft):
        return ""
    taken = {column.name.lower() for column in draft.columns}
    return next(name for name in ("hour", "event_hour", "hour_of_event", "hour_of_the_event") if name not in taken)


def _has_hours(draft: Draft) -> bool:
    import numpy as np
    import pyarrow as pa

    from pipelines.quality.values import day_bounds

    events = draft.events
    instants = events.data.column(events.time).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    begins = [round(day_bounds(day, events.zone)[0].timestamp()) for day, _, _ in events.days]
    hours = (instants // 1_000_000 - np.repeat(begins, [rows for _, _, rows in events.days])) // 3600
    return bool(hours.min() != hours.max())


def _star(draft: Draft) -> list[str]:
    return ["*CATEGORIES"] if _named(draft, Use.CATEGORY) else []
