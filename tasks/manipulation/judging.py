"""What happened on the table-top and what is observed of it, as compiled loops over worlds.

As array operations they took a single world as long as a quarter of its physics.
"""

# pyright: reportIndexIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

import math
from typing import Any

from numba import boolean, float32, float64, njit, types, void

QUANTITIES = (
    "tool_to_block", "tool_to_handle", "block_to_zone", "block_to_bin", "clearance", "opening",
)  # fmt: skip
"""Rows of `judge`'s quantities [m]."""
TRUTHS = (
    "reached", "grasped", "lifted", "resting", "released", "in_zone", "in_bin", "drawer_open",
)  # fmt: skip
"""Rows of `judge`'s truths."""
FELT, HIDDEN = 8, 25
"""Columns of `observe`'s arrays."""

_P = types.Array(float64, 2, "A", readonly=True)  # (N, 3) or (N, 4)
_S = types.Array(float64, 1, "A", readonly=True)  # (N,)
_B = types.Array(boolean, 1, "A", readonly=True)
_JUDGE: Any = void(_P, _P, _P, _P, _P, _P, _S, _S, _B, _S, float64[:, ::1], boolean[:, ::1])
_OBSERVE: Any = void(
    _P, _P, _P, _P, _P, _P, _P, _P, _P, _P, _S, _S, _S, _B, float32[:, ::1], float32[:, ::1]
)
compiled: Any = njit(error_model="numpy", nogil=True)


@compiled
def _apart(a, b, n, axes):
    total = 0.0
    for i in range(axes):
        total += (a[n, i] - b[n, i]) ** 2
    return math.sqrt(total)


@njit(_JUDGE, cache=True, error_model="numpy", nogil=True)
def judge(
    tool, block, block_velocity, zone, bin_, handle, gap, opening, grasped, limits,
    quantities, truths,
):  # fmt: skip
    """Fill `quantities` (6, N) and `truths` (8, N) from places (N, 3) and lengths (N,).

    `limits` are half a block, half a bin without its margin, the bin's height, then reach_distance,
    lift_height, rest_speed, open_gap, zone_distance, drawer_open of JudgeConfig.
    """
    for n in range(len(tool)):
        clearance = block[n, 2] - limits[0]
        to_block, to_zone = _apart(block, tool, n, 3), _apart(block, zone, n, 2)
        speed = 0.0
        for i in range(3):
            speed += block_velocity[n, i] ** 2
        quantities[0, n], quantities[1, n] = to_block, _apart(handle, tool, n, 3)
        quantities[2, n], quantities[3, n] = to_zone, _apart(block, bin_, n, 2)
        quantities[4, n], quantities[5, n] = clearance, opening[n]
        held = grasped[n]
        truths[0, n], truths[1, n] = to_block < limits[3], held
        truths[2, n], truths[3, n] = clearance >= limits[4], math.sqrt(speed) < limits[5]
        truths[4, n] = not held and gap[n] > limits[6]
        truths[5, n] = to_zone < limits[7] and abs(clearance) < 0.01 and not held
        truths[6, n] = (
            abs(block[n, 0] - bin_[n, 0]) < limits[1]
            and abs(block[n, 1] - bin_[n, 1]) < limits[1]
            and clearance < limits[2]
        )
        truths[7, n] = opening[n] >= limits[8]


@njit(_OBSERVE, cache=True, error_model="numpy", nogil=True)
def observe(
    tool, tool_velocity, block, block_quat, block_velocity, zone, bin_, handle, thing, goal,
    gap, command, opening, grasped, felt, hidden,
):  # fmt: skip
    """Fill `felt` (N, 8) and `hidden` (N, 25) from places (N, 3), `block_quat` (N, 4) wxyz."""
    for n in range(len(tool)):
        w, x, y, z = block_quat[n, 0], block_quat[n, 1], block_quat[n, 2], block_quat[n, 3]
        # a cube looks the same after a quarter turn: its yaw is told modulo 90 deg
        yaw = 4 * math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        felt[n, 6], felt[n, 7] = gap[n], command[n]
        hidden[n, 3], hidden[n, 4] = math.cos(yaw), math.sin(yaw)
        hidden[n, 17], hidden[n, 18] = opening[n], grasped[n]
        for i in range(3):
            felt[n, i], felt[n, 3 + i] = tool[n, i], tool_velocity[n, i]
            hidden[n, i] = block[n, i] - tool[n, i]
            hidden[n, 5 + i] = block_velocity[n, i]
            hidden[n, 8 + i] = zone[n, i] - block[n, i]
            hidden[n, 11 + i] = bin_[n, i] - block[n, i]
            hidden[n, 14 + i] = handle[n, i] - tool[n, i]
            hidden[n, 19 + i] = thing[n, i] - tool[n, i]
            hidden[n, 22 + i] = goal[n, i] - tool[n, i]
