"""Rewards, language, layout: the pure parts of tasks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoworld.core.errors import ConfigError
from octoworld.core.registry import BACKENDS, TASKS
from octoworld.core.rng import WorldRng
from tasks.language import COLORS, Templates
from tasks.manipulation.layout import LayoutConfig, draw_layout
from tasks.rewards import tolerance
from tasks.task import weighted


@given(
    st.floats(-10, 10),
    st.sampled_from(["gaussian", "linear", "long_tail"]),
    st.floats(0.01, 5),
)
def test_tolerance_is_one_inside_and_falls_outside(x, shape, margin):
    value = float(tolerance(x, (-1.0, 1.0), margin, shape=shape))
    assert 0 <= value <= 1
    assert (value == 1) == (-1 <= x <= 1) or abs(abs(x) - 1) < 1e-6
    assert float(tolerance(1 + margin, (-1.0, 1.0), margin, shape=shape)) == pytest.approx(0.1)


def test_tolerance_without_margin_is_a_step():
    np.testing.assert_array_equal(tolerance([0.9, 1.1], (0.0, 1.0)), [1.0, 0.0])


def test_tolerance_refuses_nonsense():
    with pytest.raises(ConfigError, match="ordered"):
        tolerance(0.0, (1.0, 0.0))
    with pytest.raises(ConfigError, match="long_tail"):
        tolerance(2.0, (0.0, 1.0), 1.0, shape="cubic")  # type: ignore[arg-type]


def test_weights_must_sum_to_one():
    total, terms = weighted({"a": (0.25, np.array([1.0])), "b": (0.75, np.array([0.0]))})
    assert total.tolist() == [0.25] and set(terms) == {"a", "b"}
    with pytest.raises(ConfigError, match="sum"):
        weighted({"a": (0.5, np.array([1.0]))})


def test_templates_fill_and_enumerate():
    words = Templates("push the {block} block", "shove the {block} cube")
    assert words.fill(3, block="red", zone="blue") == "shove the red cube"
    assert len(words.all({"block": ["red", "blue"]})) == 4
    with pytest.raises(ConfigError, match="block"):
        words.fill(0, zone="blue")
    with pytest.raises(ConfigError, match="slots"):
        Templates("open {x}", "close it")


def test_every_task_has_paraphrases_and_no_sentence_is_shared():
    said = [(name, s) for name in TASKS.names() for s in set(TASKS.get(name).vocabulary())]
    sentences = [s for _, s in said]
    assert len(sentences) == len(set(sentences))
    assert all(len(TASKS.get(name).templates) >= 3 for name in TASKS.names())


@pytest.mark.parametrize("name", TASKS.names())
def test_what_is_said_is_in_the_tasks_vocabulary(name):
    task = TASKS.get(name)(16)
    world = BACKENDS.get(task.backend)(task.scene(), 16, 1)
    task.bind(task.drive(task.control_mode).action_dim)
    everyone, known = np.ones(16, bool), set(task.vocabulary())
    for seed in (0, 100):
        task.reset(world, everyone, WorldRng(range(seed, seed + 16)))
        assert set(task.instructions) <= known
    assert len(set(task.instructions)) > 1
    world.close()


def test_slots_without_words_are_an_error():
    with pytest.raises(ConfigError, match="no words for the slots block"):
        Templates("push the {block}").all({"zone": ["red"]})


def test_colours_stay_apart():
    rgb = np.array(list(COLORS.values()))
    distance = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1) + 9 * np.eye(len(rgb))
    assert distance.min() > 0.4


def test_layouts_keep_room_and_depend_on_their_own_seed():
    config = LayoutConfig()
    layout = draw_layout(WorldRng(range(500)), np.ones(500, bool), config)
    distance = np.linalg.norm(layout.block - layout.zone, axis=1)
    assert distance.min() > config.block_to_zone
    assert layout.block.std(axis=0).min() > 0.03
    some = np.zeros(500, bool)
    some[[7, 400]] = True
    again = draw_layout(WorldRng(range(500)), some, config)
    np.testing.assert_array_equal(again.block, layout.block[some])


def test_a_table_without_room_is_an_error():
    with pytest.raises(ConfigError, match="fits"):
        draw_layout(WorldRng([0]), np.ones(1, bool), LayoutConfig(block_to_zone=2.0))
