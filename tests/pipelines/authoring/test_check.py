"""`evergreen check`: a sound folder passes, and every kind of leak is found and named by its feature."""

import textwrap

import pytest

from pipelines.authoring.check import Level, Report, check
from pipelines.config.settings import Settings
from pipelines.engines import authored
from pipelines.errors import ConfigError, ExitCode
from pipelines.night.ingest import ingest

HEAD = """
import ibis
from datetime import date, timedelta
from pipelines.features import attach, finish, lookup, trailing_rate, day_number


def build(tables, as_of):
    orders, labels = tables["orders"], tables["labels"]
"""

LEAKS = {
    "same-day label mean": """
        daily = labels.group_by(["shop", "event_date"]).aggregate(leak=labels.label.sum())
        rows = orders.left_join(daily, ["shop", "event_date"])
        return finish(rows, ["distance", "leak"])
    """,
    "rows of the next day": """
        daily = orders.group_by("event_date").aggregate(leak=orders.count())
        daily = daily.mutate(event_date=daily.event_date - ibis.interval(days=1))
        return finish(orders.left_join(daily, "event_date"), ["distance", "leak"])
    """,
    "a label before it has matured": """
        early = labels.mutate(known_at=labels.known_at - ibis.interval(days=1))
        rate = trailing_rate(orders, early, {"shop": "shop"}, [7], name="leak")
        rows = attach(orders, rate)
        return finish(rows.mutate(leak=rows.leak_shop_7d), ["distance", "leak"])
    """,
    "an average over the whole window": """
        whole = labels.group_by("shop").aggregate(hits=labels.label.sum().cast("int64"), n=labels.count())
        whole = whole.mutate(leak=whole.hits / whole.n)
        return finish(orders.left_join(whole, "shop"), ["distance", "leak"])
    """,
    "the as-of day": """
        return finish(orders.mutate(leak=ibis.literal(as_of.toordinal())), ["distance", "leak"])
    """,
}


def found(report: Report, check_name: str) -> str:
    return " ".join(item.sentence for item in report.findings if item.check == check_name)


def write_features(tiny_model, body: str) -> None:
    text = HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    (tiny_model.folder / "features.py").write_text(text)


def run(settings: Settings) -> Report:
    return check(settings, "tiny", lambda _: None)


def test_sound_model(settings, tiny_model):
    report = run(settings)
    assert report.exit_code is ExitCode.DONE, report.render()
    assert [item.check for item in report.findings] == [
        "configuration",
        "data",
        "days",
        "features",
        "point in time",
        "threads",
        "banned",
        "spark",
    ]
    assert "delay" in found(report, "banned")
    assert report.render().endswith("tiny is sound")
    assert report.to_json()["ok"] is True


@pytest.mark.parametrize("kind", LEAKS)
def test_leak_is_found_and_named(settings, tiny_model, kind):
    write_features(tiny_model, LEAKS[kind])
    report = run(settings)
    assert report.exit_code is ExitCode.INPUT
    told = found(report, "point in time")
    assert "feature leak knows the future" in told, report.render()
    assert "distance" not in told


def test_sum_that_depends_on_threads_is_found(settings, tiny_model, monkeypatch):
    # A random number, which is refused by name, stands for any value that differs from one computation to the next.
    for name in ("check_source", "check_query"):
        monkeypatch.setattr(authored, name, lambda _: None)
    write_features(tiny_model, 'return finish(orders.mutate(chance=ibis.random()), ["distance", "chance"])')
    report = run(settings)
    assert "chance" in found(report, "threads")
    assert "distance" not in found(report, "threads").split(";")[0]


def test_banned_column(settings, tiny_model):
    write_features(tiny_model, 'return finish(orders.mutate(late=orders.delay), ["late"])')
    report = run(settings)
    told = found(report, "features")
    assert "column delay of table orders is known only after the event and banned from features" in told
    assert "features.py line 9" in told
    assert report.findings[-1].level is Level.ERROR


def test_broken_configuration(settings, tiny_model):
    tiny_model.edit("task: binary", "task: guess")
    report = run(settings)
    assert [item.level for item in report.findings] == [Level.ERROR]
    assert "model.yaml" in report.findings[0].sentence


def test_no_data(settings, tiny_model):
    tiny_model.edit("uri: orders/{date}.parquet", "uri: nowhere/{date}.parquet")
    assert "holds a day of events" in found(run(settings), "data")


def test_expression_that_spark_lacks_is_a_warning(settings, tiny_model):
    write_features(
        tiny_model,
        """
        shops = orders.select("shop", "placed_at").distinct()
        rows = orders.asof_join(shops, "placed_at", predicates="shop")
        return finish(orders.mutate(one=ibis.literal(1)), ["one"]) if rows is None else finish(rows, ["distance"])
        """,
    )
    report = run(settings)
    spark = [item for item in report.findings if item.check == "spark"]
    assert spark[0].level is Level.WARNING, report.render()
    assert "Spark" in spark[0].sentence


def test_unknown_model(settings, tiny_model):
    with pytest.raises(ConfigError, match="no model 'other'"):
        check(settings, "other", lambda _: None)


def test_reads_what_was_ingested_once_there_is_a_ledger(settings, tiny_model):
    ingest(settings, tiny_model.name, tiny_model.first, tiny_model.day(34), lambda _: None)
    report = run(settings)
    assert found(report, "data") == "35 days of the ledger, 2024-01-01 to 2024-02-04"
    assert report.exit_code is ExitCode.DONE, report.render()
