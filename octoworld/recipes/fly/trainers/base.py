"""StockTrainer: what a library's PPO must offer, and its actor as a Controller of ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv
from vla.controller import Controller, ControllerConfig
from vla.controller.model import EPSILON

from ..config import TrainConfig


class StockTrainer(ABC):
    """PPO of another library, with its own defaults but for what TrainConfig says."""

    iteration_steps: int
    """Environment steps of one iteration, all worlds together."""

    def __init__(self, config: TrainConfig, worlds: VecEnv, seed: int) -> None:
        self.config, self.worlds = config, worlds

    @abstractmethod
    def learn(self, iterations: int, seed: int) -> dict[str, float]:
        """So many iterations from worlds started anew from `seed` on; what it tells of them."""

    @abstractmethod
    def controller(self) -> Controller:
        """A copy of the actor."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that `restore` needs."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""


def rollout_length(config: TrainConfig) -> int:
    """Steps of a world in one roll-out: about 4,096 of all together, 16 at least."""
    return int(config.options.get("rollout", max(16, 4096 // config.num_envs)))


def algorithm_options(config: TrainConfig, known: Iterable[str]) -> dict[str, Any]:
    """The config's `options` without `rollout`; ConfigError for one the algorithm has not."""
    given = {k: v for k, v in config.options.items() if k != "rollout"}
    names = sorted(set(known))
    for name in given:
        if name not in names:
            raise ConfigError(f"options.{name}: {config.trainer} takes rollout, {', '.join(names)}")
    return given


def as_controller(
    config: TrainConfig,
    worlds: VecEnv,
    layers: nn.Module,
    log_scale: torch.Tensor,
    mean: torch.Tensor | None = None,
    variance: torch.Tensor | None = None,
    obs_clip: float = 1e9,
) -> Controller:
    """Our Controller with the weights of an actor.

    Args:
        config: of the training.
        worlds: that it acts in.
        layers: of the actor; its linear layers in order, the last one gives the mean action.
        log_scale: (A,) log deviation of the noise.
        mean: (D,) taken from observations, if they are normalised.
        variance: (D,) by whose root they are divided.
        obs_clip: bound of a normalised observation.
    """
    task: Any = getattr(worlds, "task", None)
    drive: Any = getattr(worlds, "drive", None)
    shape = worlds.single_action_space.shape
    copy = Controller(
        ControllerConfig(
            obs_dim=worlds.num_obs, action_shape=tuple(int(n) for n in shape or ()),
            hidden=config.hidden, activation=config.activation, squash=False, scale="shared",
            obs_clip=obs_clip, task=config.task, robot=getattr(task, "robot", None),
            control_mode=config.control_mode or getattr(drive, "name", None),
            backend=config.backend, env=dict(config.env),
        )
    )  # fmt: skip
    linear = [layer for layer in layers.modules() if isinstance(layer, nn.Linear)]
    ours = [layer for layer in copy.trunk if isinstance(layer, nn.Linear)] + [copy.mean_head]
    with torch.no_grad():
        for mine, theirs in zip(ours, linear, strict=True):
            mine.load_state_dict(theirs.state_dict())
        copy.log_scale.copy_(log_scale.flatten())
        if mean is not None and variance is not None:
            copy.obs_mean.copy_(mean.flatten())
            copy.obs_variance.copy_(variance.flatten() - EPSILON)
    return copy.eval()
