"""A stage's hash follows all that it imports, wherever the import stands, and nothing else."""

from __future__ import annotations

import subprocess

import pytest

from pipelines.errors import InputError
from pipelines.ledger import code

FILES = {
    "pipelines/__init__.py": "",
    "pipelines/one.py": "from pipelines import two\n",
    "pipelines/two.py": "def later():\n    from pipelines.deep.three import x\n    return x\n",
    "pipelines/deep/__init__.py": "",
    "pipelines/deep/three.py": "from . import four\nx = 1\n",
    "pipelines/deep/four.py": "from ..five import y\n",
    "pipelines/five.py": "y = 'pipelines.deep.six'\n",
    "pipelines/deep/six.py": "import numpy\n",
    "pipelines/stranger.py": "z = 1\n",
    "pipelines/features/__init__.py": "",
    "pipelines/features/trailing.py": "",
    "pipelines/stages/__init__.py": "",
    "pipelines/stages/snapshot.py": "import pipelines.one\n",
    "pipelines/stages/validate.py": "",
    "pipelines/stages/features.py": "",
    "pipelines/stages/train.py": "",
    "pipelines/stages/evaluate.py": "",
    "requirements.lock": "numpy==2\n",
}


@pytest.fixture
def project(tmp_path):
    def make(name, **changes):
        root = tmp_path / name
        for path, text in (FILES | {key.replace("__", "/") + ".py": value for key, value in changes.items()}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    return make


def test_the_closure_reaches_through_functions_relatives_and_names_in_strings(project):
    found = code.closure(project("a"), "pipelines.stages.snapshot")
    assert {"pipelines.one", "pipelines.two", "pipelines.deep.three", "pipelines.deep.four", "pipelines.five"} <= found
    assert "pipelines.deep.six" in found
    assert "pipelines.deep" in found
    assert "pipelines.stranger" not in found


@pytest.mark.parametrize(
    ("changed", "stages"),
    [
        ("pipelines__deep__four", {"snapshot"}),
        ("pipelines__stages__train", {"train"}),
        ("pipelines__features__trailing", {"features"}),
        ("pipelines__stranger", set()),
    ],
)
def test_a_change_reaches_just_the_stages_that_use_it(project, changed, stages):
    before = code.stage_hashes(project("before"))
    after = code.stage_hashes(project("after", **{changed: "changed = 1\n"}))
    assert {stage for stage in before if before[stage] != after[stage]} == stages


def test_the_lock_file_reaches_all(project):
    before = code.stage_hashes(project("before"))
    other = project("other")
    (other / "requirements.lock").write_text("numpy==3\n")
    after = code.stage_hashes(other)
    assert all(before[stage] != after[stage] for stage in before)


def test_a_missing_or_broken_module_is_named(project):
    root = project("a", pipelines__stages__train="def (\n")
    with pytest.raises(InputError, match=r"train\.py line 1: is not Python"):
        code.stage_hashes(root)
    (root / "pipelines" / "stages" / "train.py").unlink()
    with pytest.raises(InputError, match="stage train has no module"):
        code.stage_hashes(root)


def test_commit_image_and_lock_are_told(project, settings):
    from dataclasses import replace

    root = project("a")
    told = code.describe(settings, root)
    assert (told["git_sha"], told["image_digest"], set(told["stages"])) == ("unknown", None, set(code.STAGES))
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for argv in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "All"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    clean = code.describe(settings, root)["git_sha"]
    (root / "requirements.lock").write_text("changed")
    assert len(clean) == 40
    assert code.describe(settings, root)["git_sha"] == f"{clean}-dirty"
    given = code.describe(replace(settings, git_sha="1" * 40, image_digest="sha256:2"), root)
    assert (given["git_sha"], given["image_digest"]) == ("1" * 40, "sha256:2")
