"""Randomisation of physics: named parameters drawn for each world from given ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.rng import WorldRng

from .world import Mask


@dataclass(frozen=True)
class Spread:
    """Where a parameter is drawn from: evenly between two bounds, or evenly in its logarithm."""

    low: float
    """Least value, in the parameter's unit."""
    high: float
    """Greatest value; the same as `low` fixes it."""
    log: bool = False
    """Even in the logarithm."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ConfigError(f"spread {self.low} .. {self.high}: expected finite, ordered bounds")
        if self.log and self.low <= 0:
            raise ConfigError(f"spread {self.low} .. {self.high}: a logarithm needs bounds above 0")

    def at(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values for even draws `unit` in [0, 1), same shape."""
        if self.log:
            return self.low * (self.high / self.low) ** unit
        return self.low + unit * (self.high - self.low)


Given = Spread | float | Sequence[float] | Mapping[str, float]
"""A spread as written in a config: itself, one fixed value, [low, high], or its fields."""

SHARE = Spread(0.8, 1.2)
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
        "joints.damping": Spread(0.5, 2.0, log=True),
        "servos.gain": Spread(0.7, 1.3),
    },
}
"""Randomisations by name. `flight`: what a drone's builder is unsure of, and slow motors. `arm`:
what is seldom measured in a lab: loads, friction, servos that have aged."""


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
    ) -> None:
        """Nothing is drawn yet: all values are 0.

        Args:
            ranges: name of a preset, or parameter -> spread.
            known: parameters that the worlds take; None leaves it to them to tell.
            num_worlds: N.
            units: M.

        Raises:
            UnknownNameError: no such preset or parameter.
            ConfigError: a spread is written wrong.
        """
        if isinstance(ranges, str):
            if ranges not in PRESETS:
                raise UnknownNameError("randomisation", ranges, PRESETS)
            ranges = PRESETS[ranges]
        for name in ranges:
            if known is not None and name not in known:
                raise UnknownNameError("randomised parameter", name, known)
        self.spreads = {name: spread(given) for name, given in ranges.items()}
        self.values = np.zeros((num_worlds, len(self.spreads), units))
        """(N, P, M) what each world has, in the order of `spreads`."""

    def draw(self, mask: Mask, rng: WorldRng) -> dict[str, NDArray[np.float64]]:
        """New values of the n masked worlds: parameter -> (n, M)."""
        unit = rng.uniform(mask, shape=self.values.shape[1:])
        drawn = {name: s.at(unit[:, i]) for i, (name, s) in enumerate(self.spreads.items())}
        self.values[mask] = np.stack(list(drawn.values()), axis=1) if drawn else unit
        return drawn

    def sampled(self) -> dict[str, NDArray[np.float64]]:
        """What every world has now: parameter -> (N, M)."""
        return {name: self.values[:, i] for i, name in enumerate(self.spreads)}
