"""rsl_rl's VecEnv (5.x) over ours."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from rsl_rl.env import VecEnv as RslRlBase
from tensordict import TensorDict

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv

from .tensors import named_tensors, to_tensor


class RslRlVecEnv(RslRlBase):
    """Observations are one group, "policy" (images stand beside it under their column names).

    rsl_rl never resets the environment: its worlds start in `__init__`. Its bootstrap at the clock
    takes the value of the last state it saw, not of the final one.
    """

    def __init__(
        self, env: VecEnv, *, device: str = "cpu", seed: int = 0, cfg: dict[str, Any] | None = None
    ) -> None:
        """Wrap `env` and start its worlds.

        Args:
            env: resets by itself in the same step.
            device: where tensors are given and taken.
            seed: world i starts from seed + i.
            cfg: kept for rsl_rl's log.

        Raises:
            ConfigError: `env` does not reset by itself.
        """
        if env.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ConfigError(
                f"RslRlVecEnv needs autoreset_mode SAME_STEP, got {env.autoreset_mode.name}"
            )
        self.env, self.device, self.cfg = env, device, cfg or {}
        self.num_envs, self.num_actions = env.num_envs, env.num_acts
        self.max_episode_length = env.max_episode_length
        self._obs = self._seen(env.reset(seed=seed)[0])

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """(N,) steps done in the running episode; writing it spreads the first timeouts."""
        return to_tensor(self.env.progress_buf, str(self.device))

    @episode_length_buf.setter
    def episode_length_buf(self, value: torch.Tensor) -> None:
        self.env.progress_buf[:] = value.cpu().numpy()

    def get_observations(self) -> TensorDict:
        """What is seen now."""
        return self._obs

    def step(
        self, actions: torch.Tensor
    ) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Apply actions (N, A): observations, rewards (N,), dones (N,), extras."""
        obs, rewards, terminated, truncated, infos = self.env.step(actions.detach().cpu())
        self._obs = self._seen(obs)
        truncated = to_tensor(truncated, str(self.device))
        dones = to_tensor(terminated, str(self.device)) | truncated
        extras: dict[str, Any] = {"time_outs": truncated}
        if bool(dones.any()) and "success" in infos.get("final_info", {}):
            success = to_tensor(infos["final_info"]["success"], str(self.device))
            extras["log"] = {"/success": success[dones].float().mean()}
        return self._obs, to_tensor(rewards, str(self.device)).float(), dones, extras

    def reset(self, seed: int | None = None) -> TensorDict:
        """Start new episodes in all worlds."""
        self._obs = self._seen(self.env.reset(seed=seed)[0])
        return self._obs

    def _seen(self, obs: Any) -> TensorDict:
        named = named_tensors(obs, str(self.device), state="policy")
        return TensorDict(named, batch_size=[self.num_envs])
