"""What people answered when they were asked whether a run may become champion, on branch `decisions`.

An answer is for one run with one `gates.json`: where the gates were judged anew, nobody has been asked yet.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pipelines.errors import InputError, shorten
from pipelines.ledger import decisions, reader
from pipelines.ledger.git import Ledger
from pipelines.storage import bounded

KIND = "approval"
GATES = "out/evaluate/gates.json"
Verdict = Literal["approve", "reject"]
TEXT_LIMIT = 500


@dataclass(frozen=True)
class Answer:
    """One answer: by whom (`names`: every name the responder goes by; none where nobody answered in time), how, when.

    `via` says where it was given: the DAG run that asked, or the command line.
    """

    run: str
    gates_sha256: str
    verdict: Verdict
    by: str
    names: tuple[str, ...]
    via: str
    answered: datetime
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The answer for people."""
        who = self.by or "nobody, in time"
        word = "approved" if self.verdict == "approve" else "rejected"
        return f"{word} by {who}{f': {self.reason}' if self.reason else ''}"


def gates_sha256(ledger: Ledger, run_id: str) -> str:
    """The sha256 of a finished run's `gates.json`, which stands in Git; raises InputError where there is none."""
    content = ledger.read(f"runs/{run_id}", GATES) if ledger.head(f"runs/{run_id}") else None
    if content is None:
        raise InputError(
            f"run {run_id} is not finished", where=f"ledger of {ledger.model}", remedy="see `evergreen status`"
        )
    return hashlib.sha256(content).hexdigest()


def record(ledger: Ledger, answer: Answer) -> dict[str, Any]:
    """Keep `answer`; the same again changes nothing. Returns it as kept.

    A server with roles takes it from the promoter alone, or any model's own code could answer for people.

    Raises:
        InputError: it is such a server, and ours is another login.
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    body = asdict(answer) | {
        "answered": answer.answered.isoformat(),
        "names": [shorten(name, 100) for name in answer.names],
        "reason": shorten(" ".join(answer.reason.split()), TEXT_LIMIT),
        "sentence": answer.sentence,
    }
    key = f"{answer.run} {answer.gates_sha256} {answer.via} {answer.answered.isoformat()}"
    return decisions.record(ledger.as_promoter(), KIND, body, key=key)


def newest(ledger: Ledger, run_id: str, gates: str) -> Answer | None:
    """The newest answer for this run and these gates, as of the last fetch; None: nobody was asked, or none came.

    Raises:
        UnreadableRecord: an answer cannot be read: it may be the one that rejects.
    """
    found = decisions.find(ledger, KIND, limit=decisions.ALL)
    fitting = next((item for item in found if (item["run"], item["gates_sha256"]) == (run_id, gates)), None)
    if fitting is None:
        return None
    where = f"{ledger.model} decisions: an approval of {run_id}"
    try:
        answered = datetime.fromisoformat(fitting["answered"])
    except ValueError:
        raise bounded.unreadable(f"answered: {shorten(repr(fitting['answered']))} is no time", where) from None
    names = reader.Fields(fitting, where).get("names", list)
    return Answer(
        run=run_id,
        gates_sha256=gates,
        verdict="approve" if fitting["verdict"] == "approve" else "reject",
        by=fitting["by"],
        names=tuple(reader.of_kind(name, str, where, "names") for name in names),
        via=fitting["via"],
        answered=answered,
        reason=fitting["reason"],
    )
