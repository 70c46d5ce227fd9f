"""Numbers that the array functions and the compiled kernels share."""

import math

RPM_TO_RAD = 2 * math.pi / 60
"""[rad/s per rpm]."""
BULLET_DAMPING = 0.04
"""Linear and angular damping of a PyBullet body when nobody changes it [1/s] and [1/m], [1/rad]."""
REACH = 10.0
"""Horizontal distance beyond which a wake is not felt [m] (gym-pybullet-drones)."""
PROJECTIONS = 4
"""Rounds of alternating projections that find the nearest points of two shapes."""
RIM = 0.7071067811865476
"""Coordinate of the four points of contact on a disc, as a share of its radius."""
