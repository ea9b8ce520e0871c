"""Records of ledgers: whether each can be read as what it should be, as the mirror of each ledger has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.doctor.base import Check, Finding, ok, warn
from pipelines.errors import InputError, PassingFault, UnreadableRecord
from pipelines.ledger import broken, decisions, lease, manifest, nights, outbox, reader, requests, suppression
from pipelines.ledger import champion as champions
from pipelines.ledger.git import Ledger

SHOWN = 3
_KINDS = ("scores", "quality")


def checks(settings: Settings, models: list[str]) -> list[Check]:
    """One line a ledger of `models`."""
    return [Check(f"records {name}", partial(readable, settings, name)) for name in models]


def readable(settings: Settings, model: str) -> Finding:
    """Every run, and every record that a command of this model would stumble over, or leave out."""
    try:
        ledger = Ledger.open(settings, model)
    except InputError as error:
        return ok(f"none yet: {error.what}")
    runs = [f"run {ref.partition('/')[2]}: {fault}" for ref, fault in broken.find(ledger).items()]
    other = list(_faults(ledger))
    if not runs and not other:
        return ok("every run and record can be read")
    found = [*other, *runs]
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    remedy = f"`evergreen discard {model} RUN` ends a run" if runs else "mend the ledger, or restore it from a backup"
    return warn(f"{len(found)} cannot be read: {'; '.join(found[:SHOWN])}{more}", remedy)


def _faults(ledger: Ledger) -> Iterator[str]:
    looks: tuple[Callable[[], object], ...] = (
        lambda: champions.history(ledger),
        lambda: lease.read(ledger),
        lambda: manifest.load_manifest(ledger),
        lambda: suppression.Suppression.load(ledger),
        *(partial(_nights, ledger, kind) for kind in _KINDS),
    )
    for look in looks:
        try:
            look()
        except PassingFault:
            raise
        except InputError as error:
            yield error.line()
    yield from _decisions(ledger)


def _nights(ledger: Ledger, kind: str) -> None:
    head = ledger.head(nights.BRANCH)
    nights.read(ledger, kind, [Path(path).stem for path in ledger.tree(head, kind)] if head else [])


def _decisions(ledger: Ledger) -> Iterator[str]:
    """What commands leave out, or refuse to go by."""
    head = ledger.head(decisions.BRANCH)
    if head is None:
        return
    looks: dict[str, Callable[[reader.Record], object]] = {
        "decisions/": decisions.check,
        "requests/open/": lambda found: requests.Asked.from_json(found.content or b""),
        "requests/claimed/": lambda found: requests.Asked.from_json(found.content or b""),
        "alerts/queued/": lambda found: outbox.Queued.from_json(found.content or b""),
        "retrainings/": reader.Record.fields,
        "nights/": reader.Record.fields,
    }
    paths = [path for path in ledger.tree(head) if path.startswith(tuple(looks))]
    for (_, path), found in reader.records(ledger, ((head, path) for path in paths)).items():
        look = next(look for prefix, look in looks.items() if path.startswith(prefix))
        try:
            look(found)
        except UnreadableRecord as error:
            yield f"{decisions.BRANCH}: {path} {error.what}"
