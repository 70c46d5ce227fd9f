"""ControllerConfig: the sizes of a controller, and what it was trained for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from octoworld.core.errors import ConfigError

ACTIVATIONS = ("tanh", "relu", "elu", "silu")


@dataclass(frozen=True)
class ControllerConfig:
    """A controller without its weights."""

    obs_dim: int
    """D, length of the state observation; with several agents, of one agent's."""
    action_shape: tuple[int, ...]
    """Of one world's action, mostly (A,); with several agents, of one agent's."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Literal["tanh", "relu", "elu", "silu"] = "tanh"
    """Between the layers."""
    bounded_mean: bool = False
    """True: the noise lies around tanh of the output, not around the output."""
    squash: bool = False
    """True: the action is tanh of the output (SAC, TD3); False: the output itself (PPO, A2C)."""
    scale: Literal["shared", "by_state", "fixed"] = "shared"
    """Noise: one learnt scale for every state, a second head, or `fixed_scale`."""
    fixed_scale: float = 0.1
    """Standard deviation before squashing where `scale` is "fixed"."""
    obs_clip: float = 10.0
    """A normalised observation is cut here [standard deviations]; SB3 VecNormalize's default."""
    task: str = ""
    """Task that it was trained in."""
    robot: str | None = None
    """Robot that it drives; None for an environment without one."""
    control_mode: str | None = None
    """What the environment takes its actions for."""
    backend: str | None = None
    """Physics that it was trained in."""
    env: dict[str, Any] = field(default_factory=dict)
    """Further options of the environment that it was trained in."""
    cameras: tuple[str, ...] = ()
    """Cameras it looks through: none."""
    num_agents: int = 1
    """Agents in each world that it acts for, each from its own observation alone."""
    proprio_dim: int = 0
    """With several agents: how much of D an agent feels itself. A world's state is what all of them
    feel, then what is privileged about each."""
    critic: bool = False
    """Whether it carries the critic that it was trained beside: `Controller.value`."""
    discount: float = 0.99
    """gamma of that training, per step."""
    trace: float = 0.95
    """lambda of that training's GAE, per step."""

    def __post_init__(self) -> None:
        if self.obs_dim < 1 or not self.action_shape or min(self.action_shape) < 1:
            raise ConfigError(
                f"obs_dim {self.obs_dim} and action_shape {self.action_shape} must be 1 or more"
            )
        if self.num_agents < 1 or not 0 <= self.proprio_dim <= self.obs_dim:
            raise ConfigError(
                f"num_agents {self.num_agents} must be 1 or more, and proprio_dim "
                f"{self.proprio_dim} in 0 .. obs_dim {self.obs_dim}"
            )
        if self.critic and self.num_agents > 1:
            raise ConfigError("critic: several agents have a value each, not one a world")
        if not (0 < self.discount <= 1 and 0 <= self.trace <= 1):
            raise ConfigError(
                f"discount {self.discount} must be in (0, 1], trace {self.trace} in [0, 1]"
            )
        if any(width < 1 for width in self.hidden):
            raise ConfigError(f"hidden {self.hidden}: every width must be 1 or more")
        if self.activation not in ACTIVATIONS:
            raise ConfigError(
                f"activation {self.activation!r} is not one of {', '.join(ACTIVATIONS)}"
            )
