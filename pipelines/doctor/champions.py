"""Champions: where signers are listed, whether the newest commit of each ledger's `champion` is from one of them."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from pipelines.config import secrets
from pipelines.config.settings import Settings
from pipelines.doctor.base import Check, Finding, fail, ok
from pipelines.doctor.ledger_rules import speaking
from pipelines.ledger import answers, signatures, web
from pipelines.ledger.command import GitFailed, git
from pipelines.ledger.git import Ledger

_GIT_SECONDS = 6.0
_CHAMPION = "refs/heads/champion"


def checks(settings: Settings, models: list[str]) -> list[Check]:
    """One line a ledger of `models`; none where no signers are listed, for then nobody's signature counts."""
    if signatures.signers(settings.secrets) is None:
        return []
    return [Check(f"champion {name}", partial(signed, settings, name)) for name in models]


def signed(settings: Settings, model: str) -> Finding:
    """What the signature of the champion's newest commit is worth, fetched into a folder of its own."""
    url = f"{settings.ledgers.rstrip('/')}/{model}.git"
    secret = secrets.secret_file(settings, secrets.LEDGER)
    with tempfile.TemporaryDirectory(prefix="evergreen-doctor-") as name:
        folder = Path(name)
        git(None, "init", "--quiet", "--bare", "--template=", name)
        try:
            shown = git(None, "ls-remote", url, _CHAMPION, extra=speaking(secret), timeout=_GIT_SECONDS).decode()
            if not shown:
                return ok("none yet")
            git(
                folder,
                *(
                    "fetch",
                    "--quiet",
                    "--depth=1",
                    "--no-tags",
                    "--no-write-fetch-head",
                    url,
                    f"{_CHAMPION}:{_CHAMPION}",
                ),
                extra=speaking(secret),
                timeout=_GIT_SECONDS,
            )
        except GitFailed as error:
            if web.is_web(url) and answers.missing(error):
                return ok("none yet")
            raise answers.of_server(error, url) from None
        ledger = Ledger(model, url, folder, secret, settings.secrets)
        head = ledger.head("champion")
        words = signatures.verify(ledger, str(head))
    if signatures.sound(words):
        return ok(words)
    return fail(
        f"the champion's newest commit, {str(head)[:12]}, is {words}",
        f"see `evergreen history {model}`; `evergreen rollback {model} --to` a version that was signed",
    )
