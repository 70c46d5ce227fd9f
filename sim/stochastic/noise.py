"""Noise and delay, the common randomisation of sensors and radios: `noise` and `late`.

Two parts as in most trainers: what is drawn anew at every step (`std`), and what an episode keeps
(`bias`, `gain`, the delay). Both are functions of the episode's seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import hashed_normal, hashed_uniform

from .effects import PROPRIOCEPTION, Effect, Mask, Moment


def _not_negative(effect: Any, *names: str) -> None:
    for name in names:
        if not getattr(effect, name) >= 0:
            raise ConfigError(
                f"stochastic {name}: expected at least 0, got {getattr(effect, name)}"
            )


@dataclass
class _Noise(Effect):
    """Deviation `std` a step, and `bias` an episode."""

    kind = "noise"
    std: float = 0.05
    bias: float = 0.0

    def __post_init__(self) -> None:
        _not_negative(self, "std", "bias")


@dataclass
class ActionNoise(_Noise):
    """Commands in [-1, 1] with noise: deviation `std` a step, and `bias` an episode."""

    def act(self, actions: NDArray[np.float32], moment: Moment) -> NDArray[np.float32]:
        """See Effect."""
        flat = actions.reshape(len(actions), -1)
        noise = self.std * moment.normal(flat.shape[1])
        noise += self.bias * hashed_normal(moment.seeds, moment.index, 8, size=flat.shape[1])
        noisy = np.clip(flat + noise, -1.0, 1.0).astype(np.float32)
        return noisy.reshape(actions.shape)


@dataclass
class ObservationNoise(_Noise):
    """Numbers of proprioception (of the whole state, in `state` mode) with noise, in their units.

    `share` in [0, 1] of a number's own size comes on top of `std`.
    """

    std: float = 0.01
    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _not_negative(self, "share")

    def observe(self, obs: Any, moment: Moment) -> Any:
        """See Effect."""
        if isinstance(obs, dict):
            return obs | {PROPRIOCEPTION: self._noisy(obs[PROPRIOCEPTION], moment)}
        return self._noisy(obs, moment)

    def _noisy(self, value: Any, moment: Moment) -> Any:
        size = int(value[0].size)
        white = moment.normal(size).reshape(value.shape)
        kept = hashed_normal(moment.seeds, moment.index, 8, size=size).reshape(value.shape)
        noise = (self.std + self.share * np.abs(value)) * white + self.bias * kept
        return (value + noise).astype(value.dtype)


@dataclass
class PixelNoise(Effect):
    """Images with noise: deviation `std` a pixel [of 255], a brightness within 1 +- `gain`."""

    kind = "noise"
    std: float = 5.0
    gain: float = 0.2

    def __post_init__(self) -> None:
        _not_negative(self, "std", "gain")

    def bind(self, env: Any) -> None:
        """See Effect."""
        if not hasattr(env.single_observation_space, "spaces"):
            raise ConfigError("stochastic noise:pixels: observe in `vision` mode, or add 3.1")

    def observe(self, obs: Any, moment: Moment) -> Any:
        """See Effect."""
        even = hashed_uniform(moment.seeds, moment.index, 9, size=1)[:, 0]
        gain = 1 + self.gain * (2 * even - 1)

        def noisy(image: NDArray, stream: int) -> NDArray:
            white = moment.normal(int(image[0].size), stream=stream).reshape(image.shape)
            bright = image * gain.reshape(-1, *[1] * (image.ndim - 1))
            return np.clip(np.rint(bright + self.std * white), 0, 255).astype(np.uint8)

        names = [k for k in obs if k != PROPRIOCEPTION]
        return obs | {k: noisy(obs[k], 1 + i) for i, k in enumerate(names)}


@dataclass
class Latency(Effect):
    """Commands arrive some control steps late; before the first arrives, nothing is commanded.

    How many is drawn for each episode, from `least` to `most`.
    """

    kind = "late"
    least: int = 0
    most: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or self.most < 1 or self.most != int(self.most):
            raise ConfigError(
                f"stochastic late: expected 0 <= least <= most, most >= 1, got {self.least} and "
                f"{self.most}"
            )

    def bind(self, env: Any) -> None:
        """See Effect."""
        self.memory = {
            "sent": np.zeros((env.num_envs, self.most, env.num_acts)),
            "steps": np.zeros(env.num_envs),
        }

    def reset(self, mask: Mask) -> None:
        """See Effect."""
        self.memory["sent"][mask] = 0.0

    def act(self, actions: NDArray[np.float32], moment: Moment) -> NDArray[np.float32]:
        """See Effect."""
        even = hashed_uniform(moment.seeds, moment.index, 10, size=1)[:, 0]
        late = self.least + np.floor(even * (self.most - self.least + 1)).astype(int)
        flat = actions.reshape(len(actions), -1)
        sent = np.concatenate([flat[:, None], self.memory["sent"]], axis=1)
        self.memory["sent"] = sent[:, :-1].astype(float)
        self.memory["steps"] = late.astype(float)
        arrived = sent[np.arange(len(flat)), late]
        return arrived.astype(np.float32).reshape(actions.shape)

    def facts(self) -> dict[str, NDArray]:
        """See Effect."""
        return {"stochastic/late": self.memory["steps"]}


NOISE: dict[str, dict[str, type[Effect]]] = {
    "noise": {"action": ActionNoise, "observation": ObservationNoise, "pixels": PixelNoise},
    "late": {"command": Latency},
}
"""Type -> name -> effect, as `EFFECTS`."""
