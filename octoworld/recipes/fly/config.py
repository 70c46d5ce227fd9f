"""TrainConfig: one training of a controller; its defaults by algorithm, then by task."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from octoworld.core.config import from_dict
from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import TASKS, TRAININGS

Algo = Literal["ppo", "a2c", "sac", "td3"]
ALGOS: tuple[str, ...] = ("ppo", "a2c", "sac", "td3")
Trainer = Literal["sb3", "skrl", "rsl_rl", "rl_games"]
TRAINERS: tuple[str, ...] = ("sb3", "skrl", "rsl_rl", "rl_games")
SB3_ONLY = (
    "final_learning_rate", "bounded_mean", "normalize_reward", "shared_policy", "log_every",
)  # fmt: skip
"""Fields that the other libraries have no place for: their schedules and networks are their own."""
SELECTION_SEED, TEST_SEED = 4_000_000, 5_000_000
"""First start seeds of the evaluations that choose the best checkpoint, and of the last test."""


@dataclass(frozen=True)
class TrainConfig:
    """What is trained, with what, for how long."""

    task: str
    """Registered task; observed in `state` mode."""
    algo: Algo = "ppo"
    """Algorithm of Stable-Baselines3; the other trainers have ppo."""
    trainer: Trainer = "sb3"
    """Library that trains: sb3 (Stable-Baselines3), skrl, rsl_rl or rl_games."""
    total_steps: int = 1_000_000
    """Environment steps, all worlds together."""
    time_budget: float | None = None
    """Seconds of training after which it stops; None has no limit."""
    target_success: float | None = None
    """Success rate of an evaluation at which training stops; None never stops it."""
    num_envs: int = 128
    """Worlds stepped together."""
    seed: int = 0
    """Root of every random stream."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of the actor and of the critic."""
    activation: Literal["tanh", "relu", "elu", "silu"] = "tanh"
    """Between the layers."""
    learning_rate: float = 3e-4
    """Rate of Adam at the start."""
    final_learning_rate: float = 1.0
    """Share of the rate left at the end, reached linearly."""
    discount: float = 0.99
    """Of a reward one step later."""
    initial_scale: float = 1.0
    """Standard deviation of the actions at the start (ppo, a2c)."""
    bounded_mean: bool = False
    """ppo, a2c: noise lies around tanh of the actor's output. Means far outside of [-1, 1] are cut,
    and neither learn nor explore any more; where actions saturate, this keeps them alive."""
    normalize_obs: bool = True
    """Observations to mean 0 and variance 1, by running statistics."""
    normalize_reward: bool = False
    """Rewards over the running standard deviation of the discounted return."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the algorithm's class, e.g. n_steps, batch_size, ent_coef."""
    eval_every: int = 50_000
    """Steps between evaluations and checkpoints, rounded up to whole roll-outs and to at least two
    episodes of every world: the worlds start anew after each, so that a resumed run repeats to the
    bit what an unbroken one does."""
    eval_episodes: int = 64
    """Held-out starts of an evaluation."""
    test_episodes: int = 200
    """Held-out starts of the last test, never used to choose; 0 leaves it out."""
    log_every: int = 0
    """Steps between metric rows; 0 is a three-hundredth of `total_steps`."""
    control_mode: str | None = None
    """Registered control mode; None is the task's own."""
    backend: str | None = None
    """Registered physics backend; None is the default of environments."""
    env: dict[str, Any] = field(default_factory=dict)
    """Further options of the environment."""
    shared_policy: bool = False
    """One policy for every agent of a team, each from its own observation and for its own reward;
    `total_steps` then counts steps of agents. False: one policy for the whole team."""
    num_threads: int = 1
    """Threads of torch: on two busy cores, PPO did 37,000 steps/s with one and 10,000 with two."""

    def __post_init__(self) -> None:
        if self.algo not in ALGOS:
            raise UnknownNameError("algorithm", self.algo, ALGOS)
        if self.trainer not in TRAINERS:
            raise UnknownNameError("trainer", self.trainer, TRAINERS)
        if self.trainer != "sb3":
            if self.algo != "ppo":
                raise ConfigError(f"trainer {self.trainer} has ppo, not {self.algo}")
            defaults = {f.name: f.default for f in fields(self)}
            for name in SB3_ONLY:
                if getattr(self, name) != defaults[name]:
                    raise ConfigError(f"{name}: trainer {self.trainer} has no such setting")
        for name in ("total_steps", "num_envs", "eval_every", "eval_episodes", "num_threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "initial_scale"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected above 0, got {getattr(self, name)}")
        if not 0 < self.discount <= 1:
            raise ConfigError(f"discount: expected in (0, 1], got {self.discount}")
        if self.time_budget is not None and not self.time_budget > 0:
            raise ConfigError(f"time_budget: expected above 0 s, got {self.time_budget}")
        if self.target_success is not None and not 0 < self.target_success <= 1:
            raise ConfigError(f"target_success: expected in (0, 1], got {self.target_success}")
        if min(self.test_episodes, self.log_every, self.seed) < 0:
            raise ConfigError(
                f"test_episodes {self.test_episodes}, log_every {self.log_every} and seed "
                f"{self.seed} must not be negative"
            )


OFF_POLICY: dict[str, Any] = {
    "num_envs": 16, "hidden": (256, 256), "activation": "relu", "total_steps": 300_000,
    "eval_every": 20_000,
}  # fmt: skip
BY_ALGO: dict[str, dict[str, Any]] = {
    "ppo": {"learning_rate": 1e-3},
    "a2c": {"learning_rate": 7e-4},
    "sac": OFF_POLICY,
    "td3": OFF_POLICY,
}


def default_config(task: str, algo: str = "ppo", **changes: Any) -> TrainConfig:
    """The config for `task`: defaults, the algorithm's, the task family's, then `changes`.

    A task family names what suits its task beside the task:
    `@register_training("Hover")` on a function (algo) -> {field of TrainConfig: value}.

    Raises:
        UnknownNameError: no such task or algorithm.
        ConfigError: a field is unknown or out of range.
    """
    TASKS.get(task)
    if algo not in ALGOS:
        raise UnknownNameError("algorithm", algo, ALGOS)
    ours = TRAININGS.get(task)(algo) if task in TRAININGS else {}
    trainer = changes.get("trainer") or "sb3"
    if trainer not in TRAINERS:
        raise UnknownNameError("trainer", trainer, TRAINERS)
    if trainer != "sb3":
        ours = {k: v for k, v in ours.items() if k not in (*SB3_ONLY, "options")}
    known = {f.name for f in fields(TrainConfig)}
    for name in (*ours, *changes):
        if name not in known:
            raise ConfigError(f"{name}: unknown field of TrainConfig; known: {', '.join(known)}")
    values = {**BY_ALGO[algo], **ours, **changes}
    for name in ("options", "env"):
        values[name] = {**ours.get(name, {}), **changes.get(name, {})}
    return from_dict(TrainConfig, {**values, "task": task, "algo": algo})
