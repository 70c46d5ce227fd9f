"""Play: aimless handling of the things on the table, from which world models learn contact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from tasks.env import TaskEnv
from tasks.manipulation.carrying import HoldOverBinExpert, PlaceInBinExpert, PlaceOnZoneExpert
from tasks.manipulation.expert import OpenDrawerExpert, PickUpExpert, PushToZoneExpert
from tasks.manipulation.tabletop import TabletopTask

SKILLS = {
    PushToZoneExpert: 0.2, PickUpExpert: 0.15, PlaceInBinExpert: 0.15, OpenDrawerExpert: 0.25,
    PlaceOnZoneExpert: 0.15, HoldOverBinExpert: 0.1,
}  # fmt: skip
"""What it does, and how likely it takes it up: the drawer as often as if the block were one of four
things to handle."""


@dataclass(frozen=True)
class PlayConfig:
    """How aimless."""

    switch_rate: float = 0.04
    """Probability of taking up something else at a step."""
    drop_rate: float = 0.01
    """Probability at a step of opening the gripper for `drop_steps`, whatever it holds."""
    drop_steps: int = 4
    """[steps]."""
    noise: tuple[float, ...] = (0.0, 0.2, 0.4)
    """Scales of the wandering that is added to actions, one drawn for each episode [-]."""
    memory: tuple[float, ...] = (0.8, 0.97)
    """Correlations of the wandering from step to step, one drawn for each episode: it trembles, or
    it is off to one side for long, and misses."""


class PlayActor:
    """Grasping, pushing, placing and pulling in random order and with a trembling hand.

    It does not look at the instruction; half of the worlds begin with what theirs happens to ask,
    so that successes are among the episodes. No policy imitates it.
    """

    def __init__(self, env: TaskEnv, seed: int, config: PlayConfig | None = None) -> None:
        if not isinstance(env.task, TabletopTask) or env.drive.name != "ee_delta_pos":
            raise ConfigError(
                f"play handles the table-top by ee_delta_pos, not {env.task.name} by "
                f"{env.drive.name}"
            )
        self.config, self._random = config or PlayConfig(), np.random.default_rng(seed)
        self._experts = [kind(env.task) for kind in SKILLS]
        own = next(i for i, kind in enumerate(SKILLS) if type(env.task.expert()) is kind)
        count, random = env.num_envs, self._random
        self._skill = self._drawn(count)
        self._skill[random.random(count) < 0.5] = own
        self._scale = random.choice(self.config.noise, size=(count, 1))
        self._memory = random.choice(self.config.memory, size=(count, 1))
        self._wander = np.zeros((count, 3))
        self._dropping = np.zeros(count, int)

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, 4)."""
        config, random, count = self.config, self._random, env.num_envs
        switch = random.random(count) < config.switch_rate
        self._skill[switch] = self._drawn(int(switch.sum()))
        wishes = np.stack([expert.act(env.world) for expert in self._experts])
        action = wishes[self._skill, np.arange(count)]
        m = self._memory
        self._wander = m * self._wander + (1 - m * m) ** 0.5 * random.normal(size=(count, 3))
        action[:, :3] += self._scale * self._wander
        self._dropping[random.random(count) < config.drop_rate] = config.drop_steps
        action[self._dropping > 0, 3] = 1.0
        self._dropping = np.maximum(self._dropping - 1, 0)
        return np.clip(action, -1, 1).astype(np.float32)[:, None]

    def _drawn(self, count: int) -> NDArray[np.int64]:
        return self._random.choice(len(SKILLS), size=count, p=list(SKILLS.values()))
