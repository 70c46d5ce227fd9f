"""Learner: a Stable-Baselines3 algorithm on our worlds, and its actor as a Controller."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3 as sb3
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed
from octoworld.rl.adapters.sb3 import Sb3VecEnv
from octoworld.rl.adapters.sb3_shared import SharedPolicyVecEnv
from sim.vec_env import VecEnv
from vla.controller import Controller, ControllerConfig
from vla.controller.model import ACTIVATIONS

from .config import TrainConfig

MakeEnv = Callable[[int, AutoresetMode], VecEnv]
"""(num_envs, autoreset_mode) -> worlds, in `state` mode with numpy output."""
CLASSES: dict[str, Any] = {
    "ppo": sb3.PPO, "a2c": sb3.A2C, "sac": sb3.SAC, "td3": sb3.TD3
}  # fmt: skip
ON_POLICY = ("ppo", "a2c")


class BoundedMeanPolicy(ActorCriticPolicy):
    """Stable-Baselines3's actor and critic, with tanh over the actor's mean."""

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Sequential(self.action_net, nn.Tanh())


class Schedule:
    """A rate that falls linearly with the steps of the whole run, not of one call of `learn`."""

    def __init__(self, config: TrainConfig) -> None:
        self._config, self.done = config, 0

    def __call__(self, _progress: float) -> float:
        """The rate now; Stable-Baselines3's own progress is of one call of `learn`."""
        config = self._config
        share = min(1.0, self.done / config.total_steps)
        return config.learning_rate * (1 + (config.final_learning_rate - 1) * share)


