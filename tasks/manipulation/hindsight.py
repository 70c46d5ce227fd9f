"""Hindsight: what a moment says about every table-top task, not only about the one it was of.

All four tasks share one scene, so a recorded moment answers any of their instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import UnknownNameError

from .objects import OBJECTS, PRIVILEGED
from .scene import SIZES
from .tabletop import JudgeConfig

GAP = 6
"""Column of proprioception that holds the finger gap [m]."""
REACH_SCALE, GOAL_SCALE = 0.25, 0.25
"""Distances from which tool and thing, and thing and goal, count as far [m]."""
SPEED_STEPS = 3
"""Pictures over which a read speed is taken: a place is read to a centimetre, so that from one to
the next it seems to move."""


@dataclass(frozen=True)
class Limits:
    """What tells apart where numbers are exact, and is laxer where they are read off pictures."""

    clearance: float = 0.01
    """How far off the table a pushed block may be [m]."""
    rest_speed: float = 0.05
    """Below it the block rests [m/s]."""


EXACT, SEEN = Limits(), Limits(clearance=0.025, rest_speed=0.12)
JUDGE = JudgeConfig()


@dataclass(frozen=True)
class Places:
    """Where things are in T moments of an episode."""

    tool: NDArray
    """(T, 3) [m]."""
    gap: NDArray
    """(T,) between the fingers [m]."""
    block: NDArray
    """(T, 3) [m]."""
    speed: NDArray
    """(T,) of the block [m/s]."""
    zone: NDArray
    """(T, 2) [m]."""
    bin: NDArray
    """(T, 2) [m]."""
    handle: NDArray
    """(T, 3) [m]."""
    opening: NDArray
    """(T,) of the drawer [m]."""
    grasped: NDArray
    """(T,) both fingers hold the block."""

    @property
    def clearance(self) -> NDArray:
        """Air under the block (T,) [m]."""
        return self.block[:, 2] - SIZES.block_half

    def vector(self) -> NDArray[np.float32]:
        """(T, 12) in the order of `VECTOR`: what a network may be asked to find in pictures."""
        parts = [self.block, self.zone, self.bin, self.handle, self.opening[:, None]]
        return np.concatenate([*parts, self.grasped[:, None]], 1, dtype=np.float32)


VECTOR = {
    "block": slice(0, 3), "zone": slice(3, 5), "bin": slice(5, 7), "handle": slice(7, 10),
    "opening": slice(10, 11), "grasped": slice(11, 12),
}  # fmt: skip
"""Columns of `Places.vector`: world positions [m], opening [m], 1 while the block is held."""


@dataclass(frozen=True)
class Hindsight:
    """What T moments say about one task."""

    success: NDArray[np.bool_]
    """(T,) the task's own success."""
    margin: NDArray
    """(T,) how far inside the limits of success the places are; negative outside [m]."""
    ready: NDArray[np.bool_]
    """(T,) what success asks for besides places: held or let go, at rest."""
    progress: NDArray[np.float32]
    """(T,) 0 to 1: a third for reaching the thing, two for bringing it where it belongs."""
    meant: NDArray[np.float32]
    """(T, 6) places of the thing and of its goal [m], as `ArmTask.meant`."""


def places_of(proprio: NDArray, privileged: NDArray) -> Places:
    """From a recording's proprioception (T, 8) and privileged columns (T, 25)."""
    told = {name: np.asarray(privileged[:, columns]) for name, columns in PRIVILEGED.items()}
    tool = np.asarray(proprio[:, :3])
    block = tool + told["block_from_tool"]
    return Places(
        tool=tool,
        gap=np.asarray(proprio[:, GAP]),
        block=block,
        speed=np.linalg.norm(told["block_velocity"], axis=1),
        zone=(block + told["zone_from_block"])[:, :2],
        bin=(block + told["bin_from_block"])[:, :2],
        handle=tool + told["handle_from_tool"],
        opening=told["opening"][:, 0],
        grasped=told["grasped"][:, 0] > 0.5,
    )


