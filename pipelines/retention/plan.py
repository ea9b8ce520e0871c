"""What retention would remove: runs, objects, registry entries and predictions, each with its reason and its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.config import names
from pipelines.config.load import load_model
from pipelines.config.model import Model
from pipelines.config.retention import Retention
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, InputError
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import load_manifest
from pipelines.ledger.objects import Objects, Stored
from pipelines.ledger.refs import every
from pipelines.registry import Registry
from pipelines.retention import predictions
from pipelines.retention.kept import BRANCH, TAG, Fates, fates
from pipelines.retention.marks import Marks
from pipelines.retention.predictions import Found
from pipelines.retention.projection import removable

WEEK = timedelta(days=7)
SHOWN = 12


@dataclass(frozen=True)
class Grace:
    """`young`: what is younger stays; `shelf`: how long an object waits on the shelf before it is gone for good."""

    young: timedelta = WEEK
    shelf: timedelta = WEEK


@dataclass(frozen=True)
class ModelPlan:
    """What retention does with one model. `broken`: why all its runs stay: something cannot be read."""

    ledger: Ledger
    fates: Fates
    versions: tuple[int, ...]
    files: tuple[Found, ...]
    broken: str = ""


@dataclass(frozen=True)
class Plan:
    """What retention does with all models and with the remote they share.

    `unsure`: what nobody can read, so that no object is taken off its place: it might name that very object.
    """

    models: tuple[ModelPlan, ...]
    shelve: tuple[Stored, ...]
    forget: tuple[Stored, ...]
    erase: tuple[Stored, ...]
    restore: tuple[Stored, ...]
    kept: tuple[int, int]
    unsure: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For machines: names of runs and files, counts and bytes of objects."""
        return {
            "models": {
                item.ledger.model: {
                    "kept": item.fates.kept,
                    "ended": sorted(item.fates.ended),
                    "versions": list(item.versions),
                    "predictions": [asdict(found) for found in item.files],
                    "broken": item.broken,
                }
                for item in self.models
            },
            "objects": {
                "kept": {"count": self.kept[0], "bytes": self.kept[1]},
                **{name: _sum(getattr(self, name)) for name in ("shelve", "forget", "erase", "restore")},
                "unsure": list(self.unsure),
            },
        }

    def render(self) -> str:
        """For a person."""
        lines = []
        for item in self.models:
            ended, files = list(item.fates.ended), item.files
            lines.append(f"{item.ledger.model}: {len(item.fates.kept)} runs stay, {len(ended)} end")
            lines += [f"  {item.broken}"] if item.broken else []
            lines += [f"  stays  {run}  {why}" for run, why in list(item.fates.kept.items())[:SHOWN]]
            lines += [f"  ends   {run}" for run in ended[:SHOWN]]
            lines += [f"  and {len(ended) - SHOWN} more"] if len(ended) > SHOWN else []
            lines += [f"  versions in MLflow: {', '.join(map(str, item.versions))}"] if item.versions else []
            if files:
                lines.append(f"  predictions: {len(files)} files, {sum(found.bytes for found in files):,} bytes")
        words = {
            "shelve": "put on the shelf, needed by nothing",
            "forget": "removed from the shelf for good",
            "erase": "erased at once",
            "restore": "put back, needed again",
        }
        lines += [f"no object is removed, for nobody can tell whether it is needed: {why}" for why in self.unsure]
        lines.append(f"objects: {self.kept[0]} stay, {self.kept[1]:,} bytes")
        for name, told in words.items():
            found = _sum(getattr(self, name))
            lines.append(f"  {found['count']:>6} {told}, {found['bytes']:,} bytes")
        return "\n".join(lines)


def make_plan(
    settings: Settings, ledgers: Sequence[Ledger], objects: Objects, grace: Grace, now: datetime | None = None
) -> Plan:
    """What is to be done now; nothing is changed.

    Raises:
        PassingFault: a ledger, the remote, MLflow or the predictions cannot be reached.
    """
    moment = now or datetime.now(UTC)
    models = tuple(_of_model(settings, ledger, grace, moment) for ledger in ledgers)
    without = {f"{item.ledger.model} {ref}" for item in models for refs in item.fates.ended.values() for ref in refs}
    return sweeping(models, Marks.of(settings, ledgers, without), objects, grace, moment)


