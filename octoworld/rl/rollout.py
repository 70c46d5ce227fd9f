"""Grouped rollouts: G episodes from each start, one decision a chunk, masked after the stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from octoworld.core.errors import ConfigError


class Actor(Protocol):
    """What a rollout asks of a policy; `vla.policy.Policy` is one."""

    chunk_size: int

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the history of the masked worlds."""

    def act(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Any:
        """An object with `actions` (N, K, A), `raw_actions` (N, K, A) and `log_prob` (N,).

        A policy that writes tokens gives `log_prob` (N, L) and `chosen` (N, L), see `Rollouts`.
        """


@dataclass
class Rollouts:
    """D decisions of N = M * G episodes; the G members of a group lie side by side."""

    obs: dict[str, torch.Tensor]
    """What was seen at each decision, (D, N, ...) uint8 or float32, by column name."""
    raw_actions: torch.Tensor
    """(D, N, K, A) float32, before clipping to [-1, 1]."""
    log_prob: torch.Tensor
    """(D, N) float32, mean log-density per dimension under the policy that acted; (D, N, L) of
    tokens, see `chosen`."""
    rewards: torch.Tensor
    """(D, N, K) float32; 0 where the episode had ended."""
    alive: torch.Tensor
    """(D, N, K) bool: the episode had not ended before this step."""
    success: torch.Tensor
    """(N,) bool, judged after the last living step (not 'ever')."""
    starts: torch.Tensor
    """(N,) int64, seed of the world's start state; equal within a group."""
    group: torch.Tensor
    """(N,) int64, index of the group."""
    instructions: list[str]
    """What each of the N worlds was told to do."""
    temperature: float
    """Temperature that was sampled at."""
    chosen: torch.Tensor | None = None
    """(D, N, L) bool, of a policy whose decision is a row of L tokens: those that it drew, and not
    those after the end nor a beginning that it was given. `log_prob` is then (D, N, L). None: a
    decision has one density."""

    @property
    def mask(self) -> torch.Tensor:
        """(D, N) bool: decisions taken before the stop; only these may carry gradient."""
        return self.alive[:, :, 0]

    @property
    def lengths(self) -> torch.Tensor:
        """(N,) int64, steps until the stop."""
        return self.alive.sum((0, 2))

    @property
    def group_size(self) -> int:
        """G, episodes from one start."""
        return int((self.group == self.group[0]).sum())

    def grouped(self, values: torch.Tensor) -> torch.Tensor:
        """(N,) -> (M, G), one row a group."""
        return values.reshape(-1, self.group_size)


def collect(
    env: Any,
    policy: Actor,
    starts: Sequence[int],
    *,
    group_size: int,
    horizon: int,
    temperature: float,
    generator: torch.Generator,
    options: dict[str, Any] | None = None,
) -> Rollouts:
    """Roll `policy` out from each start `group_size` times, for at most `horizon` chunks.

    Args:
        env: a VecEnv with `num_envs == len(starts) * group_size`, physics or imagination.
        policy: samples at `temperature`; its raw actions and their log-densities are kept.
        starts: world seeds, one a group: a start state is a function of the seed alone.
        group_size: G, episodes from one start.
        horizon: most decisions (chunks) of an episode.
        temperature: > 0, since greedy groups have no variance to learn from.
        generator: all sampling noise comes from here; a CPU one gives every device the same draws.
        options: handed to `env.reset`.

    Raises:
        ConfigError: the sizes do not fit, or the policy is greedy.
    """
    if len(starts) * group_size != env.num_envs:
        raise ConfigError(
            f"{len(starts)} starts x group_size {group_size} = {len(starts) * group_size} episodes "
            f"do not fill the environment's {env.num_envs} worlds"
        )
    if temperature <= 0:
        raise ConfigError(f"temperature: expected > 0 for rollouts, got {temperature}")
    device = device_of(policy)
    seeds = np.repeat(np.asarray(starts, np.int64), group_size)
    policy.reset()
    obs, _ = env.reset(seed=[int(s) for s in seeds], options=options)
    instructions = list(env.instructions)
    living = torch.ones(env.num_envs, dtype=torch.bool, device=device)
    success = torch.zeros(env.num_envs, dtype=torch.bool, device=device)
    kept: list[dict[str, torch.Tensor]] = []
    rows: list[tuple[torch.Tensor, ...]] = []
    tokens: list[torch.Tensor] = []
    for _ in range(horizon):
        seen = observation(obs, device)
        with torch.no_grad():
            chunk = policy.act(seen, instructions, temperature=temperature, generator=generator)
        if chunk.log_prob is None or chunk.raw_actions is None:
            raise ConfigError(f"{type(policy).__name__}.act gave no log_prob or raw_actions")
        result = env.step_chunk(actions_for(env, obs, chunk.actions))
        alive = tensor(result.alive, device).bool() & living[:, None]
        ended = tensor(result.terminated, device).bool() | tensor(result.truncated, device).bool()
        success = last_success(success, alive, result.infos, device)
        rewards = torch.where(alive, tensor(result.rewards, device).float(), 0.0)
        kept.append(seen)
        rows.append((chunk.raw_actions.float(), chunk.log_prob.float(), rewards, alive))
        if getattr(chunk, "chosen", None) is not None:
            tokens.append(chunk.chosen)
        living = living & ~(ended & alive).any(1)
        obs = result.obs
        if not living.any():
            break
    raw_actions, log_prob, rewards, alive = (torch.stack(c) for c in zip(*rows, strict=True))
    return Rollouts(
        obs={k: torch.stack([o[k] for o in kept]) for k in kept[0]},
        raw_actions=raw_actions,
        log_prob=log_prob,
        rewards=rewards,
        alive=alive,
        success=success,
        starts=torch.as_tensor(seeds, device=device),
        group=torch.arange(len(starts), device=device).repeat_interleave(group_size),
        instructions=instructions,
        temperature=temperature,
        chosen=torch.stack(tokens) if tokens else None,
    )


def merge(parts: Sequence[Rollouts]) -> Rollouts:
    """Several waves as one; shorter ones are padded with dead decisions."""
    if len(parts) == 1:
        return parts[0]
    depth = max(len(p.log_prob) for p in parts)

    def join(values: Sequence[torch.Tensor]) -> torch.Tensor:
        padded = [torch.cat([v, v.new_zeros(depth - len(v), *v.shape[1:])]) for v in values]
        return torch.cat(padded, dim=1)

    joined: dict[str, Any] = {
        name: join([getattr(p, name) for p in parts])
        for name in ("raw_actions", "log_prob", "rewards", "alive")
    }
    offset, groups = 0, []
    for part in parts:
        groups.append(part.group + offset)
        offset = int(groups[-1][-1]) + 1
    return Rollouts(
        obs={k: join([p.obs[k] for p in parts]) for k in parts[0].obs},
        success=torch.cat([p.success for p in parts]),
        starts=torch.cat([p.starts for p in parts]),
        group=torch.cat(groups),
        instructions=[text for p in parts for text in p.instructions],
        temperature=parts[0].temperature,
        chosen=None if parts[0].chosen is None else join([p.chosen for p in parts]),  # type: ignore[misc]
        **joined,
    )


def device_of(policy: Any) -> torch.device:
    """Where the policy's weights are; the CPU for one that has none."""
    weights = policy.parameters() if isinstance(policy, torch.nn.Module) else iter(())
    first = next(weights, None)
    return torch.device("cpu") if first is None else first.device


def observation(obs: Any, device: torch.device) -> dict[str, torch.Tensor]:
    """A VecEnv's observation as tensors of their own memory; `state` mode becomes one column."""
    columns = obs if isinstance(obs, Mapping) else {"observation.state": obs}
    # the environment writes its next observation into the same buffers, so a copy is needed
    return {k: tensor(v, device).clone() for k, v in columns.items()}


def tensor(values: Any, device: torch.device) -> torch.Tensor:
    """Numpy or torch -> torch on `device`, sharing memory where it can."""
    return torch.as_tensor(values, device=device)


def actions_for(env: Any, obs: Any, actions: torch.Tensor) -> Any:
    """Actions in the kind of array that the environment speaks."""
    columns = obs if isinstance(obs, Mapping) else {"": obs}
    sample = next(iter(columns.values()))
    if isinstance(sample, torch.Tensor):
        return actions.float().to(sample.device)
    return actions.float().cpu().numpy()


def last_success(
    success: torch.Tensor, alive: torch.Tensor, infos: Sequence[Mapping], device: torch.device
) -> torch.Tensor:
    """(N,) success after the last living step; `infos` holds one mapping for each of K steps."""
    for k, info in enumerate(infos):
        if "success" not in info:
            raise ConfigError(
                f"step_chunk gave no 'success' in infos[{k}]; it has {', '.join(sorted(info))}"
            )
        success = torch.where(alive[:, k], tensor(info["success"], device).bool(), success)
    return success
