"""What a stage's container may use, as `model.yaml` says it."""

from __future__ import annotations

from datetime import date

import pytest
from support import TinyModel

from pipelines.config.load import load_model
from pipelines.config.params import Overrides, RunParams
from pipelines.config.resources import Allowance, size_bytes
from pipelines.errors import ConfigError

SAID = "resources: {default: {memory: 2GiB, pids: 99}, train: {memory: 512MiB, cpus: 1}}\npromotion: auto"


def test_without_a_word_every_stage_has_the_same() -> None:
    assert Allowance() == Allowance(cpus=2.0, memory="4GiB", tmp="1GiB", pids=512, gpus=0)


def test_a_stage_has_what_is_said_of_it_then_the_default(tiny_model: TinyModel) -> None:
    tiny_model.edit("promotion: auto", SAID)
    model = load_model(tiny_model.folder)
    assert model.allowance("train") == Allowance(cpus=1.0, memory="512MiB", pids=99)
    assert model.allowance("promote") == Allowance(memory="2GiB", pids=99)


def test_training_on_cuda_asks_for_a_gpu_unless_told_otherwise(tiny_model: TinyModel) -> None:
    tiny_model.edit("  threads: 1", "  threads: 1\n  device: cuda")
    model = load_model(tiny_model.folder)
    assert (model.allowance("train").gpus, model.allowance("features").gpus) == (1, 0)
    tiny_model.edit("promotion: auto", "resources: {train: {gpus: 2}}\npromotion: auto")
    assert load_model(tiny_model.folder).allowance("train").gpus == 2


def test_resources_are_no_part_of_a_runs_parameters(tiny_model: TinyModel) -> None:
    before = load_model(tiny_model.folder)
    tiny_model.edit("promotion: auto", SAID)
    after = load_model(tiny_model.folder)
    day = date(2024, 2, 4)
    assert RunParams.of("tiny", before, day) == RunParams.of("tiny", after, day)
    assert Overrides(train_days=10).apply(after).allowance("train") == after.allowance("train")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{train: {memory: 4GB}}", "512MiB or 4GiB"),
        ("{train: {memory: 32MiB}}", "64MiB"),
        ("{train: {memory: 4096}}", "string"),
        ("{train: {cpus: 0}}", "greater than or equal to 0.1"),
        ("{train: {cpu: 1}}", "cpu"),
        ("{trian: {cpus: 1}}", "trian"),
        ("{train: {pids: 1}}", "32"),
        ("{train: {gpus: -1}}", "0"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_place(tiny_model: TinyModel, said: str, words: str) -> None:
    tiny_model.edit("promotion: auto", f"resources: {said}\npromotion: auto")
    with pytest.raises(ConfigError, match=r"model\.yaml line") as caught:
        load_model(tiny_model.folder)
    assert words in str(caught.value)


def test_sizes_are_binary() -> None:
    assert (size_bytes("64MiB"), size_bytes("2GiB")) == (64 * 2**20, 2 * 2**30)
