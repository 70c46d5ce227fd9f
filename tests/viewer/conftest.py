"""A small recorded run: a two-link arm over a table, synthetic frames, a made-up reflector."""

# pyright: reportAttributeAccessIssue=false

import json

import mujoco
import numpy as np
import pytest

from octoworld.data.episode import Episode
from octoworld.data.writer import DatasetWriter

SCENE = """
<mujoco model="tiny">
  <worldbody>
    <geom name="floor" type="plane" size="2 2 0.1" pos="0 0 -0.4" rgba="0.6 0.6 0.6 1"/>
    <geom name="table" type="box" size="0.35 0.45 0.02" pos="0.3 0 -0.02" rgba="0.7 0.6 0.5 1"/>
    <geom name="zone" type="cylinder" size="0.07 0.001" pos="0.35 0.2 0.001" rgba="0.1 0.6 0.2 1"/>
    <body name="upper" pos="0 0 0.1">
      <joint name="yaw" axis="0 0 1"/>
      <joint name="pitch" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 0.15 0 0.25" size="0.03" rgba="0.85 0.87 0.9 1"/>
      <body name="fore" pos="0.15 0 0.25">
        <joint name="elbow" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0.25 0 -0.12" size="0.025" rgba="0.3 0.5 0.8 1"/>
      </body>
    </body>
    <body name="block" pos="0.35 -0.1 0.025">
      <freejoint/>
      <geom name="block" type="box" size="0.025 0.025 0.025" rgba="0.5 0.5 0.5 1"/>
    </body>
  </worldbody>
</mujoco>
"""
STEPS = 24


def make_episode(seed):
    """The block slides from y = -0.1 to 0.2 m in a random colour; success in the last steps."""
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    color = np.random.default_rng(seed).uniform(0.1, 0.9, 3)
    model.geom_rgba[model.geom("block").id, :3] = color
    states, true = [], np.full((STEPS, 64, 64, 3), (90, 115, 140), np.uint8)
    true[:, 30:] = (190, 170, 150)
    for t in range(STEPS):
        data.qpos[:3] = 0.6 * np.sin(t / 5 + seed), 0.3 * np.sin(t / 7), 0.4 * np.cos(t / 6)
        data.qpos[3:6] = 0.35, -0.1 + 0.3 * t / (STEPS - 1), 0.025
        state = np.zeros(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(model, data, state, kind)
        states.append(np.concatenate([state, model.geom_rgba.astype(float).ravel()]))
        left = 8 + 40 * t // STEPS
        true[t, 40:50, left : left + 10] = (255 * color).astype(np.uint8)
    probability = 1 / (1 + np.exp(-(np.arange(STEPS) - 15) / 2.0))
    columns = {
        "observation.images.front": true,
        "observation.images.imagined.front": np.roll(true, 2, axis=2),
        "observation.state": np.zeros((STEPS, 8), np.float32),
        "action": np.zeros((STEPS, 4), np.float32),
        "next.reward": (0.8 * probability).astype(np.float32),
        "next.success": np.arange(STEPS) > 16 + seed,
        "next.done": np.arange(STEPS) == STEPS - 1,
        "sim_state": np.stack(states),
        "reflector.probability": probability.astype(np.float32),
        "reflector.progress": np.linspace(0, 1, STEPS, dtype=np.float32),
        "reflector.stop": probability > 0.9,
    }
    facts = {"task": "PushToZone", "source": "policy", "seed": seed, "reflector_threshold": 0.9}
    return Episode(columns, "push the block to the green zone", 10, facts)


RESULTS = {
    "title": "Success in the true simulator, before and after post-training",
    "rows": [
        {"name": "PickUp", "before": 0.42, "after": 0.61, "ci": [0.08, 0.3], "verdict": "pass"},
        {"name": "PushToZone", "before": 0.5, "after": 0.55, "ci": [-0.02, 0.12]},
    ],
}


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A whole run; nobody changes it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    for name, seeds in (("after", (0, 1)), ("before", (2, 9))):
        with DatasetWriter(folder / "episodes" / name, fps=10, robot="two_link") as writer:
            for seed in seeds:
                writer.add(make_episode(seed))
    (folder / "scene.xml").write_text(SCENE)
    (folder / "results.json").write_text(json.dumps(RESULTS))
    (folder / "config.yaml").write_text("task: PushToZone\nseed: 0\n")
    return folder


@pytest.fixture(scope="session")
def bare_folder(tmp_path_factory):
    """A data set with actions and rewards only: no images, no physics, no run around it."""
    folder = tmp_path_factory.mktemp("bare") / "numbers"
    full = make_episode(0)
    columns = {k: full[k] for k in ("observation.state", "action", "next.reward")}
    with DatasetWriter(folder, fps=10, robot="two_link") as writer:
        writer.add(Episode(columns, full.instruction, 10))
    return folder


@pytest.fixture
def episode():
    """One episode in memory."""
    return make_episode(0)
