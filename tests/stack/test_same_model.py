"""The demo's model is the same, byte for byte, whether containers or this machine's own processes made it."""

from __future__ import annotations

from pathlib import Path

from stack.machine import probes
from stack.machine.embedded import retrained
from stack.machine.place import say
from stack.machine.stack import Retrained, Stack


def test_the_embedded_runtime_makes_the_same_model(stack: Stack, story: Retrained, tmp_path: Path) -> None:
    alone = retrained(stack.models, tmp_path)
    for name, seconds in alone.steps.items():
        start, end = story.spans[name]
        say(f"{name}: {seconds:.1f} s embedded, {(end - start).total_seconds():.1f} s in the stack")
    champion = probes.champion(stack.compose, "flights")
    assert champion is not None
    assert alone.model_sha256 == champion["model_sha256"]
