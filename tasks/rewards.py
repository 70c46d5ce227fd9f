"""The one reward primitive: how far a quantity is from where it should be, as a value in [0, 1]."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError


def tolerance(
    x: ArrayLike,
    bounds: tuple[float, float] = (0.0, 0.0),
    margin: float = 0.0,
    value_at_margin: float = 0.1,
    shape: Literal["gaussian", "linear", "long_tail"] = "long_tail",
) -> NDArray[np.float64]:
    """1 within `bounds`, falling smoothly outside, as `dm_control.utils.rewards.tolerance`.

    Args:
        x: Quantity of any shape.
        bounds: Lower and upper end of the good range, in the units of x.
        margin: Distance outside the bounds at which the value is `value_at_margin`; 0 is a step.
        value_at_margin: In (0, 1); linear also allows 0.
        shape: gaussian exp(-(a d)^2), long_tail 1 / (1 + (a d)^2), linear 1 - a d.

    Raises:
        ConfigError: bounds in the wrong order, a negative margin, or an unknown shape.
    """
    low, high = bounds
    if low > high or margin < 0:
        raise ConfigError(f"tolerance: bounds {bounds} must be ordered and margin {margin} >= 0")
    x = np.asarray(x, np.float64)
    outside = np.maximum(np.maximum(low - x, x - high), 0.0)
    if margin == 0:
        return (outside == 0).astype(np.float64)
    distance = outside / margin
    match shape:
        case "gaussian":
            return np.exp(-((math.sqrt(-math.log(value_at_margin)) * distance) ** 2))
        case "long_tail":
            return 1 / (1 + (1 / value_at_margin - 1) * distance**2)
        case "linear":
            return (1 - (1 - value_at_margin) * distance).clip(min=0.0)
    raise ConfigError(f"tolerance: shape {shape!r} is not one of gaussian, linear, long_tail")
