"""Drone tasks: one to many multicopters, in every backend that flies them."""

from . import (
    downwash_crossing,
    flock,
    fly_through_gate,
    formation,
    gate_race,
    hover,
    land,
    language,
    leader_follower,
    meet_up,
    multi_hover,
    obstacle_field,
    takeoff,
    track,
    track_velocity,
    waypoints,
)

__all__ = [
    "downwash_crossing",
    "flock",
    "fly_through_gate",
    "formation",
    "gate_race",
    "hover",
    "land",
    "language",
    "leader_follower",
    "meet_up",
    "multi_hover",
    "obstacle_field",
    "takeoff",
    "track",
    "track_velocity",
    "waypoints",
]
