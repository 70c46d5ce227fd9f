"""JoinedEnv: worlds of several environments side by side, as one that trainers can step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError

from .arrays import as_numpy
from .vec_env import Mask, VecEnv


class JoinedEnv(VecEnv):
    """N_1 + N_2 + ... worlds, the first environment's first: tasks of one scene, for one policy.

    Seeds, clocks and counts are this one's own: the environments joined are only told what to do,
    and must not be stepped apart any more. A named quantity that one of them lacks is left out.
    """

    def __init__(self, parts: Sequence[VecEnv]) -> None:
        """Join environments that look and act alike.

        Raises:
            ConfigError: none is given, or they differ in what they see, do, or how long they last.
        """
        if not parts:
            raise ConfigError("no environments to join")
        first = parts[0]
        for number, part in enumerate(parts):
            for name in (
                "single_observation_space", "single_action_space", "max_episode_length", "fps",
                "autoreset_mode", "output", "is_physics",
            ):  # fmt: skip
                if getattr(part, name) != getattr(first, name):
                    raise ConfigError(
                        f"environment {number} has {name} {getattr(part, name)}, the first "
                        f"{getattr(first, name)}: they cannot be joined"
                    )
        self.parts = tuple(parts)
        self.is_physics = first.is_physics
        ends = np.cumsum([part.num_envs for part in parts])
        self._rows = [slice(e - p.num_envs, e) for e, p in zip(ends, parts, strict=True)]
        super().__init__(
            num_envs=int(ends[-1]),
            single_observation_space=first.single_observation_space,
            single_action_space=first.single_action_space,  # type: ignore[arg-type]
            max_episode_length=first.max_episode_length,
            fps=first.fps,
            autoreset_mode=first.autoreset_mode,
            output=first.output,
            device=first.device,
        )

    def _reset(self, mask: Mask, seeds: NDArray[np.int64]) -> None:
        if self.reset_options:
            raise ConfigError(
                f"joined environments take no reset options, got {', '.join(self.reset_options)}"
            )
        for part, rows in self._each():
            if mask[rows].any():
                part._reset(mask[rows], seeds[rows])
        self.instructions = [text for part in self.parts for text in part.instructions]

    def _step(self, actions: NDArray[np.float32]) -> tuple[dict[str, Any], Any, Any]:
        found = []
        for part, rows in self._each():
            part.live = self.live[rows]
            found.append(part._step(actions[rows]))
        told, rewards, terminated = zip(*found, strict=True)
        common = [name for name in told[0] if all(name in one for one in told)]
        joined = {name: np.concatenate([as_numpy(one[name]) for one in told]) for name in common}
        reward, ended = (np.concatenate([as_numpy(x) for x in c]) for c in (rewards, terminated))
        return joined, reward, ended

    def _observe(self) -> Any:
        return _stacked([part._observe() for part in self.parts])

    def _observe_rows(self, mask: Mask) -> Any:
        chosen = [(part, mask[rows]) for part, rows in self._each() if mask[rows].any()]
        return _stacked([part._observe_rows(rows) for part, rows in chosen])

    def render_frames(
        self,
        camera: str | None = None,
        worlds: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """Images (n, H, W, 3) of the listed worlds, in their order."""
        wanted = np.arange(self.num_envs) if worlds is None else np.asarray(worlds)
        images: dict[int, NDArray[np.uint8]] = {}
        for part, rows in self._each():
            mine = [int(w) for w in wanted if rows.start <= w < rows.stop]
            if mine:
                drawn = part.render_frames(camera, np.array(mine) - rows.start, size)
                images |= dict(zip(mine, drawn, strict=True))
        return np.stack([images[int(w)] for w in wanted])

    def close_extras(self, **kwargs: Any) -> None:
        """Close all of them."""
        for part in self.parts:
            part.close()

    def _each(self) -> Iterator[tuple[VecEnv, slice]]:
        return zip(self.parts, self._rows, strict=True)


def _stacked(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Mapping):
        return {name: _stacked([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate([as_numpy(part) for part in parts])
