"""The `champion` branch: which version is in use, since when and why. Moved by promotion and rollback alone."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipelines.config import names
from pipelines.config.params import Span
from pipelines.errors import GateRefusal, PushRefused, UnreadableRecord, shorten
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.signatures import signing
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

PATH = "champion.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Reason(_Record):
    """Why a version became champion: `kind` for machines, `text` for people."""

    kind: Literal["first", "better", "approved", "rollback"]
    text: Annotated[str, Field(max_length=1000)] = ""


class ChampionWindow(_Record):
    """The days behind a version, all inclusive: trained on `train`, judged on `test`, known as of `as_of`."""

    as_of: date
    train: tuple[date, date]
    test: tuple[date, date]

    @classmethod
    def of(cls, span: Span) -> Self:
        """The window of a run's span."""
        return cls(as_of=span.as_of, train=(span.train_start, span.train_end), test=(span.test_start, span.test_end))

    @property
    def test_end(self) -> date:
        """The newest day with a known label: what makes one version newer than another."""
        return self.test[1]


class Previous(_Record):
    """The champion before."""

    version: int
    run: str
    model_sha256: Sha256


class Origin(_Record):
    """What a version was made of, kept here because the run that says it ends one day, and this branch never does.

    The sha256 of its `window.json` (the list of partitions) and `features.py`, the commit of `data` that it was opened
    on, and the commit of the code; the last two are empty where the run does not say.
    """

    window_sha256: Sha256
    data_commit: str = ""
    features_sha256: Sha256
    code_sha: str = ""

    @classmethod
    def of(cls, ledger: Ledger, tag: str) -> Self | None:
        """What finished run `tag` was made of; None where it is not in the ledger."""
        paths = ("window.json", "model/features.py", "run.json", "code.json")
        found = ledger.read_many((tag, path) for path in paths)
        window, features, run, code = (found[tag, path] for path in paths)
        if window is None or features is None:
            return None
        request = reader.request_of(reader.Record(f"{ledger.model} {tag}: run.json", run))
        code_json = reader.Record(f"{ledger.model} {tag}: code.json", b"{}" if code is None else code).fields()
        return cls(
            window_sha256=hashlib.sha256(window).hexdigest(),
            data_commit=request.get("data_commit") or "",
            features_sha256=hashlib.sha256(features).hexdigest(),
            code_sha=code_json.get("git_sha", str, "") or "",
        )


class Champion(_Record):
    """The contents of `champion.json`. `promote` fills in `previous` and `origin`; records of before have no origin."""

    version: Annotated[int, Field(ge=1)]
    run: Annotated[str, AfterValidator(names.check_run_id)]
    model_sha256: Sha256
    since: datetime
    reason: Reason
    approver: str = ""
    evidence: dict[str, Any] = {}
    window: ChampionWindow
    metrics: dict[str, float] = {}
    previous: Previous | None = None
    origin: Origin | None = None

    @property
    def tag(self) -> str:
        """The ledger's tag of the run that made this version."""
        return f"runs/{self.run}"


def current(ledger: Ledger) -> Champion | None:
    """The champion when the ledger was last fetched; None before the first promotion.

    Raises:
        IntegrityError: the branch holds something else.
    """
    return at(ledger, ledger.head("champion"))


def at(ledger: Ledger, commit: str | None) -> Champion | None:
    """The champion recorded at a commit of the `champion` branch; raises as `current` does."""
    return None if commit is None else parse(commit, ledger.read(commit, PATH))


def parse(commit: str, content: bytes | None) -> Champion:
    """The champion in `content`, the file at `commit`; raises as `current` does."""
    where = f"champion {commit[:12]}"
    try:
        value = bounded.parse_json(content or b"", where, limit=reader.EVIDENCE_LIMIT)
        return Champion.model_validate_json(json_bytes(value))
    except UnreadableRecord as error:
        told = error.what
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    raise UnreadableRecord(f"{PATH} cannot be read: {shorten(told, 120)}", where=where, remedy="mend the ledger")


def promote(ledger: Ledger, champion: Champion, expected_parent: str | None) -> str:
    """Make `champion` the champion; returns the commit on the `champion` branch.

    `expected_parent` is the branch's head on which the caller judged (None: there was no champion).
    The same run's model being champion already is success and changes nothing.

    Raises:
        PushRefused: another version was promoted since: judge again.
        GateRefusal: its data are older than the champion's and this is no rollback.
    """
    ledger.fetch()
    head = ledger.head("champion")
    standing = at(ledger, head)
    if head and standing and _same(standing, champion):
        return head
    if head != expected_parent:
        raise PushRefused(
            f"version {standing.version if standing else 'none'} became champion meanwhile",
            where="champion",
            remedy="judge against it again",
        )
    if standing and champion.reason.kind != "rollback" and champion.window.test_end < standing.window.test_end:
        raise GateRefusal(
            f"version {champion.version} knows data up to {champion.window.test_end}, "
            f"champion {standing.version} up to {standing.window.test_end}",
            where="champion",
            remedy="retrain on newer data, or roll back on purpose",
        )
    # Whoever goes back to a version whose run has ended keeps what its first record said.
    origin = Origin.of(ledger, champion.tag) or champion.origin
    record = champion.model_copy(update={"previous": _previous(standing), "origin": origin})
    text = f"Champion {record.version}: {record.reason.kind}\n\nRun: {record.run}\n"
    content = json_bytes(record.model_dump(mode="json"))
    return ledger.commit("champion", {PATH: content}, text, parent=head, signing=signing(ledger.secrets))


def history(ledger: Ledger) -> list[Champion]:
    """Every champion there was, the newest first."""
    found = []
    for commit in ledger.log("champion"):
        record = at(ledger, commit)
        if record:
            found.append(record)
    return found


def _same(standing: Champion, wanted: Champion) -> bool:
    return (standing.run, standing.version, standing.model_sha256) == (wanted.run, wanted.version, wanted.model_sha256)


def _previous(standing: Champion | None) -> Previous | None:
    if standing is None:
        return None
    return Previous(version=standing.version, run=standing.run, model_sha256=standing.model_sha256)
