"""Roll-outs in true physics, recorded as Episodes: by an expert or by a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from tasks.env import TaskEnv, task_env
from vla.policy import Policy

from .scene_rows import SceneRows


@dataclass(frozen=True)
class RolloutConfig:
    """How episodes are rolled out and recorded."""

    num_envs: int = 25
    """Worlds stepped together."""
    hold_steps: int = 4
    """Steps recorded after the first success, so that models see what comes after it."""
    temperature: float = 0.0
    """0: the policy's mean action; else the factor on its scale."""
    cameras: tuple[str, ...] = ("front",)
    """Cameras recorded."""

    def __post_init__(self) -> None:
        if self.num_envs < 1 or self.hold_steps < 0 or self.temperature < 0:
            raise ConfigError(
                f"num_envs {self.num_envs} must be at least 1, hold_steps {self.hold_steps} and "
                f"temperature {self.temperature} at least 0"
            )


class Actor(Protocol):
    """Gives (N, K, A) actions for the worlds of an env."""

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """The next K actions, (N, K, A)."""
        ...


class ExpertActor:
    """The task's scripted teacher, one step at a time."""

    def __init__(self, env: TaskEnv) -> None:
        self._expert = env.task.expert()

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, A)."""
        return np.asarray(self._expert.act(env.world), np.float32)[:, None]


class PolicyActor:
    """A policy, a chunk at a time, with a random stream per batch."""

    def __init__(self, policy: Policy, temperature: float, seed: int) -> None:
        self._policy, self._temperature, self._seed = policy, temperature, seed

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """A chunk, (N, K, A)."""
        if step == 0:
            self._policy.reset()
        tensors = {k: torch.as_tensor(v) for k, v in obs.items()}
        if getattr(self._policy, "needs_privileged", False):  # a controller trained on states
            hidden = env.task.observe(env.world)["privileged"]
            tensors["observation.environment_state"] = torch.as_tensor(hidden)
        with torch.inference_mode():
            chunk = self._policy.act(
                tensors,
                env.instructions,
                temperature=self._temperature,
                generator=torch_generator(self._seed, "actions", step),
            )
        return chunk.actions.cpu().numpy()


Look = Callable[[TaskEnv, int], None]
"""Looks on before each step: (env, number of the step); 0 starts new episodes."""


def roll_out(
    env: TaskEnv, actor: Actor, seeds: Sequence[int], hold_steps: int, look: Look | None = None
) -> list[Episode]:
    """One episode a seed, all worlds of `env` at once; len(seeds) must equal env.num_envs.

    The env must not end episodes itself at success; every world is stepped until all have had
    `hold_steps` beyond their first success or the clock has run out, and each episode is cut at its
    own end.
    """
    obs, _ = env.reset(seed=list(seeds))
    instructions = list(env.instructions)
    randomizer = getattr(env.task, "randomizer", None)
    physics = randomizer.sampled() if randomizer is not None else {}
    horizon = env.max_episode_length
    rows: list[dict[str, NDArray]] = []
    first_success = np.full(env.num_envs, horizon, int)
    chunk = np.empty((env.num_envs, 0, 0), np.float32)
    used = 0
    looks = SceneRows(env.world)
    for step in range(horizon):
        if look is not None:
            look(env, step)
        if used == chunk.shape[1]:
            chunk, used = actor.act(env, obs, step), 0
        action = chunk[:, used]
        used += 1
        row = dict(obs) | {"action": action}
        # apart, so that who knows the scene but no task (the viewer) can read the first;
        # joined, in this order, they are what `TaskEnv.restore_worlds` takes
        row |= {"sim_state": env.world.get_state(), "task_memory": env.memory_rows()}
        if looks.is_needed:
            row["scene_state"] = looks()
        row["observation.environment_state"] = env.task.observe(env.world)["privileged"]
        obs, reward, _, _, infos = env.step(action)
        row |= {"next.reward": reward.copy(), "next.success": np.asarray(infos["success"], bool)}
        rows.append({k: np.array(v) for k, v in row.items()})
        newly = row["next.success"] & (first_success == horizon)
        first_success[newly] = step
        if (step >= first_success + hold_steps).all():
            break
    lengths = np.minimum(first_success + hold_steps + 1, len(rows))
    stacked = {k: np.stack([r[k] for r in rows], axis=1) for k in rows[0]}
    episodes = []
    for world, length in enumerate(lengths):
        columns = {k: v[world, :length] for k, v in stacked.items()}
        columns["action"] = columns["action"].astype(np.float32)
        columns["next.reward"] = columns["next.reward"].astype(np.float32)
        columns["next.done"] = np.arange(length) == length - 1
        columns["observation.environment_state"] = columns["observation.environment_state"].astype(
            np.float32
        )
        info: dict[str, Any] = {
            "task": env.task.name,
            "robot": env.task.robot,
            "control_mode": env.drive.name,
            "seed": int(seeds[world]),
        }
        if physics:
            info["randomized"] = {k: v[world].tolist() for k, v in physics.items()}
        info["first_success"] = int(first_success[world]) if first_success[world] < horizon else -1
        episodes.append(Episode(columns, instructions[world], round(env.fps), info))
    return episodes


def made_for(
    policy: Policy | None, split: str = "", task_options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Options of the environment that the policy's config names: control mode, physics, others.

    Starts are drawn from `split`, see `tasks.splits`; `task_options` are further ones of the task,
    such as `robot`.
    """
    config: Any = getattr(policy, "config", None)
    named = {"control_mode": "control_mode", "backend": "backend"}
    options = {option: getattr(config, field, None) for option, field in named.items()}
    given = {k: v for k, v in options.items() if v is not None}
    options = dict(getattr(config, "env", {})) | given
    further = dict(task_options or {}) | ({"split": split} if split else {})
    if further:
        options["task_options"] = dict(options.get("task_options", {})) | further
    return options


def collect(
    task: str,
    seeds: Sequence[int],
    config: RolloutConfig,
    *,
    policy: Policy | None,
    source: str,
    make_actor: Callable[[TaskEnv, int], Actor] | None = None,
    look: Look | None = None,
    split: str = "",
    task_options: Mapping[str, Any] | None = None,
) -> Iterator[Episode]:
    """Episodes of `task` from the given start seeds, by the expert (`policy=None`) or a policy.

    `make_actor` (worlds, the batch's first seed) gives another actor than these; `look` looks on;
    starts are drawn from `split`, see `tasks.splits`; `task_options` are further ones of the task.

    Batches are of equal size whatever the number of seeds (the last one is filled up and cut), so
    an episode depends on its batch alone.
    """
    n = min(config.num_envs, len(seeds))
    env = task_env(
        task,
        num_envs=n,
        **made_for(policy, split, task_options)
        | {
            "obs_mode": "vision",
            "cameras": config.cameras,
            "autoreset_mode": AutoresetMode.DISABLED,
            "terminate_on_success": False,
        },
    )
    try:
        for start in range(0, len(seeds), n):
            batch = list(seeds[start : start + n])
            filled = batch + [batch[-1]] * (n - len(batch))
            actor: Actor
            if make_actor is not None:
                actor = make_actor(env, filled[0])
            elif policy is None:
                actor = ExpertActor(env)
            else:
                actor = PolicyActor(policy, config.temperature, filled[0])
            for episode in roll_out(env, actor, filled, config.hold_steps, look)[: len(batch)]:
                episode.info |= {"source": source, "temperature": config.temperature}
                if split:
                    episode.info["split"] = split
                yield episode
    finally:
        env.close()
