"""The `update` hook that guards a ledger's refs, and how an older one of ours gives way to it."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

# Names the pusher's role to the hook. A server sets it; who reaches the folder itself has no role and may do all.
ROLE = "EVERGREEN_LEDGER_ROLE"
PROMOTER = "promoter"
# The sha256 of the hooks that earlier versions wrote. The newest forbids all that they do, but for new branches.
FORMER = frozenset(
    {
        "bafc7b34308e183f2067968db50907c4557ee2a526fedde9166ab16fa4ccd4ff",  # without roles
        "2954ee482489622927fc91d5bc9b2aac55d2234ef7786ebaa473e11b7ef6bcff",  # without the branch nights
        "901825c356e17ef34f8f5104cde2837f90a26c1ab26857e25f718a2bc24c92af",  # without an end of runs
        "260c246ba82655699192677402261816600257a364081cfab9b7df868e92114c",  # without the promoter's records
    }
)

UPDATE_HOOK = """\
#!/bin/sh
# Guards the refs of a ledger: branches move forward only, tags never, nothing is deleted but a run that `decisions`
# says retention has ended, a run's branch is written by the holder of the newest lease alone, and where a server
# names roles, `champion` and the records that let a run become champion or bytes be removed are written, and a run is
# ended, by the promoter alone. Arguments: ref, old commit, new commit.
set -eu
ref=$1 old=$2 new=$3
refuse() {
    echo "evergreen: $1: $ref" >&2
    exit 1
}
unset_id() { case "$1" in *[!0]*) return 1 ;; *) return 0 ;; esac; }

case "$ref" in
refs/heads/data | refs/heads/nights | refs/heads/decisions | refs/heads/champion | refs/heads/lease) ;;
refs/heads/run/*/* | refs/tags/runs/*/*) refuse "not a ref of a ledger" ;;
refs/heads/run/?* | refs/tags/runs/?*) ;;
*) refuse "not a ref of a ledger" ;;
esac

role=${EVERGREEN_LEDGER_ROLE-}
if [ "$ref" = refs/heads/champion ] && [ -n "$role" ] && [ "$role" != promoter ]; then
    refuse "only the promoter may write it, not $role"
fi

if unset_id "$new"; then
    id=${ref##*/}
    case "$ref" in
    refs/tags/runs/* | refs/heads/run/*) ;;
    *) refuse "refs are never deleted" ;;
    esac
    git cat-file -e "refs/heads/decisions:retention/$id.json" 2>/dev/null || refuse "refs are never deleted"
    [ -z "$role" ] || [ "$role" = promoter ] || refuse "only the promoter may delete it, not $role"
    if git cat-file blob refs/heads/champion:champion.json 2>/dev/null | grep -qF '"run": "'"$id"'"'; then
        refuse "the champion or the one before it"
    fi
    exit 0
fi
[ "$(git cat-file -t "$new")" = commit ] || refuse "only commits"

case "$ref" in
refs/tags/*)
    unset_id "$old" || refuse "tags never move"
    ;;
*)
    if ! unset_id "$old"; then
        git merge-base --is-ancestor "$old" "$new" || refuse "not a fast-forward"
    fi
    ;;
esac

# Whoever runs a model's own code may write these branches, but not what promotion and retention go by: answers of
# people, ends of rollbacks, pins, runs that were ended, rows that were erased. What counts is what the push as a whole
# changes, however many commits and merges it has.
case "$ref" in
refs/heads/decisions)
    set -- retention
    for kind in approval rollback pin unpin erasure; do set -- "$@" "decisions/*-$kind-*"; done
    ;;
refs/heads/data) set -- erased suppressed.json ;;
*) set -- ;;
esac
if [ $# -gt 0 ] && [ -n "$role" ] && [ "$role" != promoter ]; then
    before=$old
    if unset_id "$old"; then before=$(git hash-object -t tree --stdin </dev/null); fi
    touched=$(git diff-tree -r --no-renames --name-only "$before" "$new" -- "$@")
    [ -z "$touched" ] || refuse "only the promoter may write $(printf '%s\\n' "$touched" | head -n 1), not $role"
fi

case "$ref" in
refs/heads/run/*)
    if ! unset_id "$old" && git rev-parse --quiet --verify refs/heads/lease >/dev/null; then
        newest=$(git cat-file blob refs/heads/lease:lease.json | sed -n 's/^ *"fencing": \\([0-9]*\\),*$/\\1/p')
        ours=$(git show --no-patch --format='%(trailers:key=Fencing,valueonly,separator=%x2C)' "$new")
        [ "$ours" = "$newest" ] || refuse "stale fencing number ${ours:-none}, the newest is $newest"
    fi
    ;;
esac
"""


def write(folder: Path) -> None:
    """Put the hook into `folder`, in one step: a push finds either no hook's file or all of it."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".update-", dir=folder) as scratch:
        draft = Path(scratch) / "update"
        draft.write_text(UPDATE_HOOK)
        draft.chmod(0o755)
        draft.rename(folder / "update")


def renew(bare: Path) -> bool:
    """Replace the hook of `bare` where an earlier version wrote it, byte for byte; True where that was so.

    A hook that is missing, changed by somebody, or not ours to write stays: `evergreen doctor` names it.
    """
    known = bare / "hooks" / "update"
    try:
        if sha256(known.read_bytes()).hexdigest() not in FORMER:
            return False
        write(known.parent)
    except (FileNotFoundError, PermissionError):
        return False
    return True
