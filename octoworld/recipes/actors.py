"""Actors: who decides in a roll-out: an expert, a noisy expert, a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.rng import hashed_normal, torch_generator
from tasks.env import TaskEnv
from tasks.manipulation.arm_task import ArmTask
from vla.policy import Policy

EXPERT_ACTION = "expert.action"
"""Column of what a noisy expert wanted to do."""
VALUE = "policy.value"
"""Column of what a policy's critic expected."""
_NOISE = 0x6E6F697365
"""Random stream of an expert's noise ("noise" in ASCII)."""


class Actor(Protocol):
    """Gives (N, K, A) actions for the worlds of an env."""

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32] | None:
        """The next K actions, (N, K, A); None ends the episodes here."""
        ...


@runtime_checkable
class Noting(Protocol):
    """An actor that has more to record than what was done."""

    def notes(self) -> dict[str, NDArray]:
        """Further columns (N, ...) of the step that was decided last."""
        ...


class ExpertActor:
    """The task's scripted teacher, one step at a time."""

    def __init__(self, env: TaskEnv) -> None:
        self._expert = env.task.expert()

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, A)."""
        return np.asarray(self._expert.act(env.world), np.float32)[:, None]


class NoisyExpert:
    """The teacher under noise: recordings show how it makes up for what went wrong.

    As in DART (Laskey et al. 2017, arXiv 1703.09327), Gaussian noise is added to what the teacher
    does, and it answers from where that leads. The column `action` is what was carried out, as
    everywhere, so that episodes replay and models of the world learn from what happened;
    `expert.action` is what the teacher wanted there, the label that DART imitates. (It is not
    called `action.expert`: LeRobot takes each column whose name begins with "action" for an output
    of the policy.) The gripper's command, a decision and no movement, stays the teacher's.
    """

    def __init__(self, env: TaskEnv, seeds: Sequence[int], scale: float) -> None:
        """Noise of standard deviation `scale`, a function of a world's seed and the step alone."""
        self._expert, self._seeds, self._scale = env.task.expert(), np.asarray(seeds), scale
        self._wanted: NDArray[np.float32]

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """One action, (N, 1, A)."""
        self._wanted = np.clip(self._expert.act(env.world), -1, 1).astype(np.float32)
        noise = hashed_normal(self._seeds, _NOISE, step, size=self._wanted.shape[1])
        if isinstance(env.task, ArmTask):
            noise[:, -1] = 0
        done = np.clip(self._wanted + self._scale * noise, -1, 1)
        return done.astype(np.float32)[:, None]

    def notes(self) -> dict[str, NDArray]:
        """What the teacher wanted, (N, A)."""
        return {EXPERT_ACTION: self._wanted}


class PolicyActor:
    """A policy, a chunk at a time, with a random stream per batch."""

    def __init__(self, policy: Policy, temperature: float, seed: int) -> None:
        self._policy, self._temperature, self._seed = policy, temperature, seed
        self._seen: dict[str, NDArray] = {}

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32]:
        """A chunk, (N, K, A)."""
        if step == 0:
            self._policy.reset()
        self._seen = self._seeing(env, obs)
        return decide(
            self._policy, self._seen, env.instructions, self._temperature, self._seed, step
        )

    def notes(self) -> dict[str, NDArray]:
        """What its critic expected when it decided last, (N,); nothing of a policy without one."""
        values = self._judge(self._seen)
        return {} if values is None else {VALUE: values}

    def outlook(self, env: TaskEnv, obs: dict[str, NDArray]) -> NDArray[np.float32] | None:
        """(N,) what its critic expects from here on; None of a policy without one."""
        return self._judge(self._seeing(env, obs))

    @property
    def horizon(self) -> tuple[float, float]:
        """Gamma and lambda that its critic learnt with; where nothing is known, 0.99 and 0.95."""
        config = getattr(self._policy, "config", None)
        return getattr(config, "discount", 0.99), getattr(config, "trace", 0.95)

    def _seeing(self, env: TaskEnv, obs: dict[str, NDArray]) -> dict[str, NDArray]:
        if not getattr(self._policy, "needs_privileged", False):
            return obs
        # a controller trained on states
        return obs | {"observation.environment_state": env.task.observe(env.world)["privileged"]}

    def _judge(self, seen: dict[str, NDArray]) -> NDArray[np.float32] | None:
        value = getattr(self._policy, "value", None)
        if value is None:
            return None
        with torch.inference_mode():
            values = value({k: torch.as_tensor(v) for k, v in seen.items()})
        return None if values is None else values.cpu().numpy()


def decide(
    policy: Policy,
    obs: Mapping[str, NDArray],
    instructions: Sequence[str],
    temperature: float,
    seed: int,
    step: int,
) -> NDArray[np.float32]:
    """A chunk (N, K, A), in physics or imagination; its noise is a function of seed and step."""
    tensors = {k: torch.as_tensor(v) for k, v in obs.items()}
    with torch.inference_mode():
        chunk = policy.act(
            tensors,
            instructions,
            temperature=temperature,
            generator=torch_generator(seed, "actions", step),
        )
    return chunk.actions.cpu().numpy()
