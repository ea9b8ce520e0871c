"""`evergreen erase`: a person's rows leave the ledger's data, its predictions, and whatever comes from the lake again.

First the predictions, then one commit on `data` that holds the partitions without the rows, the list by which ingest
leaves them out from now on, and the record by which gc removes the old bytes at once. Killed at any point, the same
again ends it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.errors import InputError, PassingFault, PushRefused
from pipelines.ledger import champion, decisions, reader, suppression
from pipelines.ledger.git import Ledger
from pipelines.ledger.locks import locked
from pipelines.ledger.manifest import load_manifest
from pipelines.ledger.store import Store
from pipelines.ledger.suppression import Entry, Suppression
from pipelines.registry import Registry
from pipelines.retention.found import Hit, Key, Search, Trained, trained
from pipelines.retention.marks import ERASED, erasure_of
from pipelines.retention.rewrite import Rewriting
from pipelines.retention.unpredict import drafts, replace_all
from pipelines.stages.context import Progress
from pipelines.storage.files import json_bytes

KIND = "erasure"
_ATTEMPTS = 20


@dataclass(frozen=True)
class Erased:
    """What was erased, or would be: revisions, files of predictions, and the versions that were trained on the rows."""

    model: str
    erasure: str
    applied: bool
    partitions: tuple[dict[str, Any], ...]
    predictions: tuple[str, ...]
    versions: dict[str, int | None]
    waiting: tuple[str, ...]
    champion: bool

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def render(self) -> str:
        """For a person."""
        done = "erased" if self.applied else "would be erased; nothing is changed without --apply"
        rows = sum(item["rows"] for item in self.partitions)
        lines = [f"{self.model}: {rows} rows in {len(self.partitions)} revisions of partitions {done}"]
        lines += [f"  {item['partition']} revision {item['revision']}: {item['rows']} rows" for item in self.partitions]
        lines.append(f"  {len(self.predictions)} files of predictions")
        for run, version in self.versions.items():
            lines.append(f"  trained on them: {f'version {version}, ' if version else ''}run {run}")
        if self.versions:
            now = "the champion among them; " if self.champion else ""
            lines.append(f"  {now}retrain: `evergreen run {self.model}`, and promote what comes of it")
        for run in self.waiting:
            lines.append(f"  the feature table of {run} is needed until its first night: score a day, then erase again")
        if self.applied:
            lines.append(f"  record {self.erasure}; `evergreen gc --apply` removes the old bytes")
        return "\n".join(lines)


def erase(
    settings: Settings, model_name: str, table: str, keys: Sequence[str], reason: str, by: str, say: Progress,
    *, apply: bool = False,
) -> Erased:  # fmt: skip
    """Erase the rows of `table` with this key, or say what that would change. May be repeated.

    Raises:
        ConfigError: no such model, table or column.
        InputError: no row has the key, or no reason is given.
        PassingFault: ledger, remote or predictions cannot be reached, or the ledger never stood still.
    """
    if apply and not reason.strip():
        raise InputError("is empty", where="--reason", remedy="say why: whoever asks later finds it in the ledger")
    model = load_model(find_model(settings.models, model_name))
    ledger = Ledger.open(settings, model_name)
    search = Search(settings, ledger, model, Key.parse(model, table, keys), Suppression.load(ledger))
    folder = settings.workspaces / model_name / "data"
    with (
        locked(folder.with_suffix(".lock"), what="the ledger's data", seconds=600),
        tempfile.TemporaryDirectory() as at,
    ):
        store = Store.open(settings, folder, scm=False)
        try:
            return _Erasure(search, store, Path(at), reason.strip()[:1000], by, say).run(apply=apply)
        finally:
            store.close()


@dataclass
class _Erasure:
    search: Search
    store: Store
    scratch: Path
    reason: str
    by: str
    say: Progress

    @property
    def id(self) -> str:
        return self.search.digest[:16]

    @property
    def path(self) -> str:
        return f"{ERASED}{self.id}.json"

    def run(self, *, apply: bool) -> Erased:
        for turn in range(_ATTEMPTS):
            self.search.ledger.fetch()
            head = self.search.ledger.head("data") or ""
            self.search.adopt(Suppression.load(self.search.ledger, head))
            before = reader.record(self.search.ledger, head, self.path)
            known = {} if before.missing else erasure_of(before)
            self.say(f"looking for the rows in every revision of {self.search.key.table}")
            hits = self.search.hits(load_manifest(self.search.ledger, head), self.store)
            if not hits and not known:
                raise InputError(
                    "no row has this key",
                    where=f"table {self.search.key.table}",
                    remedy="see the column and its values",
                )
            folder = self.scratch / str(turn)
            folder.mkdir()
            made = drafts(self.search, hits, folder)
            names = tuple(draft.found.name for draft in made)
            touched = self._trained(hits, known)
            if not apply:
                told = [{"partition": h.item.partition, "revision": h.item.revision, "rows": h.rows} for h in hits]
                return self._report(told, names, touched, applied=False)
            self.say(f"{len(names)} files of predictions are written without them")
            replace_all(self.search, made)
            try:
                told = self._commit(head, hits, names, touched, known, folder)
            except PushRefused:
                continue
            # A night may have scored one of the days until a moment ago.
            (folder / "again").mkdir()
            replace_all(self.search, drafts(self.search, hits, folder / "again"))
            return self._report(told, names, touched, applied=True)
        raise PassingFault("the ledger never stood still", where="data", remedy="try again")

    def _trained(self, hits: Sequence[Hit], known: dict[str, Any]) -> Trained:
        """The runs trained on what is found now, or was when this erasure began."""
        model, key = self.search.model, self.search.key
        months = {hit.item.month for hit in hits} | {str(item["partition"])[:7] for item in known.get("partitions", [])}
        md5s = {hit.item.md5 for hit in hits} | set(known.get("objects", []))
        return trained(self.search.ledger, self.store, md5s, months if key.table == model.events else set())

    def _commit(
        self, head: str, hits: Sequence[Hit], names: Sequence[str], touched: Trained, known: dict[str, Any],
        folder: Path,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """One commit on `data` with all of it, then the decision that tells of it."""
        ledger, key = self.search.ledger, self.search.key
        work = Rewriting(self.search, head, load_manifest(ledger, head), self.store, folder, self.path)
        changes, told = work.changes(hits)
        entry = Entry(key.table, key.columns, self.search.digest, self.id)
        record = {
            "format": 1,
            "erasure": self.id,
            "table": key.table,
            "columns": list(key.columns),
            "key_hash": self.search.digest,
            "by": known.get("by", self.by),
            "reason": known.get("reason", self.reason),
            "at": known.get("at", datetime.now(UTC).isoformat()),
            "partitions": [*known.get("partitions", []), *told],
            "objects": sorted({*known.get("objects", []), *(hit.item.md5 for hit in hits), *touched.objects}),
            "runs": sorted({*known.get("runs", []), *touched.runs}),
            "predictions": sorted({*known.get("predictions", []), *names}),
        }
        listed = self.search.erased.with_entry(entry)
        changes |= {suppression.PATH: listed.to_bytes(), self.path: json_bytes(record)}
        if any(ledger.read(head, path) != content for path, content in changes.items()):
            self.say("one commit: partitions, list and record")
            ledger.commit("data", changes, f"Erase rows of {key.table}: {self.id}\n", parent=head)
        body = {name: value for name, value in record.items() if name not in ("format", "objects", "at")}
        marked = f"{self.id} {len(record['partitions'])} {len(record['objects'])} {len(record['predictions'])}"
        decisions.record(ledger, KIND, body, key=marked)
        return told

    def _report(self, told: list[dict[str, Any]], names: tuple[str, ...], touched: Trained, *, applied: bool) -> Erased:
        ledger = self.search.ledger
        versions = {item.run: item.version for item in champion.history(ledger)}
        standing = champion.current(ledger)
        named: dict[str, int | None] = {run: versions.get(run) or self._version(run) for run in touched.runs}
        return Erased(
            model=ledger.model,
            erasure=self.id if applied else "",
            applied=applied,
            partitions=tuple(told),
            predictions=names,
            versions=named,
            waiting=touched.waiting,
            champion=standing is not None and standing.run in touched.runs,
        )

    def _version(self, run: str) -> int | None:
        try:
            return Registry.of(self.search.settings).version_of(self.search.ledger.model, f"runs/{run}")
        except PassingFault as error:
            self.say(f"the version of {run} cannot be told: {error.line()}")
            return None