class Learner:
    """The algorithm `model` on the worlds `env`, their normaliser, and the learning rate."""

    def __init__(self, config: TrainConfig, make_env: MakeEnv) -> None:
        """Build all from `config`; weights are a function of its seed.

        Raises:
            ConfigError: observations or actions are of another kind, or an option is unknown.
        """
        torch.set_num_threads(config.num_threads)
        self.config = config
        self.worlds = make_env(config.num_envs, AutoresetMode.SAME_STEP)
        check_spaces(self.worlds)
        self.face = (SharedPolicyVecEnv if config.shared_policy else Sb3VecEnv)(self.worlds)
        self.env = VecNormalize(
            self.face, norm_obs=config.normalize_obs, norm_reward=config.normalize_reward,
            gamma=config.discount,
        )  # fmt: skip
        self.schedule = Schedule(config)
        self.options = algorithm_options(config, self.face.num_envs)
        make = CLASSES[config.algo]
        bounded = config.bounded_mean and config.algo in ON_POLICY
        self.model: BaseAlgorithm = make(
            BoundedMeanPolicy if bounded else "MlpPolicy", self.env, learning_rate=self.schedule,
            gamma=config.discount, policy_kwargs=network(config),
            seed=derive_seed(config.seed, "weights") % 2**32,
            device="cpu", stats_window_size=max(100, 2 * self.face.num_envs), **self.options,
        )  # fmt: skip
        self.model.set_logger(Logger(None, []))

    @property
    def segment_steps(self) -> int:
        """Steps between two evaluations: whole roll-outs, two episodes of each world or more."""
        config, rows = self.config, self.face.num_envs
        unit = rows * (self.options["n_steps"] if config.algo in ON_POLICY else 1)
        least = 2 * self.worlds.max_episode_length * rows
        return -(-max(config.eval_every, least) // unit) * unit

    def begin_segment(self, index: int) -> None:
        """Start the worlds, the noise and the episode statistics of segment `index` anew."""
        seed = self.config.seed
        self.model.set_random_seed(derive_seed(seed, "noise", index) % 2**32)
        self.face.seed(derive_seed(seed, "worlds", index) % 2**62)
        # None: `learn` resets the environment and begins new statistics
        self.model._last_obs = None
        self.model.ep_info_buffer = self.model.ep_success_buffer = None

    def controller(self) -> Controller:
        """A copy of actor, normaliser and (PPO, A2C) critic, without Stable-Baselines3."""
        config, worlds = self.config, self.worlds
        task: Any = getattr(worlds, "task", None)
        drive: Any = getattr(worlds, "drive", getattr(worlds, "control", None))
        team = getattr(self.face, "team", None)
        shape, width = worlds.single_action_space.shape, worlds.num_obs
        if team is not None:
            shape, width = (team.action_dim,), team.obs_dim
        scale = {"sac": "by_state", "td3": "fixed"}.get(config.algo, "shared")
        # one value a world; those of SAC and TD3 are of state and action
        has_critic = config.algo in ON_POLICY and team is None
        model: Any = self.model
        copy = Controller(
            ControllerConfig(
                obs_dim=width, action_shape=tuple(int(n) for n in shape or ()),
                hidden=config.hidden, activation=config.activation,
                bounded_mean=config.bounded_mean and config.algo in ON_POLICY,
                squash=config.algo not in ON_POLICY, scale=scale,  # type: ignore[arg-type]
                obs_clip=self.env.clip_obs if config.normalize_obs else 1e9, task=config.task,
                robot=getattr(task, "robot", None),
                control_mode=config.control_mode or getattr(drive, "name", None),
                backend=config.backend, env=dict(config.env),
                num_agents=1 if team is None else team.num_agents,
                proprio_dim=0 if team is None else team.proprio_dim,
                critic=has_critic, discount=config.discount,
                trace=model.gae_lambda if has_critic else 0.95,
            )
        )  # fmt: skip
        policy: Any = self.model.policy
        noise: Any = None
        if config.algo in ON_POLICY:
            trunk, mean, noise = policy.mlp_extractor.policy_net, policy.action_net, policy.log_std
            mean = mean[0] if config.bounded_mean else mean
        elif config.algo == "sac":
            trunk, mean, noise = policy.actor.latent_pi, policy.actor.mu, policy.actor.log_std
        else:
            *trunk, mean, _ = policy.actor.mu  # the last one is tanh
        with torch.no_grad():
            for ours, theirs in zip(_linear(copy.trunk), _linear(trunk), strict=True):
                ours.load_state_dict(theirs.state_dict())
            copy.mean_head.load_state_dict(mean.state_dict())
            if copy.scale_head is not None:
                copy.scale_head.load_state_dict(noise.state_dict())
            elif noise is not None:
                copy.log_scale.copy_(noise)
            if has_critic:
                theirs = policy.mlp_extractor.value_net
                for ours, layer in zip(_linear(copy.value_trunk), _linear(theirs), strict=True):
                    ours.load_state_dict(layer.state_dict())
                copy.value_head.load_state_dict(policy.value_net.state_dict())
                if config.normalize_reward:
                    spread = np.sqrt(self.env.ret_rms.var + self.env.epsilon)
                    copy.value_scale.fill_(float(spread))
            if config.normalize_obs:
                statistics: Any = self.env.obs_rms
                copy.obs_mean.copy_(torch.as_tensor(statistics.mean).flatten())
                copy.obs_variance.copy_(torch.as_tensor(statistics.var).flatten())
        return copy.eval()


def algorithm_options(config: TrainConfig, num_rows: int) -> dict[str, Any]:
    """Arguments of the algorithm's class, ours for batches of rows under the config's own."""
    n = num_rows
    if config.algo == "ppo":
        # four minibatches and five epochs a roll-out, as rsl_rl does for batches of worlds; the
        # update takes 75-90 % of the time beside cheap physics, so epochs cost more than steps
        n_steps = int(config.options.get("n_steps", max(16, 4096 // n)))
        batch = max(64, n * n_steps // 4)
        ours: dict[str, Any] = {"n_steps": n_steps, "batch_size": batch, "n_epochs": 5}
    elif config.algo == "a2c":
        ours = {"n_steps": 8, "use_rms_prop": False}
    else:
        ours = {
            "buffer_size": min(300_000, max(config.total_steps, 1000)),
            "learning_starts": min(5000, config.total_steps // 10), "batch_size": 256,
            "train_freq": 1, "gradient_steps": max(1, n // 2),
        }  # fmt: skip
    known = inspect.signature(CLASSES[config.algo]).parameters
    # what the config says elsewhere, and what would undo how a run is kept
    fixed = {
        "policy", "env", "learning_rate", "gamma", "seed", "device", "policy_kwargs", "verbose",
        "tensorboard_log", "stats_window_size", "_init_setup_model", "optimize_memory_usage",
        "use_sde", "replay_buffer_class", "replay_buffer_kwargs", "rollout_buffer_class",
        "rollout_buffer_kwargs", "action_noise", "sde_sample_freq", "use_sde_at_warmup",
    }  # fmt: skip
    free = sorted(set(known) - fixed)
    for name in config.options:
        if name not in free:
            raise ConfigError(f"options.{name}: {config.algo} takes {', '.join(free)}")
    return ours | config.options


def network(config: TrainConfig) -> dict[str, Any]:
    """`policy_kwargs`: separate actor and critic of the same widths."""
    critic = "vf" if config.algo in ON_POLICY else "qf"
    values: dict[str, Any] = {
        "net_arch": {"pi": list(config.hidden), critic: list(config.hidden)},
        "activation_fn": ACTIVATIONS[config.activation],
    }
    if config.algo in ON_POLICY:
        values["log_std_init"] = float(np.log(config.initial_scale))
    return values


def check_spaces(worlds: VecEnv) -> None:
    """Raise ConfigError unless observations are one array and actions lie in [-1, 1]."""
    space, actions = worlds.single_observation_space, worlds.single_action_space
    if not isinstance(space, gymnasium.spaces.Box):
        raise ConfigError(f"training takes state observations (a Box), got {space}")
    if not (np.all(actions.low == -1) and np.all(actions.high == 1)):  # type: ignore[attr-defined]
        raise ConfigError(f"training takes actions in [-1, 1], got {actions}")


def _linear(layers: Any) -> list[nn.Linear]:
    return [layer for layer in layers if isinstance(layer, nn.Linear)]
