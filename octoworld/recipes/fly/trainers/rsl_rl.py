"""rsl_rl's OnPolicyRunner with PPO."""

from __future__ import annotations

import contextlib
import inspect
import io
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.runners import OnPolicyRunner

from octoworld.rl.adapters.rsl_rl import RslRlVecEnv
from sim.vec_env import VecEnv
from vla.controller import Controller

from ..config import TrainConfig
from .base import StockTrainer, algorithm_options, as_controller, rollout_length

OURS = (
    "self", "actor", "critic", "storage", "device", "learning_rate", "gamma", "multi_gpu_cfg",
)  # fmt: skip


class RslRlTrainer(StockTrainer):
    """Learning rate by KL divergence, as rsl_rl does; `options` are arguments of its PPO.

    Its bonus for entropy is 0 unless told otherwise, as the other libraries have it: with rsl_rl's
    own 0.01 the noise on four rotors stayed, and Hover at 79 %.
    """

    def __init__(self, config: TrainConfig, worlds: VecEnv, seed: int) -> None:
        super().__init__(config, worlds, seed)
        options = algorithm_options(config, set(inspect.signature(PPO).parameters) - set(OURS))
        torch.manual_seed(seed)
        self.env = RslRlVecEnv(worlds, seed=seed)
        network = {
            "class_name": "MLPModel", "hidden_dims": list(config.hidden),
            "activation": {"silu": "swish"}.get(config.activation, config.activation),
            "obs_normalization": config.normalize_obs,
        }  # fmt: skip
        noise = {"class_name": "GaussianDistribution", "init_std": config.initial_scale}
        settings = {
            "num_steps_per_env": rollout_length(config), "save_interval": 10**9,
            "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
            "actor": {**network, "distribution_cfg": noise}, "critic": dict(network),
            "algorithm": {
                "class_name": "PPO", "learning_rate": config.learning_rate,
                "gamma": config.discount, "entropy_coef": 0.0, **options,
            },
        }  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its networks
            self.runner = OnPolicyRunner(self.env, settings, log_dir=None)
        self.iteration_steps = rollout_length(config) * config.num_envs

    def learn(self, iterations: int, seed: int) -> dict[str, float]:
        """See StockTrainer."""
        torch.manual_seed(seed)
        self.env.reset(seed)
        with contextlib.redirect_stdout(io.StringIO()):
            self.runner.learn(iterations)
        return {"train/learning_rate": float(self.runner.alg.learning_rate)}

    def controller(self) -> Controller:
        """See StockTrainer."""
        actor: Any = self.runner.alg.actor
        mean = variance = None
        if self.config.normalize_obs:
            normaliser = actor.obs_normalizer
            mean, variance = normaliser.mean, (normaliser.std + normaliser.eps) ** 2
        scale = actor.distribution.std_param.detach().clamp(*actor.distribution.std_range)
        return as_controller(self.config, self.worlds, actor.mlp, scale.log(), mean, variance)

    def state(self) -> dict[str, Any]:
        """See StockTrainer."""
        return self.runner.alg.save()

    def restore(self, state: dict[str, Any]) -> None:
        """See StockTrainer."""
        self.runner.alg.load(state, None, True)
