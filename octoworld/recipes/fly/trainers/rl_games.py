"""rl_games' A2CAgent (its PPO), through our Isaac Gym face."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from typing import Any

import torch
from rl_games.torch_runner import Runner

from octoworld.rl.adapters.rl_games import register
from sim.isaacgym import IsaacGymEnv
from sim.vec_env import VecEnv
from vla.controller import Controller

from ..config import TrainConfig
from .base import StockTrainer, algorithm_options, as_controller, rollout_length

KNOWN = (
    "tau", "mini_epochs", "minibatch_size", "e_clip", "critic_coef", "entropy_coef", "grad_norm",
    "bounds_loss_coef", "kl_threshold", "lr_schedule", "normalize_value", "normalize_advantage",
    "clip_value", "truncate_grads", "value_bootstrap", "weight_decay",
)  # fmt: skip


class RlGamesTrainer(StockTrainer):
    """The settings are those of IsaacGymEnvs' tasks; `options` are keys of rl_games' config."""

    def __init__(self, config: TrainConfig, worlds: VecEnv, seed: int) -> None:
        super().__init__(config, worlds, seed)
        options = algorithm_options(config, KNOWN)
        self.face = IsaacGymEnv(worlds, seed=seed)
        steps = rollout_length(config)
        self.iteration_steps = steps * config.num_envs
        # its log and its own checkpoints; ours are `state` and `controller`
        self._folder = tempfile.TemporaryDirectory(prefix="rl_games-")
        initial = {"name": "const_initializer", "val": math.log(config.initial_scale)}
        network = {
            "name": "actor_critic", "separate": True,
            "space": {"continuous": {
                "mu_activation": "None", "sigma_activation": "None",
                "mu_init": {"name": "default"}, "sigma_init": initial, "fixed_sigma": True,
            }},
            "mlp": {
                "units": list(config.hidden),
                "activation": {"silu": "swish"}.get(config.activation, config.activation),
                "initializer": {"name": "default"}, "regularizer": {"name": "None"},
            },
        }  # fmt: skip
        settings = {
            "name": config.task, "full_experiment_name": config.task,
            "train_dir": self._folder.name, "env_name": register(self.face),
            "device": "cpu", "device_name": "cpu", "ppo": True, "multi_gpu": False,
            "mixed_precision": False, "normalize_input": config.normalize_obs,
            "normalize_value": True, "value_bootstrap": True, "num_actors": config.num_envs,
            "reward_shaper": {"scale_value": 1.0}, "normalize_advantage": True,
            "gamma": config.discount, "tau": 0.95, "learning_rate": config.learning_rate,
            "lr_schedule": "adaptive", "schedule_type": "standard", "kl_threshold": 0.008,
            "max_epochs": -1, "save_best_after": 10**9, "save_frequency": 0,
            "print_stats": False, "grad_norm": 1.0, "truncate_grads": True, "entropy_coef": 0.0,
            "e_clip": 0.2, "clip_value": True, "clip_actions": True, "horizon_length": steps,
            "minibatch_size": self.iteration_steps // 4, "mini_epochs": 5, "critic_coef": 2,
            "bounds_loss_coef": 0.0001, **options,
        }  # fmt: skip
        params = {
            "seed": seed % 2**31 or 1, "algo": {"name": "a2c_continuous"},
            "model": {"name": "continuous_a2c_logstd"}, "network": network, "config": settings,
        }  # fmt: skip
        runner = Runner()
        with contextlib.redirect_stdout(io.StringIO()):
            runner.load({"params": params})
            self.agent: Any = runner.algo_factory.create(
                runner.algo_name, base_name="run", params=runner.params
            )

    def learn(self, iterations: int, seed: int) -> dict[str, float]:
        """See StockTrainer."""
        torch.manual_seed(seed)
        self.face.restart(seed)
        self.agent.max_epochs = self.agent.epoch_num + iterations
        with contextlib.redirect_stdout(io.StringIO()):
            self.agent.train()
        return {"train/learning_rate": float(self.agent.last_lr)}

    def controller(self) -> Controller:
        """See StockTrainer."""
        model = self.agent.model
        network = model.a2c_network
        layers = torch.nn.ModuleList([network.actor_mlp, network.mu])
        mean = variance = None
        clip = 1e9
        if self.config.normalize_obs:
            normaliser = model.running_mean_std
            mean, clip = normaliser.running_mean, 5.0
            variance = normaliser.running_var + normaliser.epsilon
        return as_controller(
            self.config, self.worlds, layers, network.sigma.detach(), mean, variance, obs_clip=clip
        )

    def state(self) -> dict[str, Any]:
        """See StockTrainer."""
        return self.agent.get_full_state_weights()

    def restore(self, state: dict[str, Any]) -> None:
        """See StockTrainer."""
        self.agent.set_full_state_weights(state)
