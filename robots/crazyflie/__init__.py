"""Crazyflie 2.x quadcopters: gym-pybullet-drones' two, and four identified sets."""

from . import spec as spec
