"""The racing quadcopter of gym-pybullet-drones."""

from . import spec as spec
