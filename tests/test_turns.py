"""The order of the stack's tests: everybody has a turn, and a story goes on in one turn alone."""

from __future__ import annotations

from pathlib import Path

from stack.machine import turns

MODULES = {path.stem for path in Path(__file__).with_name("stack").glob("test_*.py")}
STORIES = [name for turn in turns.TURNS for name in turn.stories]


def test_every_module_has_one_turn() -> None:
    assert sorted(MODULES) == sorted(f"test_{name}" for turn in turns.TURNS for name in turn.modules)
    assert sorted(MODULES, key=turns.place)[:2] == ["test_docker_proxy", "test_story"]


def test_a_story_begins_with_its_turn_and_has_ended_with_the_next() -> None:
    assert turns.stories("test_docker_proxy", STORIES) == ([], ["coming_up"])
    assert turns.stories("test_story", STORIES) == (["coming_up"], [])
    assert turns.stories("test_roles", STORIES) == (["coming_up"], ["asking", "watching", "rogue", "keeping"])
    assert turns.stories("test_images", STORIES)[1] == ["away", "failing", "headless"]
    assert turns.stories("test_restore", STORIES) == (STORIES, [])


def test_what_nobody_wants_to_hear_is_not_told() -> None:
    assert turns.stories("test_roles", ["rogue", "stack"]) == ([], ["rogue"])
    assert turns.stories("test_restore", ["keeping"]) == (["keeping"], [])
