"""Evaluation: the greedy policy from a list of start states; one outcome a start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .rollout import Actor, actions_for, device_of, last_success, observation, tensor


@dataclass
class Evaluation:
    """Outcomes of E episodes, in the order of their starts."""

    starts: NDArray[np.int64]
    """(E,) world seeds."""
    success: NDArray[np.bool_]
    """(E,) judged after the last living step."""
    returns: NDArray[np.float64]
    """(E,) sum of rewards until the stop."""
    lengths: NDArray[np.int64]
    """(E,) steps until the stop."""

    @property
    def success_rate(self) -> float:
        """Share of episodes that ended in success."""
        return float(self.success.mean())


def evaluate(
    env: Any,
    policy: Actor,
    starts: Sequence[int],
    *,
    horizon: int,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> Evaluation:
    """Run one episode from each start, `env.num_envs` at a time, for at most `horizon` chunks.

    Args:
        env: a VecEnv; a last wave that is not full repeats its first start and drops the repeats.
        policy: acts greedily unless `temperature > 0`.
        starts: world seeds.
        horizon: most decisions of an episode.
        temperature: of sampling; 0 is the mean action.
        generator: of the sampling noise, when there is any.
    """
    device = device_of(policy)
    parts = []
    for low in range(0, len(starts), env.num_envs):
        wave = list(starts[low : low + env.num_envs])
        seeds = wave + wave[:1] * (env.num_envs - len(wave))
        columns = _episode(env, policy, seeds, horizon, temperature, generator, device)
        parts.append([c[: len(wave)].cpu().numpy() for c in columns])
    success, returns, lengths = (np.concatenate(c) for c in zip(*parts, strict=True))
    return Evaluation(np.asarray(starts, np.int64), success, returns, lengths)


@torch.no_grad()
def _episode(
    env: Any,
    policy: Actor,
    seeds: list[int],
    horizon: int,
    temperature: float,
    generator: torch.Generator | None,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    policy.reset()
    obs, _ = env.reset(seed=seeds)
    instructions = list(env.instructions)
    living = torch.ones(len(seeds), dtype=torch.bool, device=device)
    success = torch.zeros_like(living)
    returns = torch.zeros(len(seeds), dtype=torch.float64, device=device)
    lengths = torch.zeros(len(seeds), dtype=torch.int64, device=device)
    for _ in range(horizon):
        chunk = policy.act(
            observation(obs, device), instructions, temperature=temperature, generator=generator
        )
        result = env.step_chunk(actions_for(env, obs, chunk.actions))
        alive = tensor(result.alive, device).bool() & living[:, None]
        ended = tensor(result.terminated, device).bool() | tensor(result.truncated, device).bool()
        success = last_success(success, alive, result.infos, device)
        returns += torch.where(alive, tensor(result.rewards, device).double(), 0.0).sum(1)
        lengths += alive.sum(1)
        living = living & ~(ended & alive).any(1)
        obs = result.obs
        if not living.any():
            break
    return success, returns, lengths
