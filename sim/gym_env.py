"""SingleWorldEnv: one world of a VecEnv with gymnasium's single-environment face, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError

from .vec_env import VecEnv


class SingleWorldEnv(gymnasium.Env):
    """The only world of `vec_env`, without the first axis; it is never reset by itself."""

    def __init__(
        self, vec_env: VecEnv, render_mode: str | None = None, camera: str | None = None
    ) -> None:
        """Wrap a one-world VecEnv.

        Args:
            vec_env: with num_envs 1, autoreset DISABLED and numpy output.
            render_mode: "rgb_array" or None.
            camera: what `render` looks through; None is the environment's choice.

        Raises:
            ConfigError: `vec_env` is of another kind, or the render mode is unknown.
        """
        disabled = vec_env.autoreset_mode == AutoresetMode.DISABLED
        if vec_env.num_envs != 1 or not disabled or vec_env.output != "numpy":
            raise ConfigError(
                "SingleWorldEnv needs num_envs=1, autoreset_mode=DISABLED, output='numpy'; got "
                f"{vec_env.num_envs}, {vec_env.autoreset_mode}, {vec_env.output!r}"
            )
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode {render_mode!r}: expected None or 'rgb_array'")
        self.vec_env, self.render_mode, self.camera = vec_env, render_mode, camera
        self.observation_space = vec_env.single_observation_space
        self.action_space = vec_env.single_action_space
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": vec_env.fps}

    @property
    def instruction(self) -> str:
        """What the world is asked to do."""
        return self.vec_env.instructions[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; its start is a function of `seed` (default: the stream's next)."""
        super().reset(seed=seed)
        obs, infos = self.vec_env.reset(seed=seed, options=options)
        return _first(obs), _infos(infos) | {"instruction": self.instruction}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply one action (A,)."""
        action = np.asarray(action)[None]
        obs, reward, terminated, truncated, infos = self.vec_env.step(action)
        return (
            _first(obs), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _infos(infos),
        )  # fmt: skip

    def render(self) -> NDArray[np.uint8] | None:
        """An image (H, W, 3), or None without a render mode."""
        if self.render_mode is None:
            return None
        return self.vec_env.render_frames(self.camera)[0]

    def close(self) -> None:
        """Free renderers."""
        self.vec_env.close()


def _first(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _first(v) for k, v in value.items()}
    return value[0].copy()  # the caller may keep it beyond the next step


def _infos(infos: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v[0] for k, v in infos.items() if k[0] != "_"}
