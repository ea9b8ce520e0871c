"""Which columns a model folder names, read from its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.engines.mentions import EVERYTHING, Mentions, in_features, in_label

FLIGHTS = Path(__file__).parents[3] / "include" / "models" / "flights" / "features.py"


def of(tmp_path: Path, body: str, before: str = "") -> Mentions:
    path = tmp_path / "features.py"
    path.write_text(f"{before}\ndef build(tables, as_of):\n    {body}\n")
    return in_features(path)


def test_in_features_attributes_texts_and_arguments_are_named(tmp_path: Path) -> None:
    found = of(
        tmp_path, "t = tables['t']\n    return t.select('row_id', 'known_at', t.Code, t['far out'], near=t.km + 1)"
    )
    assert all(name in found for name in ("code", "CODE", "far out", "km", "near"))
    assert "note" not in found
    assert not found.everything


def test_in_features_a_text_that_is_put_together_names_all_that_fits(tmp_path: Path) -> None:
    found = of(tmp_path, "return finish(rows, [f'late_{name}_{days}d' for name in NAMES] + ['x_' + kind])")
    assert "late_shop_7d" in found
    assert "x_anything" in found
    assert "early_shop_7d" not in found


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("return tables['t'].select(*tables['t'].columns)", ""),
        ("return tables['t'].select(s.numeric())", "from ibis import selectors as s"),
        ("return tables['t'].select(s.numeric())", "import ibis.selectors as s"),
        ("return tables['t'].select(getattr(tables['t'], name))", ""),
        ("return tables['t'].select(f'{name}')", ""),
        ("return tables['t'].select('%s_x' % name)", ""),
        ("return tables['t'].select('{}_x'.format(name))", ""),
        ("return tables['t'].select('_'.join(names))", ""),
        ("return tables['t'].mutate(known_at=1)", ""),
        ("return tables['t'].drop('x')", ""),
        ("if x:\n        return tables['t'].mutate(y=1)\n    return tables['t'].select('x')", ""),
        ("return result", ""),
        ("pass", ""),
        ("return (", ""),
    ],
)
def test_in_features_that_goes_through_columns_names_all(tmp_path: Path, body: str, before: str) -> None:
    assert of(tmp_path, body, before).everything


def test_in_features_what_only_sounds_like_it_names_what_it_names(tmp_path: Path) -> None:
    found = of(tmp_path, "columns = ['x', 'y']\n    schema = tables['t']\n    return schema.select(*columns)")
    assert not found.everything
    assert "x" in found
    assert "z" not in found


def test_in_features_a_missing_or_too_large_file_names_all(tmp_path: Path) -> None:
    assert in_features(tmp_path / "none.py") == EVERYTHING
    (tmp_path / "large.py").write_text("#" * (1 << 21))
    assert in_features(tmp_path / "large.py") == EVERYTHING


def test_in_features_the_demos_name_what_they_read() -> None:
    found = in_features(FLIGHTS)
    assert not found.everything
    assert all(name in found for name in ("carrier", "tailnum", "sched_dep_time", "late_route_7d"))
    assert "note" not in found


def test_in_features_a_result_of_an_inner_function_is_none_of_builds(tmp_path: Path) -> None:
    inner = "def inner(t):\n        return t.mutate(x=1)\n    return inner(tables['t']).select('x')"
    assert not of(tmp_path, inner).everything


def test_in_label_the_columns_that_sql_binds_are_named() -> None:
    found = in_label('CASE WHEN "Far Out" > 15 THEN LATE END')
    assert all(name in found for name in ("far out", "late", "Late"))
    assert "case" not in found


def test_mentions_add_up() -> None:
    both = Mentions.of(["A"]) | Mentions(patterns=("x_.*",))
    assert "a" in both
    assert "X_1" in both
    assert "b" not in both
    assert "b" in both | EVERYTHING
