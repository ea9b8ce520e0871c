"""`model.yaml` of a draft, with the comments that a colleague would leave for the author."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.authoring.columns import Column, Use
from pipelines.authoring.infer import Target
from pipelines.authoring.plan import Plan, spread
from pipelines.authoring.source import Events
from pipelines.authoring.words import flat_text, flow
from pipelines.config.model import Task
from pipelines.config.strict import LARGEST
from pipelines.engines.sources import folded

_ODD = re.compile(r"[\[\]<]")
MAX_SLICES, MAX_SLICE_VALUES = 3, 12


@dataclass(frozen=True)
class Draft:
    """Everything that the drafted files say.

    `leaks` are columns that alone tell the label, with their strength;
    `suspects` are features that may be known too late, with the reason.
    """

    name: str
    table: str
    source: str
    events: Events
    target: Target
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    leaks: dict[str, float]
    suspects: dict[str, str]
    strengths: dict[str, float]
    plan: Plan

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that become features, in the file's order."""
        return tuple(column for column in self.columns if column.is_feature)

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of the categories, those that say most about the label first."""
        named = [column.name for column in self.columns if column.use in (Use.CATEGORY, Use.CODE)]
        return tuple(sorted(named, key=lambda name: -self.strengths.get(name, 0.0)))

    @property
    def renamed(self) -> dict[str, str]:
        """The features that cannot have their column's name, by column: XGBoost takes no `[`, `]` and `<`."""
        taken = {folded(column.name) for column in self.columns}
        found: dict[str, str] = {}
        for name in (column.name for column in self.features if _ODD.search(column.name)):
            stem = _ODD.sub("_", name)
            found[name] = next(n for n in (stem, *(f"{stem}_{i}" for i in range(2, 3000))) if folded(n) not in taken)
            taken.add(folded(found[name]))
        return found

    @property
    def left_out(self) -> tuple[Column, ...]:
        """The columns that a reader would look for among the features in vain, with the reason."""
        told = {self.events.label, self.events.time, *self.leaks}
        return tuple(column for column in self.columns if not column.is_feature and column.name not in told)


_TEXT = """\
# Drafted by `evergreen new` from {source}: {rows:,} rows on {days} days. All of it may be changed, and
# `evergreen check {name}` says whether it still holds. docs/model-reference.md explains every key.
title: {title}
owner: nobody yet  # who answers for it: a team, or an address
# What it is for, and where it must not be used: both stand on the card of every version.
purpose: ""
limits: []
# {meaning}; {balance}.
task: {task}

# The days that the data covers. Take `end` away once new days arrive.
schedule: {schedule}

tables:
  {table_key}:
    role: events
    uri: {table}/{{date}}.parquet  # below the lake, one file a day
    key: {key}
    time: {time}{zone}
    # Columns that are known only after the event: no feature can see them. Only you can tell, so read through the
    # columns in features.py and add here whatever is not known when the event's day begins. A model that is given
    # such a column looks splendid on paper and fails in use.
{suspects}    after_event:
{after_event}

label:
  # SQL over the columns of the table; null where there is no label{missing}.
  expression: {expression}
{classes}  maturity_days: {maturity}  # a day's labels are known once so many days have passed since its end

# Days, counted back from the newest day with labels. As of {last} there are about {train_rows:,} rows to train on and
# {test_rows:,} to test on. `lookback_days` feed the trailing rates of the first training day.
window: {window}

validation:
  # A day with fewer or more rows than so many times the usual number is quarantined.
  row_count_low: {row_count_low}
  row_count_high: {row_count_high}
  max_gap_days: {max_gap_days}
  freshness_days: {freshness_days}
  max_missing_share: {max_missing_share}
  min_label_coverage: {min_label_coverage}

training:
  rounds: 600
  early_stopping_rounds: 40
{threads}  booster: {booster}
  hpo: {{trials: 0}}  # more than 0 searches for better parameters; 30 is a good beginning

evaluation:
  slices: {slices}  # the metrics are shown for each value of these
  min_slice_rows: {min_slice_rows}

gates:
  # Modest bounds, to be raised once you know what is good: a model below them is never promoted.
  floors: {floors}
  # Against the champion, on the same rows that neither has seen; a little worse may be chance.
  champion: {champion}
  # Against a plain linear model: few test days cannot tell a tie from a loss. 0 asks for proof that trees are worth it.
  baseline: {baseline}
  agreement: {agreement}  # how far the released model's scores may be from the tested one's, on average

promotion: auto  # manual: a person says yes; dry_run: nobody does
"""


