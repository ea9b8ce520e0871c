"""What disks and networks do becomes a passing fault; a full disk is called one, however deep it lies."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from pipelines.errors import InputError, PassingFault
from pipelines.ledger.remotes import passing

FULL = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    sqlite3.OperationalError("database or disk is full"),
]


@pytest.mark.parametrize("cause", FULL, ids=repr)
def test_a_full_disk_is_named(cause: Exception) -> None:
    from dvc.exceptions import DvcException

    with (
        pytest.raises(PassingFault, match="the workspace: no space left on the disk") as caught,
        passing("the workspace"),
    ):
        raise DvcException("failed to save") from cause
    assert caught.value.exit_code == 75


def test_other_faults_say_what_they_are_and_our_own_pass() -> None:
    with (
        pytest.raises(PassingFault, match=r"PermissionError: .*; look whether it can be reached"),
        passing("the cache"),
    ):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with pytest.raises(InputError, match="ours"), passing("the cache"):
        raise InputError("ours")
