"""How one prediction came about: its row of features, what each contributed, the model, and the data behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.audit import keys
from pipelines.audit.behind import Behind, behind
from pipelines.config.model import Task
from pipelines.config.settings import Settings
from pipelines.errors import InputError, IntegrityError
from pipelines.ledger import nights, reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import load_manifest
from pipelines.night.predictions import Kept, Predictions, features_name, score_columns, version_name
from pipelines.night.rows import KEY
from pipelines.night.scratch import scratch_folder
from pipelines.night.truth import labels_for, truths
from pipelines.night.version import Named, Version
from pipelines.stages.context import Progress

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

# SHAP values are sums of float32 over all trees: they meet the margin to about six digits.
TOLERANCE = 1e-4


def trace(
    settings: Settings, model: str, key: str, day: date, say: Progress, *, version: int | None = None
) -> dict[str, Any]:
    """The prediction of `version` (default: the champion's) for the row with `key` on `day`, as JSON.

    `broken` says what does not fit: a score that comes out otherwise now, contributions that do not add up.

    Raises:
        ConfigError: `key` does not fit the key columns.
        InputError: nothing was scored that day, or no row has this key.
        IntegrityError: bytes of the prediction, features, model or data are not what the ledger says.
        PassingFault: ledger, remote or predictions cannot be reached.
    """
    ledger = Ledger.open(settings, model)
    scored = nights.days(ledger, "scores", day, day).get(day, {})
    named, entry = _named(ledger, scored, day, version)
    with scratch_folder(settings, "trace") as scratch:
        say(f"version {named.version} of run {named.run}")
        brought = Version.bring(settings, ledger, named, scratch / "version")
        files = Predictions.open(settings, model, day, scratch / "files")
        prediction = _there(
            files.read(version_name(named.version), entry["sha256"]), files, version_name(named.version)
        )
        features = _there(files.read(features_name(entry["features"])), files, features_name(entry["features"]))
        columns = list(brought.params.tables[brought.params.events].key)
        wanted = keys.parse(key, columns)
        row = _Row.find(brought, prediction.table, features.table, wanted)
        data = behind(ledger, brought, day, entry, _first_use(scored, entry))
        found = {
            "model": model,
            "day": day.isoformat(),
            "key": {name: str(prediction.table[name][row.place].as_py()) for name in columns},
            "version": named.version,
            "role": entry["role"],
            "run": named.run,
            "model_sha256": brought.signature.model_sha256,
            "scored_at": entry["at"],
            "predictions": {"file": prediction.place, "sha256": prediction.sha256},
            "features_file": {"file": features.place, "sha256": features.sha256},
            **row.explained(),
            "label": _label(settings, ledger, brought, day, prediction.table.slice(row.place, 1), data, scratch),
            "data": data.to_json(),
        }
    return found | {"broken": _broken(found, row.same)}


@dataclass(frozen=True)
class _Row:
    """One row: its place among the predictions, that place's stamped scores, and its features as a batch of one."""

    version: Version
    place: int
    same: int
    stamped: dict[str, float]
    batch: pa.RecordBatch

    @classmethod
    def find(cls, version: Version, predictions: pa.Table, features: pa.Table, wanted: dict[str, str]) -> _Row:
        found = keys.find(predictions, wanted)
        named = features.select([f"{KEY}{name}" for name in wanted]).rename_columns(list(wanted))
        own = keys.find(named, wanted)
        batch = features.select(list(version.signature.names)).slice(own[0], 1).combine_chunks().to_batches()[0]
        scores = {name: predictions[name][found[0]].as_py() for name in score_columns(predictions)}
        return cls(version, found[0], len(found), scores, batch)

    def explained(self) -> dict[str, Any]:
        """Features with their contributions, largest first, the margin they add up to, and the scores."""
        import numpy as np

        from pipelines.engines.margin import margins
        from pipelines.engines.matrix import contributions

        version, batch = self.version, self.batch
        again = np.atleast_1d(version.scores([batch])[0])
        parts = np.atleast_2d(contributions(version.booster, version.signature, batch)[0]).astype(np.float64)
        margin = np.atleast_1d(margins(version.booster, version.signature, batch)[0])
        outputs = list(self.stamped)
        scores = [
            {"name": name, "stamped": self.stamped[name], "recomputed": float(value)}
            for name, value in zip(outputs, again, strict=True)
        ]
        sums = [
            {"name": name, "margin": float(value), "bias": float(own[-1]), "sum": float(own.sum())}
            for name, value, own in zip(outputs, margin, parts, strict=True)
        ]
        return {"scores": scores, "margins": sums, "features": self._features(parts, outputs)}

    def _features(self, parts: NDArray[Any], outputs: list[str]) -> list[dict[str, Any]]:
        import numpy as np

        names, signature = self.version.signature.names, self.version.signature
        order = np.argsort(-np.abs(parts[:, :-1]).sum(axis=0), kind="stable")
        found = []
        for place in order:
            name = names[int(place)]
            value = self.batch.column(name)[0].as_py()
            known = signature.vocabularies.get(name)
            found.append(
                {
                    "feature": name,
                    "value": value if value is None or isinstance(value, str | bool) else float(value),
                    "unknown": known is not None and value is not None and str(value) not in known,
                    "contributions": {out: float(parts[k, place]) for k, out in enumerate(outputs)},
                }
            )
        return found


def _named(
    ledger: Ledger, scored: Mapping[str, Any], day: date, version: int | None
) -> tuple[Named, Mapping[str, Any]]:
    """Which version's prediction is meant, and what the ledger keeps of it."""
    if not scored:
        raise InputError(
            f"nothing was scored for {day}",
            where=ledger.model,
            remedy=f"`evergreen score {ledger.model} --date {day}` does it",
        )
    # A night that was told again under another champion has two: the newest is whom that night listened to.
    champions = [name for name, entry in scored.items() if entry["role"] == "champion"]
    chosen = str(version) if version else max(champions or scored, key=lambda name: str(scored[name]["at"]))
    if chosen not in scored:
        there = ", ".join(sorted(scored, key=int))
        raise InputError(f"version {version} scored nothing on {day}", where=ledger.model, remedy=f"these did: {there}")
    entry = scored[chosen]
    return Named(int(chosen), entry["run"], _model_sha256(ledger, entry["run"]), entry["role"]), entry


def _model_sha256(ledger: Ledger, run: str) -> str:
    """What the run's own commit says its model's bytes are."""
    found = reader.record(ledger, f"runs/{run}", reader.GATES) if ledger.head(f"runs/{run}") else None
    if found is None or found.missing:
        raise IntegrityError(
            "the version's run is not in the ledger",
            where=f"runs/{run}",
            remedy="restore its tag; retention ends a champion's run only once its predictions are gone, too",
        )
    return reader.Fields(reader.gates_of(found), found.where).get("model_sha256", str)


def _there(kept: Kept | None, files: Predictions, name: str) -> Kept:
    if kept is None:
        raise IntegrityError(
            "is on record and not there", where=files.once.where(f"{files.folder}/{name}"), remedy="restore it"
        )
    return kept


def _first_use(scored: Mapping[str, Any], entry: Mapping[str, Any]) -> datetime:
    """When the day's feature rows were built: they are built once and given to each version that reads the same."""
    return min(datetime.fromisoformat(e["at"]) for e in scored.values() if e["features"] == entry["features"])


def _label(
    settings: Settings, ledger: Ledger, version: Version, day: date, row: pa.Table, data: Behind, scratch: Path
) -> dict[str, Any]:
    """The row's label by the newest accepted revision of its day; `value` is None while or where there is none."""
    params = version.params
    manifest = load_manifest(ledger)
    newest = manifest.days(params.events)[-1]
    due = params.label.maturity_days - (newest - day).days
    if due > 0:
        return {"value": None, "why": f"matures in {due} more days of data, the newest is {newest}"}
    events = manifest.accepted(params.events, day.isoformat()) or data.events
    value = float(labels_for(row, truths(settings, ledger, params, [(events, day)], scratch)[0])[0])
    base = {"revision": events.revision, "sha256": events.sha256}
    if math.isnan(value):
        return base | {"value": None, "why": "none came for this row, or a correction removed it"}
    classes = params.label.classes
    return base | {"value": classes[int(value)] if params.task is Task.MULTICLASS else value, "why": ""}


def _broken(found: Mapping[str, Any], same: int) -> list[str]:
    told = [
        f"{item['name']} was stamped as {item['stamped']!r} and comes out as {item['recomputed']!r}"
        for item in found["scores"]
        if item["stamped"] != item["recomputed"]
    ]
    told += [
        f"the contributions to {item['name']} add up to {item['sum']!r}, the margin is {item['margin']!r}"
        for item in found["margins"]
        if abs(item["sum"] - item["margin"]) > TOLERANCE * max(1.0, abs(item["margin"]))
    ]
    return told + ([f"{same} rows have this key; this is the first of them"] if same > 1 else [])
