"""Rotorcraft physics as pure batched functions, with what a scene says about it (AeroConfig)."""

from .config import (
    COMPAT_GRAVITY,
    COMPAT_TIMESTEP,
    AeroConfig,
    BatteryConfig,
    ContactConfig,
    WindConfig,
    clean,
    compat,
)

__all__ = [
    "COMPAT_GRAVITY",
    "COMPAT_TIMESTEP",
    "AeroConfig",
    "BatteryConfig",
    "ContactConfig",
    "WindConfig",
    "clean",
    "compat",
]
