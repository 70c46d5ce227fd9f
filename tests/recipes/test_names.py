"""Recorded data sets say what each number is, and it is that number."""

from __future__ import annotations

import json
from typing import cast

import numpy as np
import pytest

from octoworld.data.reader import Dataset
from octoworld.recipes.recording import write_dataset
from octoworld.recipes.rollouts import RolloutConfig, collect
from sim.world import FlyingWorld
from tasks.env import task_env


@pytest.mark.parametrize("robot", ["panda", "so101"])
def test_an_arms_data_set_names_its_columns(tmp_path, robot):
    config = RolloutConfig(num_envs=1, hold_steps=0, cameras=(), noise=0.05)
    episodes = collect(
        "Reach", [3], config, policy=None, source="expert", task_options={"robot": robot}
    )
    write_dataset(tmp_path / "data", episodes)
    features = json.loads((tmp_path / "data/meta/info.json").read_text())["features"]
    felt = [f"tool_{kind}{axis}" for kind in ("", "v") for axis in "xyz"] + ["gap", "gripper"]
    assert features["observation.state"]["names"] == felt
    acted = ["dx", "dy", "dz", "gripper"]
    assert features["action"]["names"] == features["expert.action"]["names"] == acted
    (episode,) = Dataset(tmp_path / "data").load_all()
    felt_at = {n: episode["observation.state"][:, i] for i, n in enumerate(felt)}
    acted_at = {n: episode["action"][:, i] for i, n in enumerate(acted)}
    # the tool goes where it is sent, and the last gripper command is felt one step later
    for axis in "xyz":
        moved = felt_at[f"tool_{axis}"][-1] - felt_at[f"tool_{axis}"][0]
        assert abs(moved) < 0.01 or np.sign(moved) == np.sign(acted_at[f"d{axis}"].sum())
    np.testing.assert_array_equal(felt_at["gripper"][1:], np.sign(acted_at["gripper"][:-1]))


@pytest.mark.parametrize(
    ("task", "drone", "options"),
    [("Hover", "", {"task_options": {"num_last_actions": 2}}), ("MultiHover", "d1_", {})],
)
def test_names_of_drones_name_the_right_numbers(task, drone, options):
    env = task_env(task, 2, control_mode="rates", seed=0, **options)
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 2, env.num_acts)).astype(np.float32)
    for action in actions:
        env.step(action)
    felt = env.task.observe(env.world)["observation.state"].T
    state = dict(zip(env.task.state_names, felt, strict=True))
    flight, i = cast("FlyingWorld", env.world).flight, 1 if drone else 0
    np.testing.assert_allclose(state[drone + "z"], flight.position[:, i, 2], rtol=1e-6)
    np.testing.assert_allclose(state[drone + "vy"], flight.velocity[:, i, 1], rtol=1e-5)
    np.testing.assert_allclose(state[drone + "q"], flight.omega_body[:, i, 1], rtol=1e-5)
    w, x, y, z = flight.quat[:, i].T
    np.testing.assert_allclose(state[drone + "r_xz"], 2 * (x * z + w * y), atol=1e-6)
    thrust = env.drive.action_names.index(drone + "thrust")
    np.testing.assert_array_equal(state[drone + "action3_ago1"], actions[-1][:, thrust])
    if not drone:
        np.testing.assert_array_equal(state["action0_ago2"], actions[0][:, 0])
    env.close()
