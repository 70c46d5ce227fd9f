"""Scene: a home as MuJoCo sees it: walls, furniture, things, the robot and its cameras."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

from octoworld.core.registry import ROBOTS
from robots.mobile_panda.spec import MAST
from robots.spec import CameraSpec, GeomSpec
from sim.scene import RobotPlacement, Scene

from .bodies import furniture_bodies
from .home import Home
from .objects import pool
from .thing_bodies import thing_body
from .walls import wall_rects

FRICTION_STIFFNESS = 1000.0
"""A hundred times the usual: at ten times, a pizza held by its rim turns by a degree a second in
the fingers, which is too much for a drive through the home."""
WALL_HEIGHT = 1.9
"""[m]; there is no ceiling, so that one can look in from above."""
FLOORS = {
    "kitchen": (0.62, 0.60, 0.54), "living_room": (0.52, 0.40, 0.29), "bedroom": (0.44, 0.48, 0.58),
    "bathroom": (0.48, 0.64, 0.66), "study": (0.46, 0.44, 0.34), "dining_room": (0.58, 0.44, 0.38),
    "hall": (0.50, 0.50, 0.48),
}  # fmt: skip
WALLS = {
    "kitchen": (0.93, 0.90, 0.78), "living_room": (0.88, 0.84, 0.86), "bedroom": (0.80, 0.86, 0.94),
    "bathroom": (0.82, 0.93, 0.92), "study": (0.88, 0.92, 0.80), "dining_room": (0.94, 0.86, 0.80),
    "hall": (0.90, 0.90, 0.90),
}  # fmt: skip
"""Colours of the wall surfaces that look into a room."""
SURROUND = tuple(f"surround{i}" for i in range(8))
"""Cameras on the mast: ahead, then counter-clockwise every 45 degrees."""
ABOVE, HOUSE = "above", "house"
"""Bird's-eye cameras: over the robot, turning with it, and over the whole home."""
SURROUND_FOVY, PITCH = 60.0, math.radians(36.0)
"""Angle of view [deg], and how far the surround cameras look down [rad]."""
ABOVE_HEIGHT, ABOVE_AHEAD, ABOVE_FOVY = 3.2, 0.4, 52.0
HOUSE_FOVY = 40.0
SKIN = 0.004
"""Thickness of the coloured surfaces of walls [m]."""


@lru_cache(maxsize=8)
def household_scene(
    home: Home,
    joint: Literal["placed", "free"] = "placed",
    things: tuple[str, ...] | None = None,
) -> Scene:
    """The scene of a home with everything it may contain, or with some things only.

    `joint` "placed": things are put where the state has them; "free": physics moves them.
    """
    pieces = [body for piece in home.pieces for body in furniture_bodies(piece)]
    excludes = [(b.parent, b.name) for b in pieces if b.parent is not None]
    doors = {b.name for b in pieces if b.name.endswith("_door1")}
    excludes += [(f"{name[:-1]}0", name) for name in doors]  # two leaves meet in the middle
    return Scene(
        name=f"household_{home.seed}",
        robots=(RobotPlacement(ROBOTS.get("mobile_panda")()),),
        bodies=(
            *pieces,
            *(thing_body(name, joint) for name in (pool() if things is None else things)),
        ),
        static_geoms=(*_floors(home), *_walls(home)),
        cameras=_cameras(home),
        contact_excludes=tuple(sorted(excludes)),
        friction_stiffness=FRICTION_STIFFNESS,
        background_rgb=(0.86, 0.90, 0.95),
    )


def _floors(home: Home) -> list[GeomSpec]:
    found = []
    for room in home.plan.rooms:
        x0, y0, x1, y1 = room.rect
        found.append(GeomSpec(
            f"floor_{room.name}", "box", ((x1 - x0) / 2, (y1 - y0) / 2, 0.02),
            ((x0 + x1) / 2, (y0 + y1) / 2, -0.02), rgba=(*FLOORS[room.name], 1.0),
        ))  # fmt: skip
    return found


def _walls(home: Home) -> list[GeomSpec]:
    """Each wall as a grey core with the colour of its room on either side."""
    found = []
    for i, (x0, y0, x1, y1) in enumerate(wall_rects(home.plan)):
        half = ((x1 - x0) / 2, (y1 - y0) / 2, WALL_HEIGHT / 2)
        middle = ((x0 + x1) / 2, (y0 + y1) / 2, WALL_HEIGHT / 2)
        found.append(GeomSpec(f"wall{i}", "box", half, middle, rgba=(0.74, 0.74, 0.74, 1.0)))
    for room in home.plan.rooms:
        rgba = (*WALLS[room.name], 1.0)
        found += [
            GeomSpec(
                f"skin_{room.name}_{i}", "box", ((c - a) / 2, (d - b) / 2, WALL_HEIGHT / 2 - 0.01),
                ((a + c) / 2, (b + d) / 2, WALL_HEIGHT / 2), rgba=rgba, collides=False,
            )
            for i, (a, b, c, d) in enumerate(_skins(home, room.name))
        ]  # fmt: skip
    return found


def _skins(home: Home, room: str) -> list[tuple[float, float, float, float]]:
    """Thin rectangles before the walls of a room, without its doorways."""
    rx0, ry0, rx1, ry1 = home.rooms[room].rect
    found = []
    for x0, y0, x1, y1 in wall_rects(home.plan):
        along_x = x1 - x0 > y1 - y0
        if along_x:
            low, high = max(x0, rx0), min(x1, rx1)
            for edge, sign in ((ry0, 1), (ry1, -1)):
                if high - low > 0.02 and abs((y0 + y1) / 2 - edge) < 0.01:
                    face = y1 if sign > 0 else y0
                    found.append((low, min(face, face + sign * SKIN), high,
                                  max(face, face + sign * SKIN)))  # fmt: skip
        else:
            low, high = max(y0, ry0), min(y1, ry1)
            for edge, sign in ((rx0, 1), (rx1, -1)):
                if high - low > 0.02 and abs((x0 + x1) / 2 - edge) < 0.01:
                    face = x1 if sign > 0 else x0
                    found.append((min(face, face + sign * SKIN), low,
                                  max(face, face + sign * SKIN), high))  # fmt: skip
    return found


def _cameras(home: Home) -> tuple[CameraSpec, ...]:
    head = MAST
    surround = []
    for i, name in enumerate(SURROUND):
        angle = i * math.pi / 4
        far = (math.cos(PITCH) * math.cos(angle), math.cos(PITCH) * math.sin(angle))
        look_at = (head[0] + far[0], head[1] + far[1], head[2] - math.sin(PITCH))
        surround.append(
            CameraSpec(name, head, look_at=look_at, fovy_deg=SURROUND_FOVY, body="base")
        )
    above = CameraSpec(
        ABOVE, (ABOVE_AHEAD, 0.0, ABOVE_HEIGHT), look_at=(ABOVE_AHEAD, 0.0, 0.0),
        up=(1.0, 0.0, 0.0), fovy_deg=ABOVE_FOVY, body="base",
    )  # fmt: skip
    x0, y0, x1, y1 = home.extent
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    # the longer side, at the height of the walls' tops, fills the picture, which is square
    half = (max(x1 - x0, y1 - y0) + 0.4) / 2
    height = half / math.tan(math.radians(HOUSE_FOVY) / 2) + WALL_HEIGHT
    house = CameraSpec(
        HOUSE, (*middle, height), look_at=(*middle, 0.0), up=(0.0, 1.0, 0.0), fovy_deg=HOUSE_FOVY
    )
    return (*surround, above, house)
