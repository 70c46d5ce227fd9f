"""A reaching task in pure numpy and a Gaussian policy: the smallest things that can be trained."""

import math
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import octoworld  # noqa: F401  (the front door first: it finds a `sim` that is not ours)
from sim.vec_env import VecEnv


@dataclass
class Chunk:
    actions: torch.Tensor
    log_prob: torch.Tensor | None = None
    raw_actions: torch.Tensor | None = None


class ReachEnv(VecEnv):
    """A point in the plane moves by action / 5 and must come within a radius of its target."""

    def __init__(self, num_envs, max_steps=12, radius=0.15, **options):
        super().__init__(
            num_envs=num_envs,
            single_observation_space=gymnasium.spaces.Box(-9, 9, (4,), np.float32),
            single_action_space=gymnasium.spaces.Box(-1, 1, (2,), np.float32),
            max_episode_length=max_steps,
            fps=10,
            autoreset_mode=AutoresetMode.DISABLED,
            **options,
        )
        self.radius = radius
        self.position, self.target = np.zeros((2, num_envs, 2), np.float32)

    def _reset(self, mask, seeds):
        for i in np.flatnonzero(mask):
            draws = np.random.default_rng(seeds[i]).uniform(-0.8, 0.8, 4)
            self.position[i], self.target[i] = draws[:2], draws[2:]
            self.instructions[i] = f"reach {seeds[i]}"

    def _step(self, actions):
        self.position = self.position + 0.2 * actions
        success = np.linalg.norm(self.target - self.position, axis=1) < self.radius
        return {"success": success}, success.astype(np.float32), success

    def _observe(self):
        return np.concatenate([self.position, self.target - self.position], 1)


class GaussianPolicy(torch.nn.Module):
    """One hidden layer from the state to a chunk's mean; a scale for each action."""

    def __init__(self, chunk_size=2, seed=0, log_scale=-0.5):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.chunk_size = chunk_size
        self.layer = torch.nn.Linear(4, 32)
        self.head = torch.nn.Linear(32, chunk_size * 2)
        with torch.no_grad():
            for layer, gain in ((self.layer, 0.5), (self.head, 0.1)):
                layer.weight.normal_(0, gain, generator=generator)
                layer.bias.zero_()
        self.log_scale = torch.nn.Parameter(torch.full((chunk_size, 2), float(log_scale)))

    def reset(self, mask=None):
        pass

    def mean(self, obs):
        hidden = torch.tanh(self.layer(obs["observation.state"]))
        return self.head(hidden).reshape(-1, self.chunk_size, 2)

    def act(self, obs, instructions, *, temperature=0.0, generator=None):
        mean = self.mean(obs)
        if temperature == 0:
            return Chunk(mean.clamp(-1, 1))
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        raw = mean + temperature * self.log_scale.exp() * noise
        log_prob = self.log_prob(obs, instructions, raw, temperature)
        return Chunk(raw.clamp(-1, 1), log_prob, raw)

    def log_prob(self, obs, instructions, raw_actions, temperature=1.0):
        assert len(instructions) == len(raw_actions)
        scale = temperature * self.log_scale.exp()
        z = (raw_actions - self.mean(obs)) / scale
        return (-0.5 * z**2 - scale.log() - 0.5 * math.log(2 * math.pi)).mean((1, 2))


@pytest.fixture
def make_env():
    return ReachEnv


@pytest.fixture
def make_policy():
    return GaussianPolicy
