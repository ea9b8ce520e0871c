"""A ledger comes back from its bundle with every ref, guarded as before; a spoilt bundle makes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import flip_bit

from pipelines.errors import InputError, IntegrityError, PushRefused
from pipelines.ledger import Ledger, backup
from pipelines.ledger.command import git


@pytest.fixture
def saved(world, tmp_path):
    head = world.ledger.commit("decisions", {"a.json": b"{}\n"}, "one", parent=None)
    world.ledger.commit("decisions", {"b.json": b"{}\n"}, "two", parent=head)
    world.ledger.commit("nights", {"labels/2024-02.json": b"{}\n"}, "night", parent=None)
    world.ledger.tag("runs/2024-02-05-20260101T000000Z-abcdef", head)
    return backup.save(world.ledger, tmp_path / "kept")


def refs(folder):
    return sorted(git(folder, "for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines())


def opened(world, root):
    elsewhere = replace(world.settings, ledgers=str(root), home=root.parent / "home")
    return Ledger.open(elsewhere, "tiny")


def test_every_ref_comes_back(world, saved, tmp_path):
    root = tmp_path / "ledgers"
    assert backup.restore(saved.file, root) == "tiny"
    assert refs(root / "tiny.git") == refs(world.ledger.url)
    assert saved.refs == len(refs(world.ledger.url)) == 4
    again = opened(world, root)
    assert again.log("decisions") == world.ledger.log("decisions")
    assert again.read("decisions", "b.json") == b"{}\n"
    assert again.read("nights", "labels/2024-02.json") == b"{}\n"
    assert [path.name for path in root.iterdir()] == ["tiny.git"]


def test_the_restored_ledger_is_guarded(world, saved, tmp_path):
    backup.restore(saved.file, tmp_path / "ledgers")
    again = opened(world, tmp_path / "ledgers")
    first = again.log("decisions")[-1]
    with pytest.raises(PushRefused):
        again.tag("runs/2024-02-05-20260101T000000Z-abcdef", again.log("decisions")[0])
    assert again.commit("decisions", {"c.json": b"{}\n"}, "three", parent=again.head("decisions"))
    with pytest.raises(PushRefused):
        again.commit("decisions", {"d.json": b"{}\n"}, "four", parent=first)


def test_a_backup_replaces_the_one_before(world, saved):
    world.ledger.commit("decisions", {"c.json": b"{}\n"}, "three", parent=world.ledger.head("decisions"))
    assert backup.save(world.ledger, saved.file.parent).refs == saved.refs
    assert [path.name for path in saved.file.parent.iterdir()] == ["tiny.bundle"]
    listed = git(None, "bundle", "list-heads", str(saved.file)).decode()
    assert world.ledger.head("decisions") in listed


def test_what_is_there_stays(world, saved, tmp_path):
    root = tmp_path / "ledgers"
    backup.restore(saved.file, root)
    before = refs(root / "tiny.git")
    with pytest.raises(InputError, match="is there already"):
        backup.restore(saved.file, root)
    assert refs(root / "tiny.git") == before


@pytest.mark.parametrize("spoil", ["cut", "bit", "text"])
def test_a_spoilt_bundle_makes_nothing(saved, tmp_path, spoil):
    size = saved.file.stat().st_size
    if spoil == "bit":
        flip_bit(saved.file, size - 30)
    else:
        content = saved.file.read_bytes()
        saved.file.write_bytes(content[: size - 50] if spoil == "cut" else b"no bundle\n")
    root = tmp_path / "ledgers"
    with pytest.raises(IntegrityError, match=r"tiny\.bundle"):
        backup.restore(saved.file, root)
    assert list(root.iterdir()) == []


def test_a_file_by_another_name_is_refused(saved, tmp_path):
    other = saved.file.rename(saved.file.with_name("No Model.bundle"))
    with pytest.raises(InputError):
        backup.restore(other, tmp_path / "ledgers")
