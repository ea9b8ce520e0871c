"""What a Git server's refusal means: whose turn it is now, and what they should do."""

from __future__ import annotations

from pipelines.errors import ConfigError, EvergreenError, InputError, LeaseHeld, PushRefused
from pipelines.ledger.command import GitFailed

_RACES = (
    "[rejected]",
    "cannot lock ref",
    "failed to update ref",
    "incorrect old value",
    "already exists",
    "not a fast-forward",
    "tags never move",
)
_REMEDIES = {
    "only the promoter": "use the promoter's secrets; an approval in Airflow its login in the file `ledger-promoter`",
    "not a ref of a ledger": "an older version guards it: update that server, or `evergreen doctor --renew-hooks`",
}
# 401 makes Git ask for another login, which it may not: it says so in one of the first two ways.
_LOGIN = ("could not read Username", "Authentication failed", "returned error: 401", "returned error: 403")


def missing(error: GitFailed) -> bool:
    """Whether an HTTP server answered, and has no such repository."""
    return "not found" in error.output and "fatal: repository 'http" in error.output


def of_server(error: GitFailed, url: str) -> EvergreenError:
    """What any exchange may end with: ConfigError for a login that is not accepted, else `error`, which passes."""
    if url.startswith("http") and any(sign in error.output for sign in _LOGIN):
        return bad_login(url)
    return error


def of_push(error: GitFailed, url: str, full_name: str) -> EvergreenError:
    """What a push of the ref `full_name` ended with."""
    said = error.output
    if "stale fencing number" in said:
        return LeaseHeld(
            "another run took the lease meanwhile", where=full_name, remedy="this run must begin its stage again"
        )
    if any(sign in said for sign in _RACES):
        return PushRefused("the ledger moved meanwhile", where=full_name, remedy="read it again and repeat")
    if "hook declined" in said:
        told = [line for line in said.splitlines() if "evergreen:" in line] or ["the server's hook declined"]
        remedy = next((remedy for sign, remedy in _REMEDIES.items() if sign in told[0]), "see the server's rules")
        return InputError(told[0].removeprefix("remote:").strip(), where=url, remedy=remedy)
    if "HTTP 413" in said:
        return InputError("the server takes no push this large", where=url, remedy="raise its --limit-mb")
    return of_server(error, url)


def bad_login(url: str) -> ConfigError:
    """The server does not accept who we are."""
    return ConfigError(
        "the server accepts no such login",
        where=url,
        remedy="put its lines into the file `ledger` of EVERGREEN_SECRETS",
    )
