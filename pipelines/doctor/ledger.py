"""Ledgers: there, readable, and guarded by a hook or a server that refuses what must never happen."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from pipelines.config import secrets
from pipelines.config.load import model_folders
from pipelines.config.settings import Settings
from pipelines.doctor import champions
from pipelines.doctor.base import Check, Finding, fail, ok, warn
from pipelines.doctor.ledger_rules import proved, speaking
from pipelines.doctor.web import ask
from pipelines.errors import InputError
from pipelines.ledger import answers, hook, server, web
from pipelines.ledger.command import GitFailed, git

_GIT_SECONDS = 6.0
_RENEW = "evergreen doctor --renew-hooks"


def checks(settings: Settings) -> list[Check]:
    """A line for each ledger there is or should be; one for their place where there is none."""
    if "://" not in settings.ledgers:
        known = _known(settings, Path(settings.ledgers))
        guarded = [Check(f"ledger {name}", partial(embedded, settings, name)) for name in known]
        return [*guarded, *champions.checks(settings, known)] or [
            Check("ledgers", partial(_place, Path(settings.ledgers)))
        ]
    models = [folder.name for folder in model_folders(settings.models)] if settings.models.is_dir() else []
    return [
        Check("ledgers", partial(_server, settings)),
        *(Check(f"ledger {name}", partial(remote, settings, name)) for name in models),
        *champions.checks(settings, models),
    ]


def embedded(settings: Settings, model: str) -> Finding:
    """The ledger in a folder: its refs can be read, and its hook is there, ours, and used."""
    bare = Path(settings.ledgers) / f"{model}.git"
    if not (bare / "HEAD").is_file():
        return fail(
            f"{bare} was there and is away",
            f"bring it back; only if it is meant to begin anew, remove {settings.mirrors / bare.name}",
            passing=True,
        )
    git(bare, "rev-parse", "--quiet", "--verify", "refs/heads/data^{commit}", timeout=_GIT_SECONDS)
    listed = git(bare, "config", "--local", "--list", timeout=_GIT_SECONDS).decode(errors="replace").splitlines()
    config = dict(line.partition("=")[::2] for line in listed)
    return _hook_fault(bare, config) or ok(f"{bare}: readable, its refs are guarded")


def renew_hooks(settings: Settings) -> list[Path]:
    """Put this version's hook into every ledger that lies in a folder; those that were changed."""
    if "://" in settings.ledgers:
        raise InputError(
            "these ledgers are served by another process",
            where="EVERGREEN_LEDGERS",
            remedy="`evergreen serve-ledgers` brings its own hook; guard other servers' refs there",
        )
    renewed = []
    for head in sorted(Path(settings.ledgers).glob("*.git/HEAD")):
        if _hook_fault(head.parent, {}) is not None:
            hook.write(head.parent / "hooks")
            renewed.append(head.parent)
    return renewed


def remote(settings: Settings, model: str) -> Finding:
    """The ledger behind a server: our login may read it, and it refuses what must never happen."""
    url = f"{settings.ledgers.rstrip('/')}/{model}.git"
    secret = secrets.secret_file(settings, secrets.LEDGER)
    login = secrets.login(settings, secrets.LEDGER) if web.is_web(url) else None
    try:
        shown = git(None, "ls-remote", url, extra=speaking(secret), timeout=_GIT_SECONDS).decode()
    except GitFailed as error:
        if web.is_web(url) and answers.missing(error):
            return ok(f"none yet: `evergreen ingest {model}` begins it")
        raise answers.of_server(error, url) from None
    refs = {name: commit for commit, name in (line.split("\t") for line in shown.splitlines())}
    if "refs/heads/data" not in refs:
        return fail(f"{url} has no branch data", "restore it from a backup")
    if web.is_web(url) and ask(f"{url}/info/refs?service=git-receive-pack").status == 200:
        return fail(f"{url} lets anybody push without a login", "have the server ask for one")
    return proved(url, secret, refs, promoter=login is not None and login[0] == hook.PROMOTER)


def _known(settings: Settings, folder: Path) -> list[str]:
    """Ledgers that are there, and those that our mirrors remember from there."""
    here = {path.stem for path in folder.glob("*.git")}
    notes = settings.mirrors.glob("*.git/evergreen-url")
    return sorted(here | {note.parent.stem for note in notes if Path(note.read_text()).parent == folder})


def _hook_fault(bare: Path, config: dict[str, str]) -> Finding | None:
    found = bare / "hooks" / "update"
    if "core.hookspath" in config:
        return fail(f"{bare}: core.hooksPath leads past its hook", f"git -C {bare} config --unset core.hooksPath")
    if not found.is_file():
        return fail(f"{found} is missing: nothing guards the refs", _RENEW)
    if not os.access(found, os.X_OK):
        return fail(f"{found} cannot be executed: nothing guards the refs", _RENEW)
    if found.read_text(errors="replace") != hook.UPDATE_HOOK:
        return fail(f"{found} is another version or was changed", _RENEW)
    wrong = [key for key, value in server.CONFIG.items() if config and config.get(key.lower()) != value]
    if wrong:
        key = wrong[0]
        return warn(f"{bare}: {', '.join(wrong)} not set", f"git -C {bare} config {key} {server.CONFIG[key]}")
    return None


def _place(folder: Path) -> Finding:
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        return fail(f"ledgers cannot be made in {above}", "see what stands there, and its rights")
    return ok(f"{folder}: none yet, `evergreen ingest` begins one")


def _server(settings: Settings) -> Finding:
    url = settings.ledgers.rstrip("/")
    if not web.is_web(url):
        return ok(f"{url}, spoken to by Git")
    answer = ask(f"{url}/", secrets.login(settings, secrets.LEDGER))
    if answer.status == 401:
        raise answers.bad_login(url)
    if answer.status >= 500:
        return fail(f"{url} answers {answer.status}", "see the server's log", passing=True)
    return ok(f"{url} answers")
