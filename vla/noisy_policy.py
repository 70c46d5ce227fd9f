"""NoisyPolicy: policies whose network gives each action of a chunk a mean and a noise scale."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

import torch

from octoworld.core.errors import ActionError, ConfigError

from .distribution import ChunkDistribution
from .policy import ActionChunk, Observation
from .vision_policy import VisionPolicy


class MeanAndScale(Protocol):
    """What a pass of the network gives."""

    @property
    def mean(self) -> torch.Tensor:
        """(N, K, A) [action units], not clipped."""
        ...

    @property
    def scale(self) -> torch.Tensor:
        """(N, K, A) noise scale [action units]."""
        ...


class NoisyPolicy(VisionPolicy):
    """A subclass gives `run` and `scale_head`; its config has `noise` and `noise_correlation`.

    The head's sigmoid goes from end to end of the config's `scale_range`, on a logarithmic scale.
    """

    scale_head: torch.nn.Linear

    def fix_scale(self, scale: float) -> None:
        """Give every action the same noise `scale` [action units], whatever is seen.

        Raises:
            ConfigError: it is not inside the config's `scale_range`.
        """
        low, high = self.config.scale_range
        if not low < scale < high:
            raise ConfigError(f"scale {scale}: expected inside scale_range ({low}, {high})")
        share = math.log(scale / low) / math.log(high / low)
        with torch.no_grad():
            self.scale_head.weight.zero_()
            self.scale_head.bias.fill_(math.log(share / (1 - share)))

    @abstractmethod
    def run(self, obs: Observation, instructions: Sequence[str]) -> MeanAndScale:
        """One pass of the network over an observation; raises as `read` does."""

    def distribution(
        self, obs: Observation, instructions: Sequence[str], temperature: float = 1.0
    ) -> ChunkDistribution:
        """Differentiable distribution of the next chunk.

        Args:
            obs: of N worlds.
            instructions: one a world.
            temperature: factor on the scale, above 0.

        Raises:
            CheckpointError: the observation is not of the cameras, image size or proprioception
                that the policy was made for.
            ConfigError: temperature is not above 0, or the actions have no known density.
        """
        self.check_density()
        if not temperature > 0:
            raise ConfigError(f"temperature = {temperature!r}: a distribution needs more than 0")
        output = self.run(obs, instructions)
        return ChunkDistribution(
            output.mean,
            output.scale * temperature,
            self.config.noise_correlation,
            self.config.noise,
        )

    @torch.no_grad()
    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The next chunk; see `Policy.act`. Raises as `distribution` does."""
        if temperature > 0:
            distribution = self.distribution(obs, instructions, temperature)
            raw = distribution.sample(generator)
            return ActionChunk(raw.clamp(-1, 1), distribution.log_prob(raw), raw)
        mean = self.run(obs, instructions).mean
        return ActionChunk(mean.clamp(-1, 1), raw_actions=mean)

    def log_prob(
        self,
        obs: Observation,
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) mean log-density per dimension of `raw_actions` (N, K, A); see `Policy.log_prob`."""
        self.check_density()
        expected = (len(instructions), self.chunk_size, self.config.action_dim)
        if tuple(raw_actions.shape) != expected:
            raise ActionError(f"raw_actions: expected {expected}, got {tuple(raw_actions.shape)}")
        distribution = self.distribution(obs, instructions, temperature)
        return distribution.log_prob(raw_actions.to(distribution.mean.device))
