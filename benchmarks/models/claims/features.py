"""Features of a claim: what stands in it, and the day of the week it is made on."""

from datetime import date

from ibis import Table

from pipelines.features import add_calendar, finish


def build(tables: dict[str, Table], as_of: date) -> Table:
    """One row a claim; everything is known at the midnight before it."""
    claims = add_calendar(tables["claims"], "day_of_week")
    return finish(
        claims, ["region", "channel", "campaign", "product", "amount", "weight", "hour", "pages", "day_of_week"]
    )
