"""Cast: who can act at the live page: a policy, the expert, chance, or the person."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import UnknownNameError
from octoworld.core.rng import derive_seed
from tasks.env import TaskEnv
from vla.policy import Policy

from ..actors import Actor, ExpertActor, PolicyActor
from .hands import Hand

YOU, EXPERT, POLICY, RANDOM = "you", "expert", "policy", "random"


class RandomActor:
    """Each number of each action uniform on [-1, 1]."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(derive_seed(seed, "live random"))

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, A)."""
        size = (env.num_envs, 1, env.drive.action_dim)
        return self._random.uniform(-1, 1, size).astype(np.float32)


class Cast:
    """All who can act in the one world of an env, and who acts now, an action at a time."""

    def __init__(
        self, env: TaskEnv, hand: Hand | None, policy: Policy | None, temperature: float = 0.0
    ) -> None:
        """The expert is among them where it speaks the env's control mode."""
        self._env, self.hand = env, hand
        makers: dict[str, Callable[[int], Actor]] = {}
        if hand is not None:
            makers[YOU] = lambda seed: hand
        if policy is not None:
            makers[POLICY] = lambda seed: PolicyActor(policy, temperature, seed)
        if env.drive.name == env.task.control_mode:
            makers[EXPERT] = lambda seed: ExpertActor(env)
        makers[RANDOM] = RandomActor
        self._makers = makers
        self.acts = next(name for name in (POLICY, EXPERT, YOU, RANDOM) if name in makers)
        """Who acts now."""
        self._actor: Actor | None = None
        self._chunk: list[NDArray[np.float32]] = []
        self._steps = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Who can."""
        return tuple(self._makers)

    def begin(self, seed: int, name: str | None = None) -> None:
        """An episode from `seed` begins, or another takes over; whoever acts remembers nothing.

        Raises:
            UnknownNameError: nobody is called so.
        """
        name = self.acts if name is None else name
        if name not in self._makers:
            raise UnknownNameError("driver", name, self._makers)
        self.acts, self._actor, self._chunk = name, self._makers[name](seed), []
        self._steps = 0
        if self.hand is not None:
            self.hand.begin(self._env)

    def act(self, obs: dict[str, NDArray]) -> NDArray[np.float32]:
        """The next action, (1, A)."""
        if not self._chunk:
            assert self._actor is not None  # `begin` comes first
            decided = self._actor.act(self._env, obs, self._steps)
            assert decided is not None  # only who records a person ends an episode so
            self._chunk = list(decided.swapaxes(0, 1))
        self._steps += 1
        return self._chunk.pop(0)
