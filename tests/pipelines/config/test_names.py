"""Names that become paths and refs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import names
from pipelines.errors import ConfigError


@pytest.mark.parametrize("text", ["../x", "a/b", "A", "", "a" * 64, "a\n", "a\0", "é", "1a", "a b", "{{a}}", "$(a)"])
def test_illegal_names_are_refused(text: str) -> None:
    for check in (names.model_name, names.table_name):
        with pytest.raises(ConfigError):
            check(text)
    with pytest.raises(ConfigError):
        names.partition_name(text)


@given(st.text(max_size=80))
def test_whatever_passes_is_harmless(text: str) -> None:
    for check in (names.model_name, names.partition_name, names.check_run_id):
        try:
            passed = check(text)
        except ConfigError:
            continue
        assert passed.isascii()
        assert not set(passed) & set("/\\ \n\0.~^:*?[")


@given(st.dates(min_value=names.EARLIEST, max_value=names.LATEST.replace(year=2099)), st.text())
def test_run_ids_are_legal_and_the_same_for_the_same_key(day, key) -> None:
    now = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
    first = names.run_id(day, now, key)
    assert first == names.run_id(day, now, key) == names.check_run_id(first)
