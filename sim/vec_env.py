"""VecEnv: the one environment contract, of physics and of imagination alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.rng import derive_seed

from .arrays import as_numpy, map_arrays, merge_rows, present, stack_columns

Mask = NDArray[np.bool_]


@dataclass
class ChunkResult:
    """What K steps in a row gave N worlds (`VecEnv.step_chunk`)."""

    obs: Any
    """Observation after the last step, as `step` gives it."""
    observations: list[Any]
    """The observation after each of the K steps, or after the last alone; see `step_chunk`."""
    rewards: Any
    """(N, K) float32; 0 where not `alive`."""
    terminated: Any
    """(N, K) bool; a world that ended keeps its last value."""
    truncated: Any
    """(N, K) bool; likewise."""
    alive: Any
    """(N, K) bool: the world was still running when action k came."""
    infos: list[dict[str, Any]]
    """`infos` of each of the K steps."""


class VecEnv(VectorEnv):
    """N environments stepped together. Arrays have first axis N.

    - Observations: `state` mode one (N, D) float32 array; `vision` mode a flat dict with
      `observation.images.<camera>` (N, H, W, 3) uint8 and `observation.state` (N, P) float32.
    - `terminated` is success or failure as physics (or the reflector) judges; `truncated` is the
      clock, and false where `terminated`.
    - SAME_STEP (default): a world that ends is reset within `step`; the observation returned is
      the new episode's, `infos["final_obs"]` and `infos["final_info"]` hold the old one's in the
      rows of `infos["_final_obs"]`.
    - DISABLED: a world that ended stands still, keeps its last results and earns 0, until
      `reset(options={"reset_mask": mask})`.
    - Seeds: world i of `reset(seed=s)` starts from seed s + i; its later episodes from seeds
      derived from that one. A start state is a function of the world's seed alone.
    - `output="torch"` gives torch tensors that share memory with the numpy arrays.

    A subclass implements `_reset`, `_step`, `_observe` (and `_observe_rows`, `render_frames`);
    they return fresh arrays, numpy or torch.
    """

    is_physics: bool = True
    """False for imagination: its steps are not counted in `true_steps` and `true_episodes`."""

    render_mode = "rgb_array"
    num_envs: int
    obs_buf: Any
    """Last observation, as returned."""
    rew_buf: NDArray[np.float32]
    """(N,) last reward."""
    reset_buf: Mask
    """(N,) worlds whose episode ended at the last step."""
    timeout_buf: Mask
    """(N,) worlds that the clock ended at the last step."""
    progress_buf: NDArray[np.int64]
    """(N,) steps done in the running episode."""
    extras: dict[str, Any]
    """Last `infos`."""
    instructions: list[str]
    """(N,) what each world is asked to do."""
    episode_seeds: NDArray[np.int64]
    """(N,) seed of the running episode's start."""
    true_steps: int
    """Environment steps that physics has taken so far, all worlds together."""
    true_episodes: int
    """Episodes that physics has begun so far (counted at their first step)."""
    reset_options: Mapping[str, Any]
    """Options of the reset under way (`_reset` may read e.g. `start`); empty in automatic ones."""
    live: Mask
    """(N,) worlds that step; in DISABLED mode false from the end of an episode to its reset."""

    def __init__(
        self,
        *,
        num_envs: int,
        single_observation_space: gymnasium.Space,
        single_action_space: gymnasium.spaces.Box,
        max_episode_length: int,
        fps: float,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        output: Literal["numpy", "torch"] = "numpy",
        device: str = "cpu",
    ) -> None:
        """Set the contract's constants.

        Args:
            num_envs: N.
            single_observation_space: of one world.
            single_action_space: of one world; actions are clipped to it.
            max_episode_length: steps after which an episode is truncated.
            fps: control steps a second.
            autoreset_mode: SAME_STEP or DISABLED.
            output: what arrays `step` and `reset` return.
            device: where a torch-native subclass computes; outputs of "numpy" are on the CPU.

        Raises:
            ConfigError: a value is out of range.
        """
        if num_envs < 1 or max_episode_length < 1:
            raise ConfigError(
                f"num_envs {num_envs} and max_episode_length {max_episode_length} must be >= 1"
            )
        if autoreset_mode not in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
            raise ConfigError(f"autoreset_mode {autoreset_mode}: expected SAME_STEP or DISABLED")
        if output not in ("numpy", "torch"):
            raise ConfigError(f"output {output!r}: expected 'numpy' or 'torch'")
        self.num_envs = num_envs
        self.single_observation_space = single_observation_space
        self.single_action_space = single_action_space
        self.observation_space = batch_space(single_observation_space, num_envs)
        self.action_space = batch_space(single_action_space, num_envs)
        self.max_episode_length, self.fps = max_episode_length, fps
        self.autoreset_mode, self.device = autoreset_mode, device
        self.output: Literal["numpy", "torch"] = output
        self.metadata = {
            "autoreset_mode": autoreset_mode, "render_fps": fps, "render_modes": ["rgb_array"],
        }  # fmt: skip
        state_space = single_observation_space
        if isinstance(state_space, gymnasium.spaces.Dict):
            state_space = state_space["observation.state"]
        self.num_obs = int(np.prod(state_space.shape or (0,)))
        self._action_shape = single_action_space.shape
        self._action_bounds = (single_action_space.low, single_action_space.high)
        self.num_acts = int(np.prod(single_action_space.shape))
        self.obs_buf = None
        self.rew_buf = np.zeros(num_envs, np.float32)
        self.reset_buf = np.zeros(num_envs, bool)
        self.timeout_buf = np.zeros(num_envs, bool)
        self.progress_buf = np.zeros(num_envs, np.int64)
        self.extras = {}
        self.instructions = [""] * num_envs
        self.live = np.ones(num_envs, bool)
        self.true_steps = self.true_episodes = 0
        self.reset_options = {}
        self._blind = False
        self._terminated = np.zeros(num_envs, bool)
        self._seeds = np.zeros(num_envs, np.int64)
        self._episodes = np.full(num_envs, -1, np.int64)  # -1: the world was never seeded
        self.episode_seeds = np.zeros(num_envs, np.int64)
        self._all = np.ones(num_envs, bool)
        self._all.flags.writeable = False

    # -- what a subclass gives -------------------------------------------------------------------

    def _reset(self, mask: Mask, seeds: NDArray[np.int64]) -> None:
        """Start new episodes in the masked worlds; `seeds` (N,) is read where the mask is true."""
        raise NotImplementedError

    def _step(self, actions: NDArray[np.float32]) -> tuple[dict[str, Any], Any, Any]:
        """Apply clipped actions (N, A): named quantities (N,), rewards (N,), terminated (N,).

        Worlds outside `self.live` may be left alone; their rows are not used.
        """
        raise NotImplementedError

    def _observe(self) -> Any:
        """Observation of all worlds now, in fresh arrays."""
        raise NotImplementedError

    def _observe_rows(self, mask: Mask) -> Any:
        """Rows (n, ...) of `_observe()` for the masked worlds; override where drawing is dear."""
        return map_arrays(lambda x: x[mask], self._observe())

    def render_frames(
        self,
        camera: str | None = None,
        worlds: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """Images (n, H, W, 3) of the listed worlds for people to look at."""
        raise NotImplementedError(f"{type(self).__name__} draws no frames")

    # -- gymnasium -------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start new episodes: of all worlds, or of those in `options["reset_mask"]` (N,) bool.

        Raises:
            ConfigError: the mask or the seeds have the wrong length.
        """
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        mask = self._all if mask is None else self._check_mask(mask)
        self._seed(seed, mask)
        self.reset_options = options
        try:
            self._begin(mask)
        finally:
            self.reset_options = {}
        if self.obs_buf is None or mask.all():
            self.obs_buf = self._out(self._observe())
        else:
            self.obs_buf = self._merge(self.obs_buf, self._observe_rows(mask), mask)
        self.extras = {}
        return self.obs_buf, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Apply `actions` (N, A): observation, reward, terminated, truncated, infos.

        Raises:
            ActionError: wrong shape, or not finite (naming the first such world).
            ConfigError: `reset` was never called.
        """
        actions = self._check_actions(actions)
        if self.obs_buf is None:
            raise ConfigError("step before reset: call reset(seed=...) first")
        live = self.live
        everyone = bool(live.all())
        if not everyone and not live.any():
            return self._held()
        evaluation, rewards, terminated = self._step(actions)
        evaluation = {k: as_numpy(v) for k, v in evaluation.items()}
        if self.is_physics:
            self.true_steps += int(np.count_nonzero(live))
            self.true_episodes += int(np.count_nonzero(live & (self.progress_buf == 0)))
        self.progress_buf += live
        rewards = as_numpy(rewards).astype(np.float32)
        terminated = as_numpy(terminated).astype(bool)
        if not everyone:
            rewards = np.where(live, rewards, np.float32(0))
            terminated = np.where(live, terminated, self._terminated)
            evaluation = {
                k: np.where(live, v, self.extras[k]) if k in self.extras else v
                for k, v in evaluation.items()
            }
        truncated = (self.progress_buf >= self.max_episode_length) & ~terminated
        done = terminated | truncated
        obs = self.obs_buf if self._blind else self._seen(live, everyone)
        infos: dict[str, Any] = dict(evaluation)
        infos |= {f"_{k}": self._all for k in evaluation}
        self.rew_buf, self.reset_buf, self.timeout_buf = rewards, done, truncated
        self._terminated = terminated
        if done.any():
            if self.autoreset_mode == AutoresetMode.SAME_STEP:
                infos |= {
                    "final_obs": obs, "final_observation": obs, "_final_obs": done,
                    "final_info": dict(evaluation), "_final_info": done,
                }  # fmt: skip
                self._begin(done)
                obs = self._merge(obs, self._observe_rows(done), done)
            else:
                self.live = ~done
        self.obs_buf = obs
        self.extras = infos
        return (
            obs,
            self._out(rewards),
            self._out(terminated),
            self._out(truncated),
            (infos if self.output == "numpy" else map_arrays(self._out, infos)),
        )

    def step_chunk(self, actions: Any, every_observation: bool = False) -> ChunkResult:
        """Apply `actions` (N, K, A) one after the other, without resets in between.

        A world that ends in the chunk keeps its last result; `alive` masks what follows. Images
        are dear, so the worlds are observed after the last step alone unless every observation is
        asked for.

        Raises:
            ActionError: wrong shape, or not finite.
            ConfigError: the environment resets by itself.
        """
        if self.autoreset_mode != AutoresetMode.DISABLED:
            raise ConfigError("step_chunk needs autoreset_mode=AutoresetMode.DISABLED")
        actions = as_numpy(actions)
        expected = (self.num_envs, *self._action_shape)
        if (
            actions.ndim != len(expected) + 1
            or actions.shape[1] < 1
            or (actions.shape[:1] + actions.shape[2:] != expected)
        ):
            raise ActionError(
                f"chunk of shape {actions.shape}, expected (N, K, A) = "
                f"({self.num_envs}, K >= 1, {self.num_acts})"
            )
        steps, alive, num_steps = [], [], actions.shape[1]
        try:
            for k in range(num_steps):
                alive.append(self.live.copy())
                self._blind = not every_observation and k < num_steps - 1
                steps.append(self.step(actions[:, k]))
        finally:
            self._blind = False
        observations, rewards, terminated, truncated, infos = zip(*steps, strict=True)
        if not every_observation:
            # worlds that ended on the way stand still: what they see now is what they saw then
            unseen = alive[0] & ~alive[-1]
            if unseen.any():
                self.obs_buf = self._merge(self.obs_buf, self._observe_rows(unseen), unseen)
            observations = (self.obs_buf,)
        return ChunkResult(
            obs=observations[-1], observations=list(observations), rewards=stack_columns(rewards),
            terminated=stack_columns(terminated), truncated=stack_columns(truncated),
            alive=self._out(np.stack(alive, axis=1)), infos=list(infos),
        )  # fmt: skip

    def reset_idx(self, env_ids: ArrayLike) -> None:
        """Start new episodes in the listed worlds (Isaac Gym); `obs_buf` holds what they see."""
        mask = np.zeros(self.num_envs, bool)
        mask[as_numpy(env_ids)] = True
        self.reset(options={"reset_mask": mask})

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """One image a world."""
        return tuple(self.render_frames())

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Attribute `name`, or what it returns when called, as one value a world."""
        value: Any = getattr(self, name)
        value = value(*args, **kwargs) if callable(value) else value
        if isinstance(value, list | tuple) and len(value) == self.num_envs:
            return tuple(value)
        if getattr(value, "shape", ())[:1] == (self.num_envs,):
            return tuple(value)
        return (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Attribute `name`, one value a world."""
        return self.call(name)

    # -- inside ----------------------------------------------------------------------------------

    def _seen(self, live: Mask, everyone: bool) -> Any:
        """The observation now: new in the live worlds, as before in the others."""
        if everyone:
            return self._out(self._observe())
        return self._merge(self.obs_buf, self._observe_rows(live), live)

    def _begin(self, mask: Mask) -> None:
        """New episodes in the masked worlds, each from the next seed of its own stream."""
        for i in np.flatnonzero(mask):
            self._episodes[i] += 1
            count, seed = int(self._episodes[i]), int(self._seeds[i])
            self.episode_seeds[i] = seed if count == 0 else derive_seed(seed, count)
        self._reset(mask, self.episode_seeds)
        self.progress_buf[mask] = 0
        # new arrays: the old ones are in the caller's hands
        self._terminated = self._terminated & ~mask
        self.live = self.live | mask

    def _seed(self, seed: int | Sequence[int] | None, mask: Mask) -> None:
        if seed is None:
            fresh = mask & (self._episodes < 0)
            entropy = np.random.SeedSequence().generate_state(self.num_envs)
            self._seeds[fresh] = entropy[fresh]
            return
        seeds = np.asarray(seed)
        if seeds.ndim == 0:
            seeds = int(seeds) + np.arange(self.num_envs)
        if seeds.shape != (self.num_envs,) or (seeds[mask] < 0).any():
            raise ConfigError(
                f"seed {seed!r}: expected an int or {self.num_envs} ints, none negative"
            )
        self._seeds[mask] = seeds[mask]
        self._episodes[mask] = -1

    def _check_mask(self, mask: Any) -> Mask:
        mask = as_numpy(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise ConfigError(
                f"reset_mask of shape {mask.shape}, {mask.dtype}: expected ({self.num_envs},) "
                "bool with at least one True"
            )
        return mask

    def _check_actions(self, actions: Any) -> NDArray[np.float32]:
        actions = np.asarray(as_numpy(actions), np.float32)
        expected = (self.num_envs, *self._action_shape)
        if actions.shape != expected:
            raise ActionError(f"actions of shape {actions.shape}, expected {expected}")
        finite = np.isfinite(actions)
        if not finite.all():
            world = int(np.flatnonzero(~finite.reshape(self.num_envs, -1).all(axis=1))[0])
            raise ActionError(f"action of world {world} is not finite: {actions[world].tolist()}")
        low, high = self._action_bounds
        return np.minimum(np.maximum(actions, low), high)

    def _held(self) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.rew_buf = np.zeros(self.num_envs, np.float32)
        infos = self.extras if self.output == "numpy" else map_arrays(self._out, self.extras)
        return (
            self.obs_buf, self._out(self.rew_buf), self._out(self._terminated),
            self._out(self.timeout_buf), infos,
        )  # fmt: skip

    def _out(self, value: Any) -> Any:
        return present(value, self.output)

    def _merge(self, old: Any, rows: Any, mask: Mask) -> Any:
        return merge_rows(old, self._out(rows), mask)
