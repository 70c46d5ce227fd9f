"""The GPU bench: refused where there is no GPU; what it times is physics alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octoworld.core.errors import DependencyError
from octoworld.recipes.gpu_bench import GpuBench, bare_stepper
from tasks.env import task_env


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_says_so(tmp_path):
    with pytest.raises(DependencyError, match="bench gpu measures a CUDA device, and torch finds"):
        GpuBench().run(True, tmp_path)
    assert not list(tmp_path.iterdir())


def test_bare_physics_leaves_the_environments_state_alone():
    pytest.importorskip("mujoco_warp")
    options = {"device": "cpu"}
    env = task_env("Reach", 3, backend="mujoco_warp", seed=0, backend_options=options)
    env.step(np.zeros(env.action_space.shape, np.float32))  # type: ignore[arg-type]
    before = env.sim_state()
    assert bare_stepper(env)() == 3
    np.testing.assert_array_equal(env.sim_state(), before)
    moved = env.world.batch._d.time.numpy()  # type: ignore[attr-defined]
    assert (moved > before[:, 0]).all()  # on the device the clock went on
    env.close()
