"""Noise levels for training, and the way from noise to frames by a scheduler of diffusers."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from octoworld.core.errors import ConfigError

LEVELS = 1000.0
"""Timestep of pure noise: timesteps are noise levels times this (`_sigma_to_t` of
FlowMatchEulerDiscreteScheduler, num_train_timesteps of the published models)."""


def shift_exponent(scheduler: Any, places: int) -> float:
    """The `mu` of schedulers that look at a video's size.

    `calculate_shift` of diffusers' `pipelines/ltx/pipeline_ltx.py`, with its defaults.

    Args:
        scheduler: with the sizes and shifts of its config.
        places: tokens of the video.
    """
    known = scheduler.config
    few, many = known.get("base_image_seq_len", 256), known.get("max_image_seq_len", 4096)
    low, high = known.get("base_shift", 0.5), known.get("max_shift", 1.15)
    return low + (high - low) * (places - few) / (many - few)


def training_levels(uniform: torch.Tensor, scheduler: Any, places: int) -> torch.Tensor:
    """Noise levels in (0, 1) of `uniform` draws, as dense as the sampler visits them.

    s * u / (1 + (s - 1) * u) with the sampler's shift s (SD3, arXiv 2403.03206, section 5.3.2).
    """
    known = scheduler.config
    if known.get("use_dynamic_shifting"):
        mu = shift_exponent(scheduler, places)
        shift = mu if known.get("time_shift_type") == "linear" else math.exp(mu)
    else:
        shift = float(known.get("flow_shift") or known.get("shift") or 1.0)
    return shift * uniform / (1 + (shift - 1) * uniform)


def denoise(
    velocity: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    noise: torch.Tensor,
    scheduler: Any,
    steps: int,
    places: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Follow the flow from `noise` (B, C, F, h, w) to a sample.

    Args:
        velocity: (sample, timestep ()) -> noise minus clean, as the model sees it.
        noise: where to start.
        scheduler: of flow matching; it is left as it was.
        steps: of the scheduler.
        places: tokens of the video, for schedulers whose levels depend on its size.
        generator: of schedulers that draw.

    Raises:
        ConfigError: the scheduler has no such number of steps.
    """
    scheduler = copy.deepcopy(scheduler)
    options: dict[str, Any] = {}
    if scheduler.config.get("use_dynamic_shifting"):
        options["mu"] = shift_exponent(scheduler, places)
    if issubclass(type(scheduler), FlowMatchEulerDiscreteScheduler):
        # its own grid ends at level 0.001, which would waste one of few steps; so in pipeline_ltx
        options["sigmas"] = np.linspace(1.0, 1.0 / steps, steps).tolist()
    else:
        options["num_inference_steps"] = steps
    with np.errstate(divide="ignore", invalid="ignore"):
        scheduler.set_timesteps(device=noise.device, **options)
    levels = torch.as_tensor(scheduler.sigmas)
    if not (torch.isfinite(levels).all() and levels.min() >= 0 and levels.max() <= 1):
        raise ConfigError(
            f"sampling_steps = {steps}: {type(scheduler).__name__} gives noise levels "
            f"{[round(x, 3) for x in levels.tolist()]}, expected numbers from 1 to 0; use more "
            "steps, or another scheduler"
        )
    if "generator" in inspect.signature(scheduler.step).parameters:
        step = {"generator": generator, "return_dict": False}
    else:
        step = {"return_dict": False}
    sample = noise
    for timestep in scheduler.timesteps:
        sample = scheduler.step(velocity(sample, timestep), timestep, sample, **step)[0]
    return sample
