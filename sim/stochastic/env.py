"""StochasticEnv: effects over an environment, behind the same contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError

from ..vec_env import Mask, VecEnv
from .effects import Effect, Moment


class StochasticEnv(VecEnv):
    """`env` with effects laid over it in order. Commands pass the first effect first.

    What an effect did stands in `infos` under `stochastic/...`. Attributes that this class has not
    are those of `env`. An episode is a function of its seed and the actions; drift counts a world's
    steps over automatic resets and begins anew at `reset(seed=...)`.
    """

    def __init__(self, env: VecEnv, effects: Sequence[Effect]) -> None:
        """Wrap `env`, which this object owns from now on.

        Raises:
            ConfigError: an effect has no meaning in `env`.
        """
        self.inner, self.effects = env, list(effects)
        self._clock = np.zeros(env.num_envs)
        for effect in self.effects:
            effect.bind(env)
        super().__init__(
            num_envs=env.num_envs,
            single_observation_space=env.single_observation_space,
            single_action_space=env.single_action_space,  # type: ignore[arg-type]
            max_episode_length=env.max_episode_length,
            fps=env.fps,
            autoreset_mode=env.autoreset_mode,
            output=env.output,
            device=env.device,
        )
        self.is_physics = env.is_physics

    def __getattr__(self, name: str) -> Any:
        # only asked when the wrapper itself lacks the name
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """As `VecEnv.reset`; a seed also begins the drift anew."""
        if seed is not None:
            mask = (options or {}).get("reset_mask")
            self._clock[slice(None) if mask is None else np.asarray(mask, bool)] = 0.0
        return super().reset(seed=seed, options=options)

    def _reset(self, mask: Mask, seeds: NDArray[np.int64]) -> None:
        start = self.reset_options.get("start")
        self.inner.reset_options = dict(self.reset_options)
        if start is not None:
            rows = np.asarray(start, np.float64)
            kept, own = np.split(rows, [rows.shape[-1] - self._width()], axis=-1)
            self.inner.reset_options["start"] = kept
        try:
            self.inner._reset(mask, seeds)
        finally:
            self.inner.reset_options = {}
        for effect in self.effects:
            effect.reset(mask)
        if start is not None:
            self._write(own, mask)
        self.instructions = self.inner.instructions

    def _step(self, actions: NDArray[np.float32]) -> tuple[dict[str, Any], Any, Any]:
        self.inner.live = self.live
        kept = self._memory_rows() if not self.live.all() else None
        for index, effect in enumerate(self.effects):
            moment = self._moment(index)
            actions = effect.act(actions, moment)
            effect.disturb(moment)
        evaluation, reward, terminated = self.inner._step(actions)
        for effect in self.effects:
            evaluation = evaluation | effect.facts()
        self._clock += self.live
        if kept is not None:
            self._write(kept[~self.live], ~self.live)
        return evaluation, reward, terminated

    def _observe(self) -> Any:
        return self._altered(self.inner._observe(), self._all)

    def _observe_rows(self, mask: Mask) -> Any:
        if not any(type(e).observe is not Effect.observe for e in self.effects):
            return self.inner._observe_rows(mask)
        return self._altered(self.inner._observe_rows(mask), mask)

    def _altered(self, obs: Any, mask: Mask) -> Any:
        for index, effect in enumerate(self.effects):
            obs = effect.observe(obs, self._moment(index, mask))
        return obs

    def render_frames(
        self,
        camera: str | None = None,
        worlds: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """As the environment beneath: people see what is there."""
        return self.inner.render_frames(camera, worlds, size)

    # -- whole state -----------------------------------------------------------------------------

    def sim_state(self) -> NDArray[np.float64]:
        """(N, S): the state beneath, then what the effects remember."""
        beneath: Any = self.inner
        return np.concatenate([beneath.sim_state(), self._memory_rows()], axis=1)

    def restore_worlds(self, mask: Mask, sim_state: ArrayLike) -> Any:
        """Start new episodes of the masked worlds in recorded states (n, S): the observation."""
        return self.reset(options={"reset_mask": mask, "start": sim_state})[0]

    def close_extras(self, **kwargs: Any) -> None:
        """Free the environment beneath."""
        self.inner.close()

    # -- inside ----------------------------------------------------------------------------------

    def _moment(self, index: int, mask: Mask | None = None) -> Moment:
        rows = slice(None) if mask is None else mask
        return Moment(
            self.inner, self.episode_seeds[rows], self.progress_buf[rows], self._clock[rows],
            self.live[rows], index,
        )  # fmt: skip

    def _memories(self) -> list[NDArray[np.float64]]:
        return [self._clock, *(m for e in self.effects for m in e.memory.values())]

    def _width(self) -> int:
        return sum(int(np.prod(m.shape[1:])) for m in self._memories())

    def _memory_rows(self) -> NDArray[np.float64]:
        return np.concatenate([m.reshape(self.num_envs, -1) for m in self._memories()], axis=1)

    def _write(self, rows: NDArray[np.float64], mask: Mask) -> None:
        if rows.shape != (int(mask.sum()), self._width()):
            raise ConfigError(
                f"start states of shape {rows.shape}: expected {int(mask.sum())} rows of sim_state"
            )
        at = 0
        for memory in self._memories():
            width = int(np.prod(memory.shape[1:]))
            memory[mask] = rows[:, at : at + width].reshape(-1, *memory.shape[1:])
            at += width
