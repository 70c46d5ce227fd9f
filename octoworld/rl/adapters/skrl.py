"""skrl's environment wrapper (2.x, torch) over our VecEnv."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch
from gymnasium.vector import AutoresetMode
from skrl.envs.wrappers.torch import Wrapper

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv

from .tensors import to_tensor


class SkrlVecEnv(Wrapper):
    """Flat observations; skrl's trainers call `reset` again and again, which starts worlds once."""

    def __init__(self, env: VecEnv, *, seed: int = 0) -> None:
        """Wrap `env`.

        Args:
            env: resets by itself in the same step, observed in `state` mode.
            seed: world i starts from seed + i.

        Raises:
            ConfigError: `env` does not reset by itself, or has images.
        """
        if env.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ConfigError(
                f"SkrlVecEnv needs autoreset_mode SAME_STEP, got {env.autoreset_mode.name}"
            )
        if not isinstance(env.single_observation_space, gymnasium.spaces.Box):
            raise ConfigError("SkrlVecEnv takes flat observations: make the task in `state` mode")
        super().__init__(env)
        self._seed: int | None = seed
        self._last: torch.Tensor | None = None

    @property
    def num_envs(self) -> int:
        """N."""
        return self._env.num_envs

    @property
    def observation_space(self) -> gymnasium.Space:
        """Of one world."""
        return self._env.single_observation_space

    @property
    def action_space(self) -> gymnasium.Space:
        """Of one world."""
        return self._env.single_action_space

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start the worlds at the first call; later, what is seen now."""
        if self._last is None:
            self._last = to_tensor(self._env.reset(seed=self._seed)[0], str(self.device))
        return self._last, {}

    def restart(self, seed: int) -> None:
        """The next `reset` starts all worlds from `seed` on."""
        self._seed, self._last = seed, None

    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Apply actions (N, A): observations (N, D); reward, terminated, truncated (N, 1)."""
        device = str(self.device)
        obs, *results, infos = self._env.step(actions.detach().cpu().numpy())
        self._last = to_tensor(obs, device)
        reward, terminated, truncated = (to_tensor(x, device).view(-1, 1) for x in results)
        ended = infos.get("_final_info")
        told = {}
        if ended is not None and "success" in infos["final_info"]:
            success = to_tensor(infos["final_info"]["success"][ended], device).float().mean()
            told = {"episode": {"success": success}}
        return self._last, reward.float(), terminated, truncated, told

    def state(self) -> None:
        """There is no state beside the observation."""
        return

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """One image a world."""
        return self._env.render()

    def close(self) -> None:
        """Free the environment."""
        self._env.close()
