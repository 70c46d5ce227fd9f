"""The hand-written single world, to which N = 1 is held in `bench throughput`, is the same task."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode

from octoworld.recipes.hand_written import HandWrittenPickUp
from tasks.env import task_env


def test_the_hand_written_world_is_the_same_task():
    ours = task_env(
        "PickUp", 1, control_mode="joint_delta_pos", autoreset_mode=AutoresetMode.DISABLED, seed=3
    )
    theirs = HandWrittenPickUp()
    assert theirs.action_space.shape == ours.single_action_space.shape
    size = mujoco.mj_stateSize(theirs.model, mujoco.mjtState.mjSTATE_INTEGRATION)
    obs, _ = theirs.reset(options={"state": ours.world.get_state()[0, :size]})
    np.testing.assert_allclose(obs, ours.obs_buf[0], atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1, 1, 8).astype(np.float32)
        mine, reward, *_ = ours.step(action[None])
        obs, other, ended, cut, _ = theirs.step(action)
        np.testing.assert_allclose(obs, mine[0], atol=2e-5)
        assert abs(other - reward[0]) < 1e-5
        assert not ended
        assert not cut
    ours.close()
