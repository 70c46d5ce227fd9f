"""Start layouts of the table-top, drawn per world so that all of its tasks can be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import WorldRng
from sim.world import Mask

from .scene import SIZES

Range = tuple[float, float]


@dataclass(frozen=True)
class LayoutConfig:
    """Ranges of the draws, in the frame of the robot's base, and the room kept around things."""

    block_x: Range = (0.40, 0.64)
    """[m]."""
    block_y: Range = (-0.10, 0.08)
    """[m]."""
    block_yaw: Range = (-0.25, 0.25)
    """[rad]; the open gripper (80 mm) still spans the block's diagonal extent."""
    zone_x: Range = (0.40, 0.64)
    """[m]."""
    zone_y: Range = (-0.08, 0.06)
    """[m]."""
    bin_x: Range = (0.42, 0.60)
    """[m]."""
    bin_y: Range = (-0.24, -0.22)
    """[m]."""
    cabinet_x: Range = (0.42, 0.60)
    """[m]."""
    cabinet_y: Range = (0.27, 0.29)
    """[m]."""
    tool_low: tuple[float, float, float] = (0.42, -0.10, 0.15)
    """Lowest start of the tool [m]."""
    tool_high: tuple[float, float, float] = (0.56, 0.10, 0.21)
    """Highest start of the tool [m]."""
    block_to_zone: float = 0.12
    """Least distance of their centres [m]; success is within 0.05 m."""
    finger_room: float = 0.075
    """Room for an open gripper beside the block's centre [m]."""
    push_room: float = 0.10
    """From the block's centre back to where a pushing hand starts [m]."""
    num_tries: int = 48
    """Candidates drawn for each world at once; the first that fits is taken."""

    def tool_range(self) -> tuple[NDArray, NDArray]:
        """Lowest and highest tool position (3,) [m] that the four jobs need.

        Places of the things themselves, the drawer's bar, and from half a block's height up.
        """
        bar = self.cabinet_y[1] - SIZES.cabinet_half[1] - SIZES.handle_reach
        x = (self.block_x, self.zone_x, self.bin_x, self.cabinet_x)
        y = (self.block_y, self.zone_y, self.bin_y, (bar, bar))
        low = (min(lo for lo, _ in x), min(lo for lo, _ in y), SIZES.block_half)
        high = (max(hi for _, hi in x), max(hi for _, hi in y), SIZES.block_half)
        return np.minimum(low, self.tool_low), np.maximum(high, self.tool_high)


@dataclass(frozen=True)
class Layout:
    """Start of n worlds: positions on the table (n, 2) [m], tool (n, 3) [m], yaw (n,) [rad]."""

    block: NDArray
    yaw: NDArray
    zone: NDArray
    bin: NDArray
    cabinet: NDArray
    tool: NDArray


def draw_layout(
    rng: WorldRng,
    mask: Mask,
    config: LayoutConfig,
    may_stand: Callable[[NDArray], NDArray[np.bool_]] | None = None,
    subject: Literal["block", "cabinet"] = "block",
) -> Layout:
    """Layouts of the masked worlds, each from its own stream.

    Args:
        rng: the worlds' streams.
        mask: (N,) whose layouts are drawn.
        config: ranges and room.
        may_stand: of places (..., 2), which the subject may have; None: all.
        subject: what the task is about.

    Raises:
        ConfigError: no candidate fits in some world; the ranges leave too little room.
    """
    c = config
    ranges = [c.block_x, c.block_y, c.zone_x, c.zone_y, c.bin_x, c.bin_y, c.cabinet_x, c.cabinet_y]
    ranges += [c.block_yaw, *zip(c.tool_low, c.tool_high, strict=True)]
    low, high = np.array(ranges, float).T
    # a test split may leave a twentieth of the candidates
    tries = c.num_tries if may_stand is None else 12 * c.num_tries
    draws = rng.uniform(mask, low, high, (tries, len(ranges)))
    fits = _fits(draws[..., 0:2], draws[..., 2:4], draws[..., 4:6], draws[..., 6:8], c)
    if may_stand is not None:
        fits &= may_stand(draws[..., 0:2] if subject == "block" else draws[..., 6:8])
    if not fits.any(axis=1).all():
        raise ConfigError(f"no layout of {tries} tries fits; widen the ranges of {c}")
    row = draws[np.arange(len(draws)), fits.argmax(axis=1)]
    return Layout(row[:, 0:2], row[:, 8], row[:, 2:4], row[:, 4:6], row[:, 6:8], row[:, 9:12])


def _fits(
    block: NDArray, zone: NDArray, bin_: NDArray, cabinet: NDArray, c: LayoutConfig
) -> NDArray[np.bool_]:
    """Which candidates (n, K) leave room for every task."""
    away = zone - block
    distance = np.linalg.norm(away, axis=-1)
    behind = block - away / np.maximum(distance, 1e-9)[..., None] * c.push_room
    bar_y = cabinet[..., 1] - SIZES.cabinet_half[1] - SIZES.handle_reach - 0.012
    bin_edge = bin_[..., 1] + SIZES.bin_half
    half_bar = SIZES.cabinet_half[0]

    def clear(point: NDArray, room: float) -> NDArray:
        """Room (along y, the way the gripper opens) to the bin and to the handle."""
        from_bin = (point[..., 1] - room > bin_edge) | (
            np.abs(point[..., 0] - bin_[..., 0]) > SIZES.bin_half + 0.05
        )
        from_bar = (point[..., 1] + room < bar_y) | (
            np.abs(point[..., 0] - cabinet[..., 0]) > half_bar + 0.05
        )
        return from_bin & from_bar

    # The zone is flat: half of it may lie under the handle, but it must be seen and reached.
    return (
        (distance > c.block_to_zone)
        & clear(block, c.finger_room)
        & clear(zone, 0.05)
        & clear(behind, 0.03)
        & (behind[..., 0] > 0.32)
        & (behind[..., 0] < 0.72)
    )


def draw_distractors(rng: WorldRng, mask: Mask, start: Layout, count: int) -> NDArray[np.float64]:
    """Places (n, count, 2) [m] out of the way: of block, zone, tool and the line of a push.

    Raises:
        ConfigError: some world has no room for them.
    """
    low, high = np.array([0.34, -0.14]), np.array([0.70, 0.16])
    tries = 512
    spots = rng.uniform(mask, low, high, (tries, 2))
    # from behind the block to the zone a pushing hand comes along
    way = start.zone - start.block
    unit = way / np.linalg.norm(way, axis=1, keepdims=True)
    begin, end = start.block - 0.12 * unit, start.zone
    share = ((spots - begin[:, None]) * (end - begin)[:, None]).sum(axis=2)
    share = np.clip(share / ((end - begin) ** 2).sum(axis=1)[:, None], 0.0, 1.0)
    nearest = begin[:, None] + share[..., None] * (end - begin)[:, None]
    free = np.linalg.norm(spots - nearest, axis=2) > 0.085
    handle = start.cabinet - np.array([0.0, SIZES.cabinet_half[1] + SIZES.handle_reach])
    for thing, room in ((start.zone, 0.10), (start.bin, 0.14), (handle, 0.12)):
        free &= np.linalg.norm(spots - thing[:, None], axis=2) > room
    out = np.empty((len(spots), count, 2))
    rows = np.arange(len(spots))
    for i in range(count):
        if not free.any(axis=1).all():
            raise ConfigError(f"no room for {count} distractors on the table")
        out[:, i] = spots[rows, free.argmax(axis=1)]
        free &= np.linalg.norm(spots - out[:, None, i], axis=2) > 0.08
    return out
