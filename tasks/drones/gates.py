"""Gates to fly through: their bodies, and when a drone has passed one.

Sizes of lsy_drone_racing's gates: 0.72 m outside, opening 0.4 m (utiasDSL/lsy_drone_racing).
A gate's frame: x points the way it is to be flown, z up, the origin in the opening's middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.rotations import matrix_from_quat
from robots.spec import BodySpec, GeomSpec, Vec3

OPENING, OUTER = 0.2, 0.36
"""Half edges of the opening and of the frame [m]."""
THICK = 0.01
"""Half of a frame's depth [m]."""
STAND, STAND_HEIGHT = 0.05, 1.0
"""Half the width of the post that a gate stands on, and its length; what is too long for the
gate's height is in the ground [m]."""
WOOD = (0.70, 0.58, 0.45, 1.0)


def gate(
    name: str, position: Vec3 = (0.0, 0.0, 1.0), rgb: Vec3 = (0.95, 0.45, 0.1), stands: bool = False
) -> BodySpec:
    """A square frame of four bars whose pose is set per world, on a post if it `stands`."""
    half = (OUTER - OPENING) / 2
    middle = OPENING + half
    rgba = (*rgb, 1.0)
    below = (0.0, 0.0, -OUTER - STAND_HEIGHT / 2)
    post = GeomSpec(f"{name}_post", "box", (STAND, STAND, STAND_HEIGHT / 2), below, rgba=WOOD)
    return BodySpec(
        name,
        position=position,
        movable_base=True,
        geoms=(
            GeomSpec(f"{name}_top", "box", (THICK, OUTER, half), (0, 0, middle), rgba=rgba),
            GeomSpec(f"{name}_bottom", "box", (THICK, OUTER, half), (0, 0, -middle), rgba=rgba),
            GeomSpec(f"{name}_left", "box", (THICK, half, OPENING), (0, middle, 0), rgba=rgba),
            GeomSpec(f"{name}_right", "box", (THICK, half, OPENING), (0, -middle, 0), rgba=rgba),
            *((post,) if stands else ()),
        ),
    )


def geoms_of(name: str) -> tuple[str, ...]:
    """Names of the bars of a gate."""
    return tuple(f"{name}_{side}" for side in ("top", "bottom", "left", "right"))


def in_gate(points: NDArray, poses: NDArray) -> NDArray:
    """Points (..., 3) [m] in the frames of gates with poses (..., 7), quat_wxyz."""
    turn = matrix_from_quat(poses[..., 3:])
    return np.einsum("...ji,...j->...i", turn, points - poses[..., :3])


def from_gate(points: NDArray, poses: NDArray) -> NDArray:
    """Points (..., 3) of gates' frames in the world [m]."""
    turn = matrix_from_quat(poses[..., 3:])
    return np.einsum("...ij,...j->...i", turn, points) + poses[..., :3]


def passes(before: NDArray, after: NDArray) -> NDArray[np.bool_]:
    """Whether the way between two points of a gate's frame (..., 3) goes forward through it.

    It crosses the plane x = 0 from behind, and does so inside the opening.
    """
    start, end = before[..., 0], after[..., 0]
    crosses = (start < 0) & (end >= 0)
    share = np.where(crosses, start / np.where(crosses, start - end, 1.0), 0.0)
    at = before[..., 1:] + share[..., None] * (after[..., 1:] - before[..., 1:])
    return crosses & (np.abs(at) < OPENING).all(axis=-1)


def through(position: NDArray, poses: NDArray) -> NDArray:
    """The way (..., 3) [m] to fly next from `position` to get through a gate from its front.

    Far from the gate's axis it leads to a point 50 cm before the gate; along the axis it leads
    on, to a point 50 cm behind.
    """
    here = in_gate(position, poses)
    off = np.linalg.norm(here[..., 1:], axis=-1)
    aligned = (off < 0.08) | ((here[..., 0] > -0.3) & (off < 0.13))
    aim = np.zeros_like(here)
    aim[..., 0] = np.where(aligned, np.minimum(here[..., 0] + 0.5, 0.5), -0.5)
    return from_gate(aim, poses) - position


def upright(position: NDArray, yaw: NDArray) -> NDArray:
    """Poses (..., 7) of gates that face `yaw` (...,) [rad]."""
    flat = np.zeros_like(yaw)
    quat = np.stack([np.cos(yaw / 2), flat, flat, np.sin(yaw / 2)], axis=-1)
    return np.concatenate([np.broadcast_to(position, (*yaw.shape, 3)), quat], axis=-1)
