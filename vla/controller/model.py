"""Controller: a normaliser and a multilayer perceptron from a state to an action, as a Policy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from octoworld.core.errors import ActionError
from octoworld.core.registry import register_policy

from ..checkpoint import read_config, read_weights, write_config, write_weights
from ..policy import ActionChunk
from .config import ControllerConfig

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU
}  # fmt: skip
STATE, ENVIRONMENT_STATE = "observation.state", "observation.environment_state"
EPSILON = 1e-8
"""Added to the variance of observations; the value of Stable-Baselines3's VecNormalize."""


@register_policy("controller")
class Controller(nn.Module):
    """mean = MLP(clip((obs - m) / sqrt(v + eps))); Gaussian noise around it; then tanh or clip.

    It has no memory, and acts one step at a time. `raw_actions` are the Gaussian draw, before tanh
    (`squash`) or clipping; `log_prob` is the density of that draw.
    """

    obs_mean: torch.Tensor
    obs_variance: torch.Tensor
    value_scale: torch.Tensor
    chunk_size = 1
    needs_privileged = True
    """Roll-outs give it `observation.environment_state` beside `observation.state`."""

    def __init__(self, config: ControllerConfig) -> None:
        """Random weights from torch's global generator; observations are not yet normalised."""
        super().__init__()
        self.config = config
        num_actions = math.prod(config.action_shape)
        width = config.hidden[-1] if config.hidden else config.obs_dim
        self.trunk = _perceptron(config)
        self.mean_head = nn.Linear(width, num_actions)
        if config.scale == "by_state":
            self.scale_head: nn.Module | None = nn.Linear(width, num_actions)
        else:
            self.scale_head = None
            start = math.log(config.fixed_scale) if config.scale == "fixed" else 0.0
            self.log_scale = nn.Parameter(
                torch.full((num_actions,), start), requires_grad=config.scale == "shared"
            )
        self.register_buffer("obs_mean", torch.zeros(config.obs_dim))
        self.register_buffer("obs_variance", torch.ones(config.obs_dim))
        if config.critic:
            self.value_trunk, self.value_head = _perceptron(config), nn.Linear(width, 1)
            # rewards may have been divided by their spread in training
            self.register_buffer("value_scale", torch.ones(()))

    def forward(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., D) raw observations -> mean and log deviation before squashing, (..., A)."""
        hidden = self.trunk(self._normalised(obs))
        mean = self.mean_head(hidden)
        if self.config.bounded_mean:
            mean = torch.tanh(mean)
        if self.scale_head is None:
            return mean, self.log_scale.expand_as(mean)
        # the bounds of Haarnoja et al. 2018's code, which Stable-Baselines3 keeps
        return mean, self.scale_head(hidden).clamp(-20.0, 2.0)

    def value(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """(N,) discounted return still expected, in the task's rewards; None without a critic.

        Args:
            obs: as in `act`.
        """
        if not self.config.critic:
            return None
        hidden = self.value_trunk(self._normalised(self._state(obs)))
        return self.value_scale * self.value_head(hidden)[..., 0]

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing to forget."""

    def act(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str] = (),
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """One action, (N, 1, *action_shape) in [-1, 1]; of several agents, side by side.

        Args:
            obs: `observation.state` (N, D) as the `state` mode gives it; or (N, P) as `vision`
                mode gives it, with the rest in `observation.environment_state` (N, D - P).
            instructions: not used.
            temperature: 0 is the mean action; else the factor on the noise scale.
            generator: of the noise.

        Raises:
            ActionError: the observation is not of D numbers.
        """
        state = self._state(obs)
        mean, log_scale = (x.flatten(1) for x in self(state))
        if temperature == 0:
            return ActionChunk(self._shaped(self._bounded(mean)))
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        raw = mean + temperature * log_scale.exp() * noise
        log_prob = self._log_density(raw, mean, log_scale + math.log(temperature))
        return ActionChunk(self._shaped(self._bounded(raw)), log_prob, self._shaped(raw))

    def log_prob(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) mean log-density per dimension of `raw_actions` (N, 1, *action_shape)."""
        mean, log_scale = (x.flatten(1) for x in self(self._state(obs)))
        return self._log_density(raw_actions.flatten(1), mean, log_scale + math.log(temperature))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json` and `model.safetensors`."""
        write_weights(folder, self)
        write_config(folder, "controller", self.config)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Controller:
        """Read what `save_pretrained` wrote.

        Raises:
            CheckpointError: missing or damaged.
        """
        controller = cls(read_config(folder, "controller", ControllerConfig))
        read_weights(folder, controller)
        return controller.eval()

    def _normalised(self, obs: torch.Tensor) -> torch.Tensor:
        scaled = (obs - self.obs_mean) / torch.sqrt(self.obs_variance + EPSILON)
        return scaled.clamp(-self.config.obs_clip, self.config.obs_clip)

    def _state(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        state = obs[STATE].flatten(1)
        agents = self.config.num_agents
        needed = agents * self.config.obs_dim
        if state.shape[1] != needed and ENVIRONMENT_STATE in obs:
            state = torch.cat([state, obs[ENVIRONMENT_STATE].flatten(1)], dim=1)
        if state.shape[1] != needed:
            raise ActionError(
                f"controller of {self.config.task or 'a task'} needs {needed} numbers "
                f"of state, got {state.shape[1]}: is this another task or control mode?"
            )
        if agents > 1:
            felt, goal = state.tensor_split([agents * self.config.proprio_dim], dim=1)
            parts = [x.reshape(len(state), agents, -1) for x in (felt, goal)]
            state = torch.cat(parts, dim=2)
        return state.to(self.obs_mean.dtype)

    def _bounded(self, raw: torch.Tensor) -> torch.Tensor:
        return torch.tanh(raw) if self.config.squash else raw.clamp(-1.0, 1.0)

    def _shaped(self, flat: torch.Tensor) -> torch.Tensor:
        if self.config.num_agents > 1:
            return flat[:, None]
        return flat.reshape(len(flat), 1, *self.config.action_shape)

    @staticmethod
    def _log_density(
        raw: torch.Tensor, mean: torch.Tensor, log_scale: torch.Tensor
    ) -> torch.Tensor:
        """Of the Gaussian: -z^2 / 2 - log s - log(2 pi) / 2, mean over the dimensions."""
        z = (raw - mean) * torch.exp(-log_scale)
        return (-0.5 * z.square() - log_scale - 0.5 * math.log(2 * math.pi)).mean(-1)


def _perceptron(config: ControllerConfig) -> nn.Sequential:
    """The hidden layers."""
    layers: list[nn.Module] = []
    width = config.obs_dim
    for hidden in config.hidden:
        layers += [nn.Linear(width, hidden), ACTIVATIONS[config.activation]()]
        width = hidden
    return nn.Sequential(*layers)