def sweeping(models: tuple[ModelPlan, ...], marks: Marks, objects: Objects, grace: Grace, now: datetime) -> Plan:
    """The plan for `models` with what `marks` mean for the objects that are there now."""
    there, shelved = list(objects.listed()), list(objects.shelved())
    if marks.unsure:
        kept = (len(there), sum(item.bytes for item in there))
        restore = tuple(item for item in shelved if item.oid in marks.needed)
        return Plan(models, (), (), (), restore, kept, tuple(marks.unsure))
    young, settled = now.timestamp() - grace.young.total_seconds(), now.timestamp() - grace.shelf.total_seconds()
    erase = tuple(item for item in (*there, *shelved) if item.oid in marks.erased)
    loose = [item for item in there if item.oid not in marks.needed | marks.erased]
    shelve = tuple(item for item in loose if item.since < young)
    waiting = [item for item in shelved if item.oid not in marks.needed | marks.erased]
    gone = {item.oid for item in (*shelve, *erase)}
    stay = [item.bytes for item in there if item.oid not in gone]
    return Plan(
        models=models,
        shelve=shelve,
        forget=tuple(item for item in waiting if item.since < settled),
        erase=erase,
        restore=tuple(item for item in shelved if item.oid in marks.needed),
        kept=(len(stay), sum(stay)),
    )


def _of_model(settings: Settings, ledger: Ledger, grace: Grace, now: datetime) -> ModelPlan:
    model, broken = _rules(settings, ledger.model)
    rules = model.retention if model else Retention()
    try:
        days = load_manifest(ledger).days(model.events) if model else []
        newest = days[-1] if days else None
        found = fates(ledger, rules, now, grace.young, newest)
    except InputError as error:
        return _all_stay(ledger, error)
    if broken:
        kept = found.kept | dict.fromkeys(found.ended, "its model.yaml cannot be read")
        return ModelPlan(ledger, Fates(kept, {}), (), (), broken)
    gone = set(found.ended) | ended_before(ledger)
    versions = removable(Registry.of(settings), ledger.model, gone, remove=False)
    there = list(predictions.files(settings, ledger.model))
    old = predictions.outlived(there, newest, rules.predictions_days, gone)
    return ModelPlan(ledger, found, tuple(versions), tuple(old))


def _all_stay(ledger: Ledger, error: InputError) -> ModelPlan:
    """The plan for a model of which something cannot be read: its runs stay, and so does all that they need."""
    runs = sorted({name.rpartition("/")[2] for name in every(ledger) if name.startswith((TAG, BRANCH))})
    kept = dict.fromkeys(runs, "the ledger cannot be read")
    return ModelPlan(ledger, Fates(kept, {}), (), (), error.line())


def ended_before(ledger: Ledger) -> set[str]:
    """The runs that retention has ended, as the branch `decisions` says, and that have no ref any more."""
    head = ledger.head("decisions")
    told = (
        [path.removeprefix("retention/").removesuffix(".json") for path in ledger.tree(head, "retention")]
        if head
        else []
    )
    return {
        run
        for run in told
        if names.is_run_id(run) and ledger.head(f"runs/{run}") is None and ledger.head(f"run/{run}") is None
    }


def _rules(settings: Settings, model: str) -> tuple[Model | None, str]:
    """The model's folder; (None, empty): it has none any more, the defaults count; a reason: it cannot be read."""
    folder = settings.models / model
    if not folder.is_dir():
        return None, ""
    try:
        return load_model(folder), ""
    except EvergreenError as error:
        return None, error.line()


def _sum(found: Sequence[Stored]) -> dict[str, int]:
    return {"count": len(found), "bytes": sum(item.bytes for item in found)}
