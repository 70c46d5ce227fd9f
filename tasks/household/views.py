"""Views: the MuJoCo world of a home, set to a state, and the pictures an agent gets of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.registry import BACKENDS
from robots.mobile_panda.spec import BASE_JOINTS

from .album import photograph
from .bodies import joint_names, opened_at, signals
from .geometry import thing_pose
from .home import Home, Piece
from .household import PACKINGS
from .motion import Shown
from .objects import kind_named, kind_of, pool, rgb_of
from .result import SkillResult
from .scene import ABOVE, HOUSE, SURROUND, household_scene
from .state import State, flags
from .text_view import inventory, rooms_told, scene_graph
from .thing_bodies import CLEAR, LIQUIDS, MARKS, colored_geoms, mark_geoms

if TYPE_CHECKING:
    from .household import Household

CAMERAS = (*SURROUND, ABOVE, HOUSE)
"""In the order of `Observation.images`."""
STORE = -3.0
"""Height at which things wait that are not in the home [m]."""
GRIPPED, OPEN_HAND = 0.012, 0.04
"""Position of each finger while something is held, and else [m]."""


@dataclass(frozen=True)
class Observation:
    """What an agent is given."""

    instruction: str
    images: Mapping[str, NDArray[np.uint8]]
    """`separate`: camera of CAMERAS -> (H, W, 3). `sheet`: one picture (2 H, 5 W, 3) called so.
    `album`: piece -> (H, W, 3). Else none."""
    text: str
    """Packing `text`: what is in sight; all packings: what is held, where the robot is."""
    held: str
    """What the gripper holds; empty when nothing."""
    at: str
    """Piece at which the robot is; empty elsewhere."""
    seconds: float
    """Simulated time since the start [s]."""
    last_program: str
    feedback: tuple[SkillResult, ...]
    """Of the last program's calls."""


@lru_cache(maxsize=48)
def views_of(home: Home) -> Views:
    """The views of a home, made once and shared by all its households (15 MB each)."""
    return Views(home)


