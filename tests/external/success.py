"""What the scripts beside this file end with: success from starts that training did not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

import octoworld


def success(task: str, act: Callable[[torch.Tensor], torch.Tensor], starts: int = 100) -> float:
    """Share of `starts` episodes that end in success; `act` maps (N, D) to (N, A), greedily."""
    env = octoworld.make_vec(
        task, starts, seed=6_000_000, autoreset_mode=AutoresetMode.DISABLED, output="torch"
    )
    obs = env.obs_buf
    with torch.no_grad():
        while env.live.any():
            obs = env.step(act(torch.as_tensor(obs)).clamp(-1, 1))[0]
    share = float(np.mean(env.extras["success"]))
    env.close()
    print(f"{task}: {share:.0%} of {starts} unseen starts")
    return share
