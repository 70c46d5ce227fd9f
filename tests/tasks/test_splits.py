"""What a test split shows, training never shows; on all other axes it is like training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import TASKS
from tasks.env import make_task, task_env
from tasks.language import COLOR_NAMES
from tasks.manipulation.arm_task import ArmTask
from tasks.manipulation.staged import StagedTask
from tasks.splits import SPLITS, is_held_out_pair, is_held_out_place, square_of
from tasks.suites import SCENES, SUITES, suite

ARMS = [name for name in TASKS.names() if issubclass(TASKS.get(name), ArmTask)]
AXES = ("positions", "pairs", "paraphrases")
TRAINING_SEED, TEST_SEED = 1_000_000, 5_000_000
"""Where `collect` and `eval` begin."""
WORLDS = 256


@dataclass
class Shown:
    """All that the starts of a split have shown."""

    starts: set[bytes] = field(default_factory=set)
    positions: set[tuple] = field(default_factory=set)
    pairs: set[tuple] = field(default_factory=set)
    paraphrases: set[int] = field(default_factory=set)
    sentences: set[str] = field(default_factory=set)


def colors_of(task: Any) -> list[str]:
    """Names in `memory` of the colours that the split `pairs` is about."""
    if isinstance(task, StagedTask):
        return [f"color_{slot}" for slot in task.paired_slots]
    return ["color"] if task.name == "Reach" else ["block_color", "zone_color"]


def subject_of(task: Any) -> str:
    return getattr(task, "subject", "goal")


def shown(task: str, split: str, seed: int, batches: int = 1) -> Shown:
    """Starts of `batches` x 256 seeds; only reset and read, never stepped."""
    env = task_env(task, WORLDS, task_options={"split": split} if split else {})
    mine: Any = env.task
    seen = Shown()
    for k in range(batches):
        env.reset(seed=seed + k * WORLDS)
        seen.starts |= {row.round(6).tobytes() for row in env.world.get_state()}
        squares = square_of(env.world.pose(subject_of(mine))[:, :2], mine.cell)
        seen.positions |= {tuple(square) for square in squares}
        seen.pairs |= set(zip(*(mine.memory[name] for name in colors_of(mine)), strict=True))
        seen.paraphrases |= set(mine.memory["wording"].astype(int))
        seen.sentences |= set(env.instructions)
    env.close()
    return seen


def test_every_manipulation_task_is_in_a_suite():
    assert sorted(ARMS) == sorted(t for tasks in SUITES.values() for t in tasks)
    assert sorted(ARMS) == sorted(t for tasks in SCENES.values() for t in tasks)
    assert suite("table")[:4] == ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")
    with pytest.raises(UnknownNameError, match=r"'tabeltop'.*kitchen, reach, table, tabletop"):
        suite("tabeltop")


@pytest.mark.parametrize("task", ARMS)
def test_nothing_of_a_test_split_is_in_training(task):
    train = shown(task, "train", TRAINING_SEED, batches=8)
    for axis in AXES:
        test = shown(task, axis, TEST_SEED, batches=4)
        assert len(train.starts) == 8 * WORLDS and len(test.starts) == 4 * WORLDS
        assert not train.starts & test.starts
        own, learnt = getattr(test, axis), getattr(train, axis)
        assert own and learnt and not own & learnt
        if axis == "paraphrases":
            assert not test.sentences & train.sentences
        for other in set(AXES) - {axis}:
            # squares at the rim are rare, so that few starts may not have shown all of them
            rare = getattr(test, other) - getattr(train, other)
            assert len(rare) <= 0.1 * len(getattr(train, other)), other


@pytest.mark.parametrize("task", ARMS)
@pytest.mark.parametrize("split", ["camera", "light", "physics", "distractors"])
def test_other_splits_start_as_training_does_from_other_seeds(task, split):
    try:
        test = shown(task, split, TEST_SEED)
    except ConfigError as error:
        assert split == "distractors" and "no distractors" in str(error)
        return
    train = shown(task, "train", TRAINING_SEED, batches=2)
    assert not train.starts & test.starts
    assert test.paraphrases <= train.paraphrases and test.pairs <= train.pairs
    assert len(test.positions - train.positions) <= 0.15 * len(train.positions)


@pytest.mark.parametrize("task", ARMS)
def test_training_starts_are_those_that_no_axis_holds_out(task):
    """By the rules themselves, not by what happened to be drawn."""
    env = task_env(task, WORLDS, seed=TRAINING_SEED, task_options={"split": "train"})
    mine: Any = env.task
    assert not is_held_out_place(env.world.pose(subject_of(mine))[:, :2], mine.cell).any()
    colors = [mine.memory[name].astype(int) for name in colors_of(mine)]
    if len(colors) == 2:
        assert not is_held_out_pair(*colors).any()
    else:
        assert (colors[0] < len(COLOR_NAMES) - 1).all()
    assert (mine.memory["wording"] < len(mine.templates) - 1).all()
    env.close()


@pytest.mark.parametrize("task", ["SortByColor", "StackTwo"])
def test_a_pair_is_of_the_two_colours_that_are_said(task):
    env = task_env(task, WORLDS, seed=TEST_SEED, task_options={"split": "pairs"})
    assert make_task(task).paired_slots == ("block", "other")  # type: ignore[attr-defined]
    first, second = (env.task.memory[f"color_{slot}"] for slot in ("block", "other"))
    assert is_held_out_pair(first, second).all() and (first != second).all()
    said = env.instructions[0]
    assert COLOR_NAMES[int(first[0])] in said and COLOR_NAMES[int(second[0])] in said
    # all things on the table still differ in colour as they do without a split
    others = [env.task.memory[f"color_{slot}"] for slot in ("button", "spare")]
    assert (others[0] != others[1]).all()
    env.close()


def test_without_a_split_everything_is_drawn():
    whole, train = shown("PickUp", "", 0), shown("PickUp", "train", 0)
    assert whole.pairs > train.pairs and whole.paraphrases > train.paraphrases
    assert whole.positions > train.positions


def test_distractors_stand_apart_from_what_is_asked_for():
    env = task_env("PushToZone", 100, task_options={"split": "distractors"})
    env.reset(seed=3)
    block, zone = (env.world.pose(n)[:, :2] for n in ("block", "zone"))
    for i in range(SPLITS["distractors"].distractors):
        place = env.world.pose(f"distractor{i}")[:, :2]
        assert np.linalg.norm(place - block, axis=1).min() > 0.08
        assert np.linalg.norm(place - zone, axis=1).min() > 0.10
    env.close()


def test_the_workbench_has_its_two_distractors_in_that_split():
    env = task_env("StackTwo", 20, seed=3, task_options={"split": "distractors"})
    heights = [env.world.pose(f"distractor_{i}")[:, 2] for i in (0, 1)]
    assert (np.array(heights) >= 0).all()
    env.reset(seed=3)
    env.close()
    plain = task_env("StackTwo", 20, seed=3, task_options={"split": "train"})
    assert (plain.world.pose("distractor_0")[:, 2] < 0).all()
    plain.close()


@pytest.mark.parametrize("task", ["PickUp", "StackTwo", "ServeAndSwitch"])
@pytest.mark.parametrize("split", ["camera", "light", "physics"])
def test_axes_of_looks_and_physics_change_parameters(task, split):
    env = task_env(task, 8, task_options={"split": split})
    env.reset(seed=1)
    mine: Any = env.task
    drawn = mine.randomizer.sampled()
    assert all(len(set(values[:, 0])) == 8 for values in drawn.values())
    if split == "physics":
        assert any(name.endswith("mass") for name in drawn)
        assert any(name.endswith("friction") for name in drawn)
    env.close()


def test_bad_splits_are_told():
    with pytest.raises(UnknownNameError, match=r"tests.*positions"):
        task_env("PickUp", 1, task_options={"split": "tests"})
    with pytest.raises(ConfigError, match="Reach has no distractors"):
        task_env("Reach", 1, task_options={"split": "distractors"})


def test_an_instruction_of_ones_own_has_the_tasks_slots():
    options = {"instruction": "grab the {block} block, please", "split": "train"}
    env = task_env("PickUp", 8, seed=0, task_options=options)
    colors = env.task.memory["block_color"].astype(int)
    said = [f"grab the {COLOR_NAMES[c]} block, please" for c in colors]
    assert env.instructions == said
    env.close()
    plain = task_env("PickUp", 8, seed=0, task_options={"split": "train"})
    assert np.array_equal(plain.task.memory["block_color"], colors)  # the start is the same
    assert "grab the {block} block, please" not in TASKS.get("PickUp").templates.templates
    plain.close()


@pytest.mark.parametrize(
    "wrong", ["grab it", "grab the {thing} block", "grab the {} block", "grab the {block", "  "]
)
def test_an_instruction_that_the_task_cannot_read_is_told(wrong):
    with pytest.raises(ConfigError, match=r"a sentence with \{block\}, such as 'pick up the"):
        make_task("PickUp", 1, {"instruction": wrong})
    with pytest.raises(ConfigError, match=r"with \{block\} and \{other\}, such as"):
        make_task("StackTwo", 1, {"instruction": wrong})


def test_options_that_a_task_does_not_have_are_told():
    with pytest.raises(ConfigError, match="task Hover has no option 'split'"):
        make_task("Hover", 1, {"split": "train"})
