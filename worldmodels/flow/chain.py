"""Sampling a flow as a chain of Gaussian steps, whose probability is known: what GRPO needs.

An Euler step leads from one level of noise to the next without a choice. Here fresh noise replaces
a share of the old at every level (DDIM with eta > 0, arXiv 2010.02502; for flows: Flow-GRPO,
arXiv 2505.05470, and Flow-Noise of piRL, arXiv 2510.25889), so that each step is a normal
distribution about a mean that the network gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from octoworld.core.errors import ConfigError

from ..conditioning import gaussian
from ..latent_model import LatentHistory
from ..model import Decode, Imagined
from .model import FlowWorldModel, Foreseen


@dataclass(frozen=True)
class ChainConfig:
    """How many steps, and how much of the noise is fresh."""

    steps: int = 4
    """Levels of noise, 1, 1 - 1/steps, ..., 1/steps; so many network passes a chunk."""
    fresh: float = 0.7
    """Share of a level's noise (as a standard deviation) that is drawn anew, in (0, 1]."""
    floor: float = 0.02
    """Standard deviation of every step, the last one included [parts of `residual_scale`]."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps must be at least 1, got {self.steps}")
        if not 0 < self.fresh <= 1:
            raise ConfigError(f"fresh must be in (0, 1], got {self.fresh}")
        if self.floor <= 0:
            raise ConfigError(f"floor must be above 0, got {self.floor}")


@torch.no_grad()
def sample_chain(
    model: FlowWorldModel,
    history: LatentHistory,
    actions: torch.Tensor,
    generator: torch.Generator,
    config: ChainConfig,
    temperature: float = 1.0,
    decode: Decode = "all",
) -> tuple[LatentHistory, Imagined, torch.Tensor, torch.Tensor]:
    """Imagine `actions` (B, K, A) by a chain.

    Returns:
        The longer history, what is seen, the chain (B, steps + 1, K, S, C) from pure noise to the
        sample, and its mean log-density per number (B,), infinite at temperature 0.
    """
    seen = model.foresee(history, actions)
    shape = (len(history), actions.shape[1], *seen.last.shape[1:])
    start = temperature * model.settings.noise_scale * gaussian(shape, generator, seen.last)
    chain = [start]
    total = torch.zeros(len(history), device=start.device)
    for index in range(config.steps):
        mean, std = _step(model, seen, chain[-1], index, config, temperature)
        chain.append(mean + std * gaussian(shape, generator, mean))
        total = total + _log_density(chain[-1], mean, std)
    longer, imagined = model.go_on(history, seen, chain[-1], decode)
    return longer, imagined, torch.stack(chain, 1), total / config.steps


def chain_log_prob(
    model: FlowWorldModel,
    history: LatentHistory,
    actions: torch.Tensor,
    chain: torch.Tensor,
    config: ChainConfig,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Mean log-density per number (B,) of a chain (B, steps + 1, K, S, C), differentiable.

    The start is not counted: no weight of the model has a part in it.
    """
    if chain.shape[1] != config.steps + 1:
        raise ConfigError(f"a chain of {config.steps} steps has {config.steps + 1} samples, "
                          f"got {chain.shape[1]}")  # fmt: skip
    seen = model.foresee(history, actions)
    total = torch.zeros(len(chain), device=chain.device)
    for index in range(config.steps):
        mean, std = _step(model, seen, chain[:, index], index, config, temperature)
        total = total + _log_density(chain[:, index + 1], mean, std)
    return total / config.steps


def _step(
    model: FlowWorldModel,
    seen: Foreseen,
    sample: torch.Tensor,
    index: int,
    config: ChainConfig,
    temperature: float,
) -> tuple[torch.Tensor, float]:
    """Mean and standard deviation of the sample one level of noise lower."""
    level, lower = 1 - index / config.steps, 1 - (index + 1) / config.steps
    clean = seen.predict(sample, torch.full(sample.shape[:2], level, device=sample.device))
    # x = (1 - t) clean + t noise: what is not clean is noise, part of which is kept
    noise = (sample - (1 - level) * clean) / level
    kept = math.sqrt(1 - config.fresh**2)
    spread = temperature * max(config.fresh * lower * model.settings.noise_scale, config.floor)
    return (1 - lower) * clean + lower * kept * noise, spread


def _log_density(x: torch.Tensor, mean: torch.Tensor, std: float) -> torch.Tensor:
    """(B, ...) -> (B,) mean log-density per number under N(mean, std); infinite of no spread."""
    if std == 0:
        return torch.full((len(x),), math.inf, device=x.device)
    square = ((x - mean) / std).pow(2).flatten(1).mean(1)
    return -0.5 * square - math.log(std) - 0.5 * math.log(2 * math.pi)