class Views:
    """The MuJoCo world of a home. It is set to a state before each use, and keeps no other.

    Whoever sets it to a state holds `lock` until it has what it wants of that state.
    """

    def __init__(self, home: Home) -> None:
        self.home, self.lock = home, threading.RLock()
        self.scene = household_scene(home)
        self.world = BACKENDS.get("mujoco")(self.scene, 1, num_threads=1)
        self._pool = pool()
        self._geoms = {
            body.name: {g.name: g.rgba for g in body.geoms}
            for body in self.scene.bodies
            if body.name in set(self._pool)
        }
        self._marks = {name: mark_geoms(name) for name in self._pool}
        self._skin = {name: colored_geoms(name) for name in self._pool}
        self._signals = {p.name: signals(p) for p in home.pieces}
        self._shown: dict[str, tuple] = {}
        """Thing -> how it was drawn last."""
        self._moved = False
        """Whether the last state was drawn as a physical world had it."""

    def set_state(self, state: State, shown: Shown | None = None) -> None:
        """Put the MuJoCo world into a state: robot, doors, things, colours.

        `shown`: joints and poses that are so in truth, where physics has the word.
        """
        world = self.world
        if self._moved:
            # joints and poses of another household's physics are no state's
            self._shown.clear()
            world.reset()
            self._moved = False
        world.set_joint_position(BASE_JOINTS, np.array([state.base]))
        gap = GRIPPED if state.held else OPEN_HAND
        world.set_joint_position(("finger_joint1", "finger_joint2"), np.array([[gap, gap]]))
        for piece in self.home.pieces:
            key = (state.opened.get(piece.name), state.running.get(piece.name),
                   state.locked.get(piece.name))  # fmt: skip
            if self._shown.get(piece.name) != key:
                self._set_piece(state, piece)
                self._shown[piece.name] = key
        for index, name in enumerate(self._pool):
            key = ()
            if name in state.place:
                key = (
                    thing_pose(self.home, state, name), state.color.get(name),
                    state.liquid.get(name), tuple(flags(state, name).values()),
                )  # fmt: skip
            if self._shown.get(name) != key:
                self._set_thing(state, name, index)
                self._shown[name] = key
        if shown is not None:
            joints = tuple(shown.joints)
            world.set_joint_position(joints, np.array([list(shown.joints.values())]))
            for name, at in shown.poses.items():
                world.set_pose(name, at[None])
            self._moved = True
        world.refresh()

    def _set_piece(self, state: State, piece: Piece) -> None:
        world = self.world
        if piece.kind.openable:
            joints = joint_names(piece)
            value = opened_at(piece.kind) if state.opened[piece.name] else 0.0
            world.set_joint_position(joints, np.full((1, len(joints)), value))
        for signal in self._signals[piece.name]:
            table = state.running if signal.state == "on" else state.locked
            world.set_color(signal.geom, signal.yes if table[piece.name] else signal.no)

    def _set_thing(self, state: State, name: str, index: int) -> None:
        world = self.world
        if name not in state.place:
            x0, y0, _, _ = self.home.extent
            world.set_pose(name, np.array([[x0 + 0.3 * index, y0, STORE, 1.0, 0.0, 0.0, 0.0]]))
            for geom in self._geoms[name]:
                world.set_color(geom, CLEAR)  # what is clear is not drawn at all
            return
        x, y, z, yaw = thing_pose(self.home, state, name)
        quat = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
        world.set_pose(name, np.array([[x, y, z, *quat]]))
        colors = dict(self._geoms[name])
        rgb = rgb_of(kind_named(kind_of(name)), state.color.get(name, ""))
        colors |= dict.fromkeys(self._skin[name], (*rgb, 1.0))
        shown = flags(state, name)
        for what, geoms in self._marks[name].items():
            if shown.get(what):
                color = MARKS.get(what) or (*LIQUIDS[state.liquid[name]], 1.0)
                colors |= dict.fromkeys(geoms, color)
        for geom, color in colors.items():
            world.set_color(geom, color)

    def render(
        self,
        state: State,
        cameras: tuple[str, ...],
        size: tuple[int, int],
        shown: Shown | None = None,
    ) -> NDArray[np.uint8]:
        """Pictures (n, H, W, 3) of a state by some cameras; `shown` as for `set_state`."""
        with self.lock:
            self.set_state(state, shown)
            return np.concatenate([self.world.render(camera, size=size) for camera in cameras])

    def seen(
        self, state: State, cameras: tuple[str, ...] = SURROUND, size: tuple[int, int] = (64, 64)
    ) -> list[set[str]]:
        """Names of the pieces and things of which each camera shows a pixel at least."""
        names = self.world.segments
        known = {*self._pool, *self.home.by_name}
        found = []
        with self.lock:
            self.set_state(state)
            for camera in cameras:
                ids = np.unique(self.world.render_segmentation(camera, size=size))
                found.append({names[i] for i in ids} & known)
        return found


def sheet(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Ten pictures (10, H, W, 3) as one (2 H, 5 W, 3).

    Above from left to right: left, half left, ahead, half right; below: half back left, back, half
    back right, right; at the right end the two from above.
    """
    if len(images) != len(CAMERAS):
        raise ConfigError(f"sheet of {len(images)} pictures: expected {len(CAMERAS)}")
    rows = ((2, 1, 0, 7, 8), (3, 4, 5, 6, 9))
    return np.concatenate([np.concatenate([images[i] for i in r], axis=1) for r in rows], axis=0)


def observe(household: Household, packing: str) -> Observation:
    """See `Household.observe`."""
    if packing not in PACKINGS:
        raise ConfigError(f"packing {packing!r}: expected one of {', '.join(PACKINGS)}")
    state = household.state
    images: dict[str, NDArray[np.uint8]] = {}
    text = scene_graph(state, household.home) if packing == "text" else inventory(state)
    if packing in ("separate", "sheet"):
        shown = household.motion.shown()
        views = household.views.render(state, CAMERAS, household.image_size, shown)
        images = {"sheet": sheet(views)}
        if packing == "separate":
            images = dict(zip(CAMERAS, views, strict=True))
    elif packing == "album":
        # a picture of one piece does not show in which room it stands
        text = f"{text}\n{rooms_told(household.home)}"
        photos = photograph(household.views, state, household.image_size)
        images = dict(zip(household.home.by_name, photos, strict=True))
    return Observation(
        instruction=household.instruction,
        images=images,
        text=text,
        held=state.held,
        at=state.at,
        seconds=state.time,
        last_program=household.last_program,
        feedback=tuple(household.feedback),
    )