def places_read(proprio: NDArray, objects: NDArray, zone: NDArray, fps: float) -> Places:
    """From what a reader of pictures found: `OBJECTS` (T, 17), and the zone (2,), which stays.

    Speed is the change of the block's place over `SPEED_STEPS` pictures.
    """
    tool, block = np.asarray(proprio[:, :3]), np.asarray(objects[:, OBJECTS["block"]])
    before = np.concatenate([block[:1].repeat(SPEED_STEPS, 0), block])[: len(block)]
    moved = np.linalg.norm(block - before, axis=1) / SPEED_STEPS
    handle = tool + objects[:, OBJECTS["handle_from_tool"]]
    return Places(
        tool=tool,
        gap=np.asarray(proprio[:, GAP]),
        block=block,
        speed=moved * fps,
        zone=np.broadcast_to(zone, (len(tool), 2)),
        bin=np.asarray(objects[:, OBJECTS["bin"]]),
        handle=handle,
        opening=np.asarray(objects[:, OBJECTS["drawer"]])[:, 0],
        grasped=np.asarray(objects[:, OBJECTS["grasped"]])[:, 0] > 0.5,
    )


def judge_places(task: str, places: Places, limits: Limits = EXACT) -> Hindsight:
    """Success, how narrowly, and how far the job is; `SEEN` for places read off pictures.

    Raises:
        UnknownNameError: not a task of the table-top.
    """
    if task not in _ASKED:
        raise UnknownNameError("table-top task", task, _ASKED)
    margin, ready, thing, goal = _ASKED[task](places, limits)
    success = (margin >= 0) & ready
    reach = _near(np.linalg.norm(thing - places.tool, axis=1), REACH_SCALE)
    bring = _near(np.linalg.norm(goal - thing, axis=1), GOAL_SCALE)
    progress = np.where(success, 1.0, 0.95 * (np.maximum(reach, bring**4) + 2 * bring) / 3)
    meant = np.concatenate([thing, goal], 1)
    return Hindsight(success, margin, ready, progress.astype(np.float32), meant.astype(np.float32))


_Answer = tuple[NDArray, NDArray, NDArray, NDArray]


def _push(p: Places, limits: Limits) -> _Answer:
    apart = np.linalg.norm(p.block[:, :2] - p.zone, axis=1)
    low = np.abs(p.clearance) < limits.clearance
    goal = np.concatenate([p.zone, 0 * p.opening[:, None] + SIZES.block_half], 1)
    ready = low & ~p.grasped & (p.speed < limits.rest_speed)
    return JUDGE.zone_distance - apart, ready, p.block, goal


def _pick(p: Places, limits: Limits) -> _Answer:
    height = np.array([0.0, 0.0, SIZES.block_half + JUDGE.lift_height])
    goal = np.concatenate([p.block[:, :2], 0 * p.block[:, 2:]], 1) + height
    goal[:, 2] = np.maximum(goal[:, 2], p.block[:, 2])
    return p.clearance - JUDGE.lift_height, p.grasped, p.block, goal


def _place(p: Places, limits: Limits) -> _Answer:
    aside = np.abs(p.block[:, :2] - p.bin).max(1)
    inside = np.minimum(SIZES.bin_half - JUDGE.bin_margin - aside, SIZES.bin_height - p.clearance)
    released = ~p.grasped & (p.gap > JUDGE.open_gap)
    goal = np.concatenate([p.bin, 0 * p.opening[:, None] + SIZES.block_half], 1)
    return inside, released & (p.speed < limits.rest_speed), p.block, goal


def _open(p: Places, limits: Limits) -> _Answer:
    left = (JUDGE.drawer_open - p.opening).clip(0)
    goal = p.handle - np.array([0.0, 1.0, 0.0]) * left[:, None]
    return p.opening - JUDGE.drawer_open, np.ones(len(left), bool), p.handle, goal


def _set_down(p: Places, limits: Limits) -> _Answer:
    margin, ready, thing, goal = _push(p, limits)
    return margin, ready & (p.gap > JUDGE.open_gap), thing, goal


def _hold(p: Places, limits: Limits) -> _Answer:
    apart = np.linalg.norm(p.block[:, :2] - p.bin, axis=1)
    margin = np.minimum(JUDGE.over_distance - apart, p.clearance - SIZES.bin_height)
    goal = np.concatenate([p.bin, 0 * p.opening[:, None]], 1)
    goal[:, 2] = SIZES.block_half + SIZES.bin_height
    return margin, p.grasped, p.block, goal


_ASKED: dict[str, Callable[[Places, Limits], _Answer]] = {
    "PushToZone": _push, "PickUp": _pick, "PlaceInBin": _place, "OpenDrawer": _open,
    "PlaceOnZone": _set_down, "HoldOverBin": _hold,
}  # fmt: skip


def _near(distance: NDArray, scale: float) -> NDArray:
    return 1 - np.minimum(distance / scale, 1)
