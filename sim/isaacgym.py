"""IsaacGymEnv: a VecEnv with the face of IsaacGymEnvs' `VecTask` (release 1.5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ActionError, ConfigError

from .arrays import as_numpy
from .isaacgym_config import IsaacSettings
from .vec_env import VecEnv


class IsaacGymEnv:
    """What trainers written for Isaac Gym call. Tensors live on `rl_device`; first axis N.

    - `step(actions) -> (obs_dict, rew, reset, extras)`: `reset` (N,) long is termination and
      timeout together, `extras["time_outs"]` (N,) long the timeouts. `obs_dict["obs"]` is the
      observation (in `vision` mode the proprioception; images stand beside it by column name).
    - `reset()` resets nothing, as in VecTask: it returns what is seen now.
    - Eager resets (default): a world that ends is reset within the step and `obs` is the new
      episode's; `extras["final_obs"]` holds the last one of the old. Lazy resets (VecTask's own
      way; an environment with autoreset DISABLED): `obs` is the last one of the episode, and the
      world starts anew at the beginning of the next step, under that step's action.
    - An episode has `max_episode_length` steps (VecTask's have one less).
    - Quaternions are xyzw here, and nowhere else in octoworld.
    """

    num_agents, num_states = 1, 0
    headless, viewer, graphics_device_id = True, None, -1

    def __init__(
        self,
        env: VecEnv,
        settings: IsaacSettings | None = None,
        *,
        rl_device: str = "cpu",
        seed: int | None = 0,
    ) -> None:
        """Wrap `env`; with lazy resets its worlds start in the first step.

        Args:
            env: the worlds; autoreset SAME_STEP is eager, DISABLED is lazy.
            settings: clipping, as read from a cfg.
            rl_device: where tensors are given and taken.
            seed: of the first episodes.
        """
        settings = settings or IsaacSettings()
        self.env, self.rl_device, self.cfg = env, rl_device, settings.cfg
        self.lazy = env.autoreset_mode == AutoresetMode.DISABLED
        self.clip_obs, self.clip_actions = settings.clip_observations, settings.clip_actions
        self.num_envs, self.max_episode_length = env.num_envs, env.max_episode_length
        self.num_obs = self.num_observations = env.num_obs
        self.num_acts = self.num_actions = env.num_acts
        self.observation_space = self.obs_space = env.single_observation_space
        self.action_space = self.act_space = env.single_action_space
        self.state_space = None
        self.device, self.device_id = env.device, _device_id(env.device)
        self.device_type = env.device.partition(":")[0]
        world = getattr(env, "world", None)
        self.sim = world
        self.dt = 1 / env.fps if world is None else world.scene.timestep
        self.control_freq_inv = round(1 / (env.fps * self.dt))
        self.render_fps = env.fps
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": env.fps}
        self.control_steps = self.total_train_env_frames = 0
        self.first_randomization, self.last_step = True, 0
        self.extras: dict[str, Any] = {}
        long = {"dtype": torch.long, "device": rl_device}
        self.obs_buf = torch.zeros((self.num_envs, self.num_obs), device=rl_device)
        self.states_buf = torch.zeros((self.num_envs, 0), device=rl_device)
        self.rew_buf = torch.zeros(self.num_envs, device=rl_device)
        self.reset_buf = torch.ones(self.num_envs, **long)
        self.timeout_buf = torch.zeros(self.num_envs, **long)
        self.randomize_buf = torch.zeros(self.num_envs, **long)
        self.obs_dict: dict[str, torch.Tensor] = {"obs": self.obs_buf}
        self._seed, self._begun = seed, False
        if not self.lazy:
            self._begin()

    @property
    def progress_buf(self) -> torch.Tensor:
        """(N,) steps done in the running episode."""
        return torch.from_numpy(self.env.progress_buf.copy()).to(self.rl_device)

    @property
    def unwrapped(self) -> IsaacGymEnv:
        """Itself."""
        return self

    # -- stepping --------------------------------------------------------------------------------

    def step(
        self, actions: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Apply `actions` (N, A): obs_dict, rewards (N,), resets (N,) long, extras.

        Raises:
            ActionError: wrong shape, or not finite.
        """
        if not isinstance(actions, torch.Tensor):
            raise ActionError(f"actions: expected a torch tensor, got {type(actions).__name__}")
        if self.lazy:
            self._start_flagged()
        actions = actions.clamp(-self.clip_actions, self.clip_actions)
        obs, reward, terminated, truncated, infos = self.env.step(as_numpy(actions))
        self.control_steps += 1
        self.rew_buf = self._tensor(reward)
        terminated, truncated = as_numpy(terminated), as_numpy(truncated)
        self.reset_buf = self._tensor(terminated | truncated).long()
        self.timeout_buf = self._tensor(truncated).long()
        self._see(obs)
        self.extras = {
            name: self._tensor(value)
            for name, value in infos.items()
            if name[0] != "_" and _is_tensor_like(value)
        }
        self.extras["time_outs"] = self.timeout_buf
        if "final_obs" in infos:
            self.extras["final_obs"] = self._seen(infos["final_obs"])
        return self.obs_dict, self.rew_buf, self.reset_buf, self.extras

    def reset(self) -> dict[str, torch.Tensor]:
        """What is seen now; nothing is reset (lazy: zeros before the first step)."""
        return self.obs_dict

    def restart(self, seed: int) -> None:
        """Start all worlds anew, from `seed` on."""
        self._seed = seed
        self._begin()

    def reset_idx(self, env_ids: ArrayLike | torch.Tensor) -> None:
        """Start new episodes in the listed worlds now."""
        ids = as_numpy(env_ids).astype(np.int64)
        if not self._begun:
            self._begin()
        self.env.reset_idx(ids)
        self.reset_buf[ids] = 0
        self.timeout_buf[ids] = 0
        self._see(self.env.obs_buf)

    def reset_done(self) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Start new episodes where the last ones ended: what is seen, and these worlds' ids."""
        done = self.reset_buf.nonzero(as_tuple=False).squeeze(-1)
        if self.lazy:
            self._start_flagged()
        return self.obs_dict, done

    def zero_actions(self) -> torch.Tensor:
        """(N, A) of zeros."""
        return torch.zeros((self.num_envs, self.num_actions), device=self.rl_device)

    def get_state(self) -> torch.Tensor:
        """(N, 0): there is no state beside the observation."""
        return self.states_buf

    # -- the simulator, in Isaac Gym's layout ----------------------------------------------------

    def root_state(self, body: str) -> torch.Tensor:
        """(N, 13): position [m], quaternion xyzw, linear and angular velocity, all in the world.

        Raises:
            ConfigError: the environment is imagined, it has no bodies.
        """
        world = self.root_world
        pose, velocity = as_numpy(world.pose(body)), as_numpy(world.velocity(body))
        return self._tensor(np.concatenate([pose[:, :3], xyzw(pose[:, 3:]), velocity], axis=1))

    def dof_state(self, *joints: str) -> torch.Tensor:
        """(N, J, 2): position and velocity of the joints [rad or m, and per second]."""
        world = self.root_world
        position, velocity = world.joint_position(*joints), world.joint_velocity(*joints)
        return self._tensor(np.stack([as_numpy(position), as_numpy(velocity)], axis=-1))

    # -- the rest of the contract ----------------------------------------------------------------

    def render(self, mode: str = "rgb_array") -> NDArray[np.uint8] | None:
        """The first world as an image (H, W, 3); None for mode "human", there is no window."""
        if mode not in ("rgb_array", "human"):
            raise ConfigError(f"render mode {mode!r}: expected 'rgb_array' or 'human'")
        return None if mode == "human" else self.env.render_frames(worlds=[0])[0]

    def set_train_info(self, env_frames: int, *_: Any, **__: Any) -> None:
        """The trainer's count of frames, for schedules."""
        self.total_train_env_frames = env_frames

    def get_env_state(self) -> None:
        """Nothing that a checkpoint must keep."""
        return

    def set_env_state(self, env_state: Any) -> None:
        """Nothing to set."""

    def get_number_of_agents(self) -> int:
        """Agents a world."""
        return self.num_agents

    def get_env_info(self) -> dict[str, Any]:
        """Spaces, as rl_games asks for them."""
        return {
            "observation_space": self.observation_space, "action_space": self.action_space,
            "agents": 1, "value_size": 1,
        }  # fmt: skip

    def close(self) -> None:
        """Free the environment."""
        self.env.close()

    # -- inside ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._begun = True
        obs, _ = self.env.reset(seed=self._seed)
        self.reset_buf.zero_()
        self._see(obs)

    def _start_flagged(self) -> None:
        if not self._begun:
            self._begin()
        elif bool(self.reset_buf.any()):
            self.reset_idx(self.reset_buf.nonzero(as_tuple=False).squeeze(-1))

    def _see(self, obs: Any) -> None:
        self.obs_dict = self._seen(obs)
        self.obs_buf = self.obs_dict["obs"]

    def _seen(self, obs: Any) -> dict[str, torch.Tensor]:
        if isinstance(obs, Mapping):
            named = {k: self._tensor(v) for k, v in obs.items()}
            state = named.pop("observation.state")
        else:
            named, state = {}, self._tensor(obs)
        return {"obs": state.clamp(-self.clip_obs, self.clip_obs), **named}

    def _tensor(self, value: Any) -> torch.Tensor:
        value = as_numpy(value)
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        # the environment may write into its arrays again
        return torch.tensor(value, device=self.rl_device)

    @property
    def root_world(self) -> Any:
        """The simulator; ConfigError in an imagined environment."""
        if self.sim is None:
            raise ConfigError(f"{type(self.env).__name__} has no simulator to read bodies from")
        return self.sim


def xyzw(quat_wxyz: NDArray) -> NDArray:
    """Quaternions (..., 4) in Isaac Gym's order."""
    return quat_wxyz[..., [1, 2, 3, 0]]


def _device_id(device: str) -> int:
    index = device.partition(":")[2]
    return int(index) if index else (-1 if device == "cpu" else 0)


def _is_tensor_like(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 0 and not np.asarray(value[:0]).dtype.hasobject