def model_text(draft: Draft) -> str:
    """The file's text."""
    from pyarrow.types import is_date

    events, target, plan = draft.events, draft.target, draft.plan
    checks = plan.validation
    title = f"Predicts {flat_text(events.label)} of {draft.name}"
    meaning = f"The label is {flat_text(target.meaning, 100)}"
    return _TEXT.format(
        source=flat_text(draft.source),
        rows=events.data.num_rows,
        days=len(events.days),
        name=draft.name,
        title=flow([title])[1:-1],
        meaning=meaning,
        balance=flat_text(target.balance, 110),
        task=target.task.value,
        schedule=_schedule(events),
        table_key=flow([draft.table])[1:-1],
        last=events.last,
        table=draft.table,
        key=flow(list(draft.key)),
        time=flow([events.time])[1:-1],
        zone="" if is_date(events.data.schema.field(events.time).type) else _zone(events),
        suspects=_suspects(draft),
        after_event=_after_event(draft),
        missing=f" ({target.missing:.1%} of the rows)" if target.missing else "",
        expression=flow([target.expression])[1:-1],
        classes=_classes(target),
        maturity=plan.maturity_days,
        train_rows=plan.train_rows,
        test_rows=plan.test_rows,
        window=flow(plan.window.model_dump(exclude={"gap_days"})),
        row_count_low=checks.row_count_low,
        row_count_high=checks.row_count_high,
        max_gap_days=checks.max_gap_days,
        freshness_days=checks.freshness_days,
        max_missing_share=checks.max_missing_share,
        min_label_coverage=checks.min_label_coverage,
        booster=flow(_booster(plan.small)),
        threads="  threads: 1  # few rows are learnt faster by one\n" if plan.small else "",
        slices=flow(_slices(draft)),
        min_slice_rows=max(10, min(200, plan.test_rows // 40)),
        **_gates(target, plan),
    )


def _schedule(events: Events) -> str:
    zone = "" if events.zone == "UTC" else f", time_zone: {events.zone}"
    return f"{{start: {events.first}, end: {events.last}{zone}}}"


def _zone(events: Events) -> str:
    if events.zone == "UTC":
        return "  # a day is a day of UTC"
    return f"\n    time_zone: {events.zone}  # whose midnights part the days"


def _after_event(draft: Draft) -> str:
    lines = [f"      - {flow([draft.events.label])[1:-1]}  # the label itself"]
    measure = "R2" if draft.target.task is Task.REGRESSION else "AUC"
    for name, strength in draft.leaks.items():
        said = f"alone it tells the label ({measure} {strength:.3f}); take it off this list only if it is known before"
        lines.append(f"      - {flow([name])[1:-1]}  # {said}")
    return "\n".join(lines)


def _suspects(draft: Draft) -> str:
    lines = [f"    # - {flat_text(name)}: {why}\n" for name, why in draft.suspects.items()]
    return "".join(["    # Look at these first:\n", *lines]) if lines else ""


def _classes(target: Target) -> str:
    return f"  classes: {flow(list(target.classes))}\n" if target.classes else ""


def _booster(small: bool) -> dict[str, float]:
    """Few rows are learnt with small trees."""
    if small:
        return {"learning_rate": 0.05, "max_depth": 3, "min_child_weight": 20.0}
    return {"learning_rate": 0.05, "max_depth": 6, "min_child_weight": 10.0}


def _slices(draft: Draft) -> list[str]:
    distinct = {column.name: column.distinct for column in draft.columns}
    named = [name for name in draft.categories if distinct[name] <= MAX_SLICE_VALUES][:MAX_SLICES]
    return [draft.renamed.get(name, name) for name in named]


def _gates(target: Target, plan: Plan) -> dict[str, str]:
    min_rows = max(20, min(500, plan.test_rows // 3))
    if target.task is Task.REGRESSION:
        unit = spread(target.codes)
        margin = min(LARGEST, float(f"{unit * 0.05:.2g}"))
        return {
            "floors": flow({"r2": 0.0}),
            "champion": flow({"metric": "rmse", "margin": margin, "min_rows": min_rows}),
            "baseline": flow({"margin": margin}),
            "agreement": repr(min(LARGEST, float(f"{unit / 4:.2g}"))),
        }
    margin = 0.03 if target.task is Task.BINARY else 0.05
    return {
        "floors": flow({"auc": 0.55}),
        "champion": flow({"metric": "log_loss", "margin": margin, "min_rows": min_rows}),
        "baseline": flow({"margin": margin}),
        "agreement": "0.15" if plan.small else "0.05",
    }


def left_out_lines(columns: Iterable[Column]) -> list[str]:
    """`name: why` of each of `columns`."""
    return [f"{flat_text(column.name)}: {column.why}" for column in columns]
