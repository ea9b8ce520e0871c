"""Reading a model folder without trusting it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import TinyModel

from pipelines.config.load import find_model, load_model, model_folders, read_yaml
from pipelines.errors import ConfigError


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("promotion: auto", "promotion: auto\nfoo: 1", "foo"),  # 53 unknown key
        ("train_days: 20", "train_days: 0", "window.train_days: 0"),  # 54 out of range
        ("train_days: 20", f"train_days: {10**30}", "window.train_days"),  # 55 huge integer
        ("train_days: 20", "train_days: '20'", "window.train_days: '20'"),
        ("promotion: auto", "promotion: !!python/object/apply:os.system ['true']", "tag"),  # 51
        ("promotion: auto", "promotion: &a auto\nowner2: *a", "alias"),  # 52
        ("promotion: auto", "promotion: auto\npromotion: auto", "stands twice"),
        ("task: binary", "task: ternary", "task: 'ternary'"),
        ("role: context", "role: events", "exactly one table must have role events"),
        ("uri: orders/{date}.parquet", "uri: ../../etc/{date}.parquet", "must not climb"),  # 47
        ("uri: orders/{date}.parquet", "uri: orders.parquet", "no {date}"),
        ("  orders:\n", "  ../orders:\n", "table name"),
        ("validation_days: 4", "validation_days: 20", "smaller than window.train_days"),
        ("promotion: auto", "promotion: auto\npolicy: {performance: {metric: rmse}}", "rmse is no metric of a binary"),
        ("promotion: auto", "promotion: auto\npolicy: {drift: {threshold: high}}", "policy.drift.threshold"),
        ("promotion: auto", "promotion: auto\npolicy: {combine: {at_least: 9}}", "policy.combine"),
        ("promotion: auto", "promotion: auto\npolicy: {quiet: [{from: 2024-02-02, to: 2024-02-01}]}", "before from"),
        ("promotion: auto", "promotion: auto\nmonitoring: {shadow: on}", "monitoring.shadow: 'on'"),
        ("promotion: auto", "promotion: auto\nalerts: {urls_secret: ../ledger}", "alerts.urls_secret: '../ledger'"),
        ("promotion: auto", "promotion: auto\nalerts: {on: [everything]}", "alerts.on.0: 'everything'"),
        ("{start: 2024-01-01", "{cron: '0 6 * * 1', start: 2024-01-01", "a night is once a day"),
        ("{start: 2024-01-01", "{time_zone: Mars/Olympus, start: 2024-01-01", "is no IANA time zone"),
        ("title: Orders that arrive late", "title: [", "not readable as YAML"),
    ],
)
def test_a_wrong_model_yaml_is_refused_with_file_line_and_key(
    tiny_model: TinyModel, old: str, new: str, words: str
) -> None:
    tiny_model.edit(old, new)
    with pytest.raises(ConfigError) as caught:
        load_model(tiny_model.folder)
    assert words in str(caught.value)
    assert "model.yaml line " in str(caught.value)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("word", ["No", "12:30", "1_000x", "on", "'030'", "'null'", "=", "😀"])
def test_a_bare_word_is_a_class(tiny_model: TinyModel, word: str) -> None:
    tiny_model.edit("task: binary", "task: multiclass")
    tiny_model.edit("maturity_days: 1", f"maturity_days: 1\n  classes: [{word}, other]")
    tiny_model.edit("floors: {auc: 0.55}", "floors: {accuracy: 0.1}")
    assert load_model(tiny_model.folder).label.classes == (word.strip("'"), "other")


@pytest.mark.parametrize("word", ["null", "~", "true", "1_000", "1e3", "0x1F", "2024-01-01", ".nan"])
def test_what_is_no_text_is_refused_by_line_and_to_be_quoted(tiny_model: TinyModel, word: str) -> None:
    tiny_model.edit("maturity_days: 1", f"maturity_days: 1\n  classes: [{word}, other]")
    with pytest.raises(ConfigError, match=r"model.yaml line 25: label.classes.0: .*write it in quotes"):
        load_model(tiny_model.folder)


@pytest.mark.parametrize("text", ["train_days: 030", "train_days: -07_0", "? 08\n  : 1"])
def test_a_number_that_two_readers_read_as_two_is_refused(tiny_model: TinyModel, text: str) -> None:
    tiny_model.edit("window: {train_days: 20,", f"other:\n  {text}\nwindow: {{train_days: 20,")
    with pytest.raises(ConfigError, match=r"is octal to some readers of YAML; write it without the leading 0, or '"):
        load_model(tiny_model.folder)


def test_the_sign_that_dvc_does_not_keep_is_refused(tiny_model: TinyModel) -> None:
    tiny_model.edit("owner: tests", 'owner: "te\\Nsts"')
    with pytest.raises(ConfigError, match=r"line 2: holds the sign U\+0085"):
        load_model(tiny_model.folder)


@pytest.mark.parametrize(("word", "meant"), [("yes", True), ("On", True), ("true", True), ("no", False)])
def test_a_switch_may_be_a_word(tiny_model: TinyModel, word: str, meant: bool) -> None:
    tiny_model.edit("end: 2025-12-31}", f"end: 2025-12-31, catchup: {word}}}")
    tiny_model.edit("promotion: auto", f"rollback: {{automatic: {word}}}\nmonitoring: {{shadow: previous}}")
    model = load_model(tiny_model.folder)
    assert (model.schedule.catchup, model.rollback.automatic) == (meant, "on" if meant else "off")


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    bomb = tmp_path / "model.yaml"
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 30))
    bomb.write_text(f"l0: &l0 [lol]\n{levels}\n")
    with pytest.raises(ConfigError, match="alias"):
        read_yaml(bomb)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: " + b"[" * 100, b"a" * 300_000, b"a: \x00"])
def test_bytes_that_are_no_configuration(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        read_yaml(path)


def test_a_link_is_not_followed(tiny_model: TinyModel, tmp_path: Path) -> None:
    (tiny_model.folder / "features.py").rename(tmp_path / "features.py")
    (tiny_model.folder / "features.py").symlink_to(tmp_path / "features.py")
    with pytest.raises(ConfigError, match="symbolic link"):
        load_model(tiny_model.folder)


def test_a_missing_file_is_named(tiny_model: TinyModel) -> None:
    (tiny_model.folder / "expectations.yaml").unlink()
    with pytest.raises(ConfigError, match=r"expectations\.yaml is missing"):
        load_model(tiny_model.folder)


def test_folders_are_found_by_name(tiny_model: TinyModel) -> None:
    root = tiny_model.folder.parent
    (root / ".hidden").mkdir()
    (root / "_draft").mkdir()
    assert [path.name for path in model_folders(root)] == ["tiny"]
    with pytest.raises(ConfigError, match="choose one of: tiny"):
        find_model(root, "tinny")
