"""Roll-outs in true physics, recorded as Episodes: by an expert or by a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.data.episode import Episode
from tasks.env import TaskEnv, task_env
from vla.policy import Policy

from .actors import VALUE, Actor, ExpertActor, NoisyExpert, Noting, PolicyActor
from .advantage import add_advantages
from .tape import Tape


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
    noise: float = 0.0
    """Standard deviation of the noise under which an expert acts, see `NoisyExpert`."""

    def __post_init__(self) -> None:
        if self.num_envs < 1 or self.hold_steps < 0 or self.temperature < 0 or self.noise < 0:
            raise ConfigError(
                f"num_envs {self.num_envs} must be at least 1, hold_steps {self.hold_steps}, "
                f"temperature {self.temperature} and noise {self.noise} at least 0"
            )


Look = Callable[[TaskEnv, int], None]
"""Looks on before each step: (env, number of the step); 0 starts new episodes."""


def roll_out(
    env: TaskEnv,
    actor: Actor,
    seeds: Sequence[int],
    hold_steps: int,
    look: Look | None = None,
    make_tape: Callable[[TaskEnv, Sequence[int]], Tape] = Tape,
) -> list[Episode]:
    """One episode a seed, all worlds of `env` at once; len(seeds) must equal env.num_envs.

    The env must not end episodes itself at success; every world is stepped until all have had
    `hold_steps` beyond their first success, the clock has run out or the actor has enough, and each
    episode is cut at its own end; tasks judged at the end run to the clock. There are none if the
    actor does nothing at all. `make_tape` makes what records them, one with a journal for instance.
    """
    obs, _ = env.reset(seed=list(seeds))
    tape = make_tape(env, seeds)
    horizon = env.max_episode_length
    if not env.task.ends_on_success:  # what was reached is to be kept: the rest is the task, too
        hold_steps = horizon
    chunk: NDArray[np.float32] = np.empty((env.num_envs, 0, 0), np.float32)
    used = 0
    lengths = np.full(env.num_envs, horizon)
    values: list[NDArray[np.float32]] = []
    ended: list[NDArray[np.bool_]] = []
    for step in range(horizon):
        if look is not None:
            look(env, step)
        if used == chunk.shape[1]:
            decided = actor.act(env, obs, step)
            if decided is None:
                break
            chunk, used = decided, 0
        action = chunk[:, used]
        used += 1
        notes = actor.notes() if isinstance(actor, Noting) else {}
        if VALUE in notes:
            values.append(notes[VALUE])
        tape.before(obs, action, notes)
        obs, reward, terminated, _, infos = env.step(action)
        tape.after(reward, infos["success"])
        won = np.asarray(infos["success"], bool) & env.task.ends_on_success
        ended.append(np.asarray(terminated, bool) | won)
        reached = tape.first_success >= 0
        lengths = np.where(reached, tape.first_success + hold_steps + 1, horizon)
        if (step + 1 >= lengths).all():
            break
    episodes = tape.episodes(np.minimum(lengths, len(tape)))
    if values and isinstance(actor, PolicyActor):
        last = actor.outlook(env, obs)
        assert last is not None  # it had a value before each step
        add_advantages(episodes, np.stack([*values, last]), np.stack(ended), *actor.horizon)
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


def recording_env(
    task: str,
    num_envs: int,
    config: RolloutConfig,
    *,
    policy: Policy | None = None,
    split: str = "",
    task_options: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> TaskEnv:
    """Worlds for `roll_out`; `options` of the environment go before what the policy asks for."""
    return task_env(
        task,
        num_envs=num_envs,
        **made_for(policy, split, task_options)
        | dict(options or {})
        | {
            "obs_mode": "vision",
            "cameras": config.cameras,
            "autoreset_mode": AutoresetMode.DISABLED,
            "terminate_on_success": False,
        },
    )


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
    options: Mapping[str, Any] | None = None,
) -> Iterator[Episode]:
    """Episodes of `task` from the given start seeds, by the expert (`policy=None`) or a policy.

    `make_actor` (worlds, the batch's first seed) gives another actor than these; `look` looks on;
    starts are drawn from `split`, see `tasks.splits`; `task_options` are further ones of the task;
    `options` of the environment, such as `backend`, go before what the policy asks for.

    Batches are of equal size whatever the number of seeds (the last one is filled up and cut), so
    an episode depends on its batch alone.
    """
    n = min(config.num_envs, len(seeds))
    env = recording_env(
        task, n, config, policy=policy, split=split, task_options=task_options, options=options
    )
    facts = origin(config, source, split, options)
    try:
        for start in range(0, len(seeds), n):
            batch = list(seeds[start : start + n])
            filled = batch + [batch[-1]] * (n - len(batch))
            actor: Actor
            if make_actor is not None:
                actor = make_actor(env, filled[0])
            elif policy is not None:
                actor = PolicyActor(policy, config.temperature, filled[0])
            elif config.noise:
                actor = NoisyExpert(env, filled, config.noise)
            else:
                actor = ExpertActor(env)
            for episode in roll_out(env, actor, filled, config.hold_steps, look)[: len(batch)]:
                episode.info |= facts
                yield episode
    finally:
        env.close()


def origin(
    config: RolloutConfig, source: str, split: str, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Facts of an episode that say how it came about: who acted, how, and where."""
    facts: dict[str, Any] = {"source": source, "temperature": config.temperature}
    named = {"noise": config.noise, "split": split, "backend": (options or {}).get("backend")}
    return facts | {name: value for name, value in named.items() if value}
