"""Randomisation of physics: named parameters drawn for each world from given ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.rng import WorldRng

from .world import Mask


@dataclass(frozen=True)
class Spread:
    """Where a parameter is drawn from: evenly between two bounds if nothing else is said."""

    low: float
    """Least value, in the parameter's unit."""
    high: float
    """Greatest value; the same as `low` fixes it."""
    log: bool = False
    """Even in the logarithm."""
    normal: bool = False
    """Normal, cut off at the bounds, which lie two standard deviations from the middle."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ConfigError(f"spread {self.low} .. {self.high}: expected finite, ordered bounds")
        if self.log and self.low <= 0:
            raise ConfigError(f"spread {self.low} .. {self.high}: a logarithm needs bounds above 0")
        if self.log and self.normal:
            raise ConfigError(f"spread {self.low} .. {self.high}: log or normal, not both")

    def at(self, unit: NDArray[np.float64], level: float = 1.0) -> NDArray[np.float64]:
        """Values for even draws `unit` in [0, 1), same shape.

        `level` in [0, 1] narrows the spread about its middle (of a log spread, in the logarithm).
        """
        if self.normal:
            # even draws between the shares of a normal distribution under -2 and +2 deviations
            share = ndtr(-2.0) + unit * (ndtr(2.0) - ndtr(-2.0))
            unit = 0.5 + ndtri(share) / 4
        if level != 1:
            unit = 0.5 + level * (unit - 0.5)
        if self.log:
            return self.low * (self.high / self.low) ** unit
        return self.low + unit * (self.high - self.low)


Given = Spread | float | Sequence[float] | Mapping[str, float]
"""A spread as written in a config: itself, one fixed value, [low, high], or its fields."""

SHARE = Spread(0.8, 1.2)
_SERVOS: dict[str, Given] = {
    "joints.damping": Spread(0.5, 2.0, log=True),
    "servos.gain": Spread(0.7, 1.3),
}
_LIGHT: dict[str, Given] = {
    "lights.brightness": Spread(0.6, 1.3),
    "lights.turn": Spread(-1.0, 1.0),
    "table.brightness": Spread(0.7, 1.3),
    "robot.brightness": Spread(0.8, 1.0),
}


def _camera(shift: float, turn: float, zoom: float) -> dict[str, Given]:
    """The front camera moved by up to `shift` [m], turned by `turn` [rad], its view by a share."""
    moved: dict[str, Given] = {f"front.{axis}": Spread(-shift, shift) for axis in "xyz"}
    turned: dict[str, Given] = {f"front.{axis}": Spread(-turn, turn) for axis in ("pitch", "yaw")}
    return moved | turned | {"front.fov": Spread(1 - zoom, 1 + zoom)}


PRESETS: dict[str, dict[str, Given]] = {
    "flight": {
        "mass_scale": SHARE,
        "inertia_scale": SHARE,
        "thrust_scale": SHARE,
        # identified on a Crazyflie by a pull request (#219) to gym-pybullet-drones
        "motor_time_constant": 0.072,
    },
    "arm": {
        "block.mass": Spread(0.5, 2.0, log=True),
        "block.friction": Spread(0.5, 2.0, log=True),
        "table.friction": Spread(0.5, 2.0, log=True),
        "drawer_slide.damping": Spread(0.5, 2.0, log=True),
        **_SERVOS,
    },
    "servos": _SERVOS,
    "looks": _LIGHT | _camera(0.02, 0.03, 0.05),
    "light": _LIGHT,
    "camera": _camera(0.06, 0.04, 0.1),
}
"""Randomisations by name, joined by "+". `flight`: what a drone's builder is unsure of, and slow
motors. `arm`: what is seldom measured in a lab: loads, friction, servos that have aged. `looks`:
light, surfaces, and a camera that somebody has bumped into; `light`: the former alone; `camera`:
one that was put up anew by hand."""


def spread(given: Given) -> Spread:
    """A Spread from how it was written; ConfigError when it is written wrong."""
    if isinstance(given, Spread):
        return given
    try:
        if isinstance(given, Mapping):
            return Spread(**given)  # type: ignore[arg-type]
        if isinstance(given, int | float):
            return Spread(float(given), float(given))
        low, high = given
        return Spread(float(low), float(high))
    except ConfigError:  # of Spread itself; it is a ValueError too
        raise
    except (TypeError, ValueError):
        raise ConfigError(
            f"spread {given!r}: expected a number, [low, high], or low, high and log"
        ) from None


def _preset(names: str) -> dict[str, Given]:
    ranges: dict[str, Given] = {}
    for name in names.split("+"):
        if name not in PRESETS:
            raise UnknownNameError("randomisation", name, PRESETS)
        ranges |= PRESETS[name]
    return ranges


class Randomizer:
    """Draws the parameters of M units (drones, joints, ...) in each of N worlds.

    A world's values are a function of its random stream alone. `values` lives in the memory of a
    task, so that it is saved and restored with the world.
    """

    def __init__(
        self,
        ranges: str | Mapping[str, Given],
        known: Sequence[str] | None,
        num_worlds: int,
        units: int,
        ramp: int = 0,
    ) -> None:
        """Nothing is drawn yet: all values are 0.

        Args:
            ranges: names of presets, or parameter -> spread.
            known: parameters that the worlds take; None leaves it to them to tell.
            num_worlds: N.
            units: M.
            ramp: episodes, of all worlds together, over which `level` grows from 0 to 1; 0 leaves
                it at 1. A start then is a function of the seed and of how many came before.

        Raises:
            UnknownNameError: no such preset or parameter.
            ConfigError: a spread is written wrong, or `ramp` is negative.
        """
        if ramp < 0:
            raise ConfigError(f"randomisation ramp {ramp}: expected 0 or more episodes")
        if isinstance(ranges, str):
            ranges = _preset(ranges)
        for name in ranges:
            if known is not None and name not in known:
                raise UnknownNameError("randomised parameter", name, known)
        self.spreads = {name: spread(given) for name, given in ranges.items()}
        self.values = np.zeros((num_worlds, len(self.spreads), units))
        """(N, P, M) what each world has, in the order of `spreads`."""
        self.ramp, self.episodes = ramp, 0
        self.level = 0.0 if ramp else 1.0
        """How wide the spreads are now, from their middles (0) to all (1); a curriculum sets it."""

    def draw(self, mask: Mask, rng: WorldRng) -> dict[str, NDArray[np.float64]]:
        """New values of the n masked worlds: parameter -> (n, M)."""
        unit = rng.uniform(mask, shape=self.values.shape[1:])
        if self.ramp:
            self.level = min(1.0, self.episodes / self.ramp)
            self.episodes += int(np.sum(mask))
        drawn = {
            name: s.at(unit[:, i], self.level) for i, (name, s) in enumerate(self.spreads.items())
        }
        self.values[mask] = np.stack(list(drawn.values()), axis=1) if drawn else unit
        return drawn

    def sampled(self) -> dict[str, NDArray[np.float64]]:
        """What every world has now: parameter -> (N, M)."""
        return {name: self.values[:, i] for i, name in enumerate(self.spreads)}
