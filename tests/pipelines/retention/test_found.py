"""Whose feature tables hold the rows: what a run shares with a champion whose first night is to come waits with it."""

from __future__ import annotations

import json

from retention_worlds import crown, stored

from pipelines.config.settings import PROJECT, Settings
from pipelines.ledger import Ledger
from pipelines.ledger.store import Store
from pipelines.retention.found import trained
from pipelines.storage.files import json_bytes

CROWNED, OTHER, ELSEWHERE = (f"2024-01-{day}-20260101T00000{n}Z-abcde{n}" for n, day in enumerate((20, 28, 24)))
SPOILT, SOUND = "0" * 32, "1" * 32  # revisions of partitions, with and without the rows
MONTHS = {"2024-01"}


def ran(settings: Settings, ledger: Ledger, run: str, read: str, january: bytes, december: bytes = b"12") -> str:
    """A finished run that read the revision `read`, with features of two months; the object of January's."""
    months = {"2024-01": stored(settings, january), "2023-12": stored(settings, december)}
    listed = json.dumps([{"md5": md5, "relpath": f"data/{month}.parquet"} for month, md5 in sorted(months.items())])
    out = {"path": "out/features", "md5": stored(settings, listed.encode(), ".dir")}
    files = {
        "dvc.yaml": (PROJECT / "dvc.yaml").read_bytes(),
        "dvc.lock": json.dumps({"stages": {"features": {"outs": [out]}}}).encode(),
        "window.json": json_bytes({"partitions": [{"md5": read}]}),
    }
    made = ledger.commit(f"run/{run}", files, "A run", parent=None, base=ledger.head("data"))
    ledger.tag(f"runs/{run}", made)
    return months["2024-01"]


def test_a_month_that_two_runs_share_waits_for_the_champions_first_night(settings: Settings) -> None:
    ledger = Ledger.open(settings, "tiny", create=True)
    shared = ran(settings, ledger, CROWNED, SPOILT, b"one january")
    assert ran(settings, ledger, OTHER, SPOILT, b"one january", b"12, later") == shared
    own = ran(settings, ledger, ELSEWHERE, SPOILT, b"another january")
    store = Store.open(settings, settings.home / "look", scm=False)
    everywhere = trained(ledger, store, {SPOILT}, MONTHS)
    assert (everywhere.objects, everywhere.waiting) == ({shared, own}, ()), "nobody's first night is to come"
    crown(ledger, CROWNED)
    found = trained(ledger, store, {SPOILT}, MONTHS)
    assert found.runs == tuple(sorted((CROWNED, OTHER, ELSEWHERE)))
    assert (found.objects, found.waiting) == ({own}, (CROWNED,))
    store.close()


def test_runs_that_read_other_revisions_and_months_without_the_rows_are_left_alone(settings: Settings) -> None:
    ledger = Ledger.open(settings, "tiny", create=True)
    mine = ran(settings, ledger, OTHER, SPOILT, b"one january")
    ran(settings, ledger, ELSEWHERE, SOUND, b"another january")
    store = Store.open(settings, settings.home / "look", scm=False)
    found = trained(ledger, store, {SPOILT}, MONTHS)
    assert (found.runs, found.objects) == ((OTHER,), {mine})
    store.close()
