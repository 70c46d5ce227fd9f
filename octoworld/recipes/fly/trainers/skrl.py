"""skrl's PPO agent and sequential trainer."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.resources.preprocessors.torch import RunningStandardScaler
from skrl.resources.schedulers.torch import KLAdaptiveLR
from skrl.trainers.torch import SequentialTrainer
from torch import nn

from octoworld.rl.adapters.skrl import SkrlVecEnv
from sim.vec_env import VecEnv
from vla.controller import Controller
from vla.controller.model import ACTIVATIONS

from ..config import TrainConfig
from .base import StockTrainer, algorithm_options, as_controller, rollout_length

OURS = ("rollouts", "discount_factor", "learning_rate", "experiment")


def _layers(model: Model, config: TrainConfig, out: int) -> nn.Sequential:
    widths = [model.num_observations, *config.hidden]
    layers: list[nn.Module] = []
    for narrow, wide in itertools.pairwise(widths):
        layers += [nn.Linear(narrow, wide), ACTIVATIONS[config.activation]()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], out))


class Actor(GaussianMixin, Model):
    """Mean action by a perceptron, noise of one deviation an action."""

    def __init__(self, env: SkrlVecEnv, config: TrainConfig) -> None:
        Model.__init__(
            self, observation_space=env.observation_space, action_space=env.action_space,
            device=env.device,
        )  # fmt: skip
        GaussianMixin.__init__(self)
        self.net = _layers(self, config, self.num_actions)
        start = math.log(config.initial_scale)
        self.log_scale = nn.Parameter(torch.full((self.num_actions,), start))

    def compute(self, inputs: dict[str, Any], role: str = "") -> tuple[torch.Tensor, dict]:
        """Mean and log deviation."""
        return self.net(inputs["observations"]), {"log_std": self.log_scale}


class Critic(DeterministicMixin, Model):
    """Value by a perceptron."""

    def __init__(self, env: SkrlVecEnv, config: TrainConfig) -> None:
        Model.__init__(
            self, observation_space=env.observation_space, action_space=env.action_space,
            device=env.device,
        )  # fmt: skip
        DeterministicMixin.__init__(self)
        self.net = _layers(self, config, 1)

    def compute(self, inputs: dict[str, Any], role: str = "") -> tuple[torch.Tensor, dict]:
        """Value (N, 1)."""
        return self.net(inputs["observations"]), {}


class SkrlTrainer(StockTrainer):
    """Learning rate by KL divergence; `options` are fields of skrl's `PPO_CFG`."""

    def __init__(self, config: TrainConfig, worlds: VecEnv, seed: int) -> None:
        super().__init__(config, worlds, seed)
        known = {f.name for f in dataclasses.fields(PPO_CFG)} - set(OURS)
        options = {
            # of skrl's own examples for batches of worlds
            "learning_epochs": 5, "mini_batches": 4, "time_limit_bootstrap": True,
            "grad_norm_clip": 1.0, "value_loss_scale": 1.0,
            "learning_rate_scheduler": KLAdaptiveLR,
            "learning_rate_scheduler_kwargs": {"kl_threshold": 0.01},
        } | algorithm_options(config, known)  # fmt: skip
        torch.manual_seed(seed)
        self.env = SkrlVecEnv(worlds, seed=seed)
        steps, device = rollout_length(config), self.env.device
        if config.normalize_obs:
            options["observation_preprocessor"] = RunningStandardScaler
            options["observation_preprocessor_kwargs"] = {
                "size": self.env.observation_space, "device": device,
            }  # fmt: skip
        options["value_preprocessor"] = RunningStandardScaler
        options["value_preprocessor_kwargs"] = {"size": 1, "device": device}
        self.models = {"policy": Actor(self.env, config), "value": Critic(self.env, config)}
        settings = PPO_CFG(
            rollouts=steps, discount_factor=config.discount, learning_rate=config.learning_rate,
            **options,
        )  # fmt: skip
        settings.experiment.write_interval = settings.experiment.checkpoint_interval = 0
        self.agent = PPO(
            models=self.models,
            memory=RandomMemory(memory_size=steps, num_envs=config.num_envs, device=device),
            observation_space=self.env.observation_space, action_space=self.env.action_space,
            device=device, cfg=settings,
        )  # fmt: skip
        self.iteration_steps = steps * config.num_envs

    def learn(self, iterations: int, seed: int) -> dict[str, float]:
        """See StockTrainer."""
        torch.manual_seed(seed)
        self.env.restart(seed)
        steps = iterations * rollout_length(self.config)
        trainer = SequentialTrainer(
            env=self.env, agents=self.agent,
            cfg={
                "timesteps": steps, "headless": True, "disable_progressbar": True,
                "close_environment_at_exit": False,
            },
        )  # fmt: skip
        trainer.train()
        return {}

    def controller(self) -> Controller:
        """See StockTrainer."""
        actor: Any = self.models["policy"]
        mean = variance = None
        clip = 1e9
        if self.config.normalize_obs:
            scaler: Any = self.agent.checkpoint_modules["observation_preprocessor"]
            mean, clip = scaler.running_mean, scaler.clip_threshold
            variance = (scaler.running_variance.sqrt() + scaler.epsilon) ** 2
        scale = actor.log_scale.detach().clamp(-20, 2)
        return as_controller(
            self.config, self.worlds, actor.net, scale, mean, variance, obs_clip=clip
        )

    def state(self) -> dict[str, Any]:
        """See StockTrainer."""
        return {k: v.state_dict() for k, v in self.agent.checkpoint_modules.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """See StockTrainer."""
        for name, module in self.agent.checkpoint_modules.items():
            module.load_state_dict(state[name])
