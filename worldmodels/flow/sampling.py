"""Euler sampling of a flow with diffusers' FlowMatchEulerDiscreteScheduler."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

LEVEL_FLOOR = 0.05
"""Smallest noise level by which a velocity is divided."""


def velocity(noisy: torch.Tensor, clean: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """d(sample)/d(level) of the straight path from `clean` (level 0) through `noisy`."""
    return (noisy - clean) / level.clamp(min=LEVEL_FLOOR)


def euler(
    predict_clean: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    noise: torch.Tensor,
    steps: int,
    scheduler: FlowMatchEulerDiscreteScheduler | None = None,
) -> torch.Tensor:
    """Follow the flow from `noise` (B, K, S, C) to a sample.

    Args:
        predict_clean: (sample, level (B, K)) -> the clean sample expected.
        noise: where to start, level 1.
        steps: Euler steps; levels 1, 1 - 1/steps, ..., 1/steps.
        scheduler: another flow-matching scheduler of the same interface.
    """
    scheduler = scheduler or FlowMatchEulerDiscreteScheduler()
    # the scheduler's own grid ends at level 0.001, which would waste one of few steps
    scheduler.set_timesteps(
        sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist(), device=noise.device
    )
    levels, timesteps = torch.as_tensor(scheduler.sigmas), torch.as_tensor(scheduler.timesteps)
    sample = noise
    for index, timestep in enumerate(timesteps):
        level = levels[index].to(noise).expand(noise.shape[:2])
        slope = velocity(sample, predict_clean(sample, level), level[..., None, None])
        sample = scheduler.step(slope, timestep, sample, return_dict=False)[0]  # type: ignore[arg-type]
    return sample
