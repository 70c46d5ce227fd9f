"""The picture of the drone tasks: each as its scripted pilot flies it, on one sheet.

`python -m octoworld.recipes.drone_pictures [FILE]` draws `assets/pictures/drones.png` anew.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.core.registry import BACKENDS, TASKS
from robots.spec import CameraSpec, Vec3
from sim.cameras import projection
from sim.world import FlyingWorld
from tasks.env import TaskEnv

WIDTH, HEIGHT, COLUMNS = 320, 240, 4
STRIP = 34
"""Height of the words under each picture [pixel]."""
SEED = 3
TRAIL = (255, 236, 120)
DETAIL = 2
"""Pictures are drawn this many times larger and made small: thin things stay smooth."""


@dataclass(frozen=True)
class View:
    """A moment of a task's episode, and where it is looked at from."""

    task: str
    seconds: float
    """Since the start."""
    distance: float = 1.2
    """Of the camera from what it looks at [m]."""
    heading: float = 225.0
    """From there to the camera, from x towards y [deg]."""
    rise: float = 25.0
    """Of the camera above the level [deg]."""
    look_at: Vec3 | None = None
    """None: the middle of the drones [m]."""
    trail: float = 0.0
    """Where drones were in the last seconds is drawn as lines [s]."""
    options: Mapping[str, Any] = field(default_factory=dict)


VIEWS = (
    View("Hover", 3.0),
    View("TakeOff", 0.8, 1.1),
    View("Land", 2.5, 1.2, 240, 28),
    View("TrackVelocity", 7.0, 2.2, look_at=(0.2, 0.2, 1.4), trail=7.0),
    View("FlyWaypoints", 9.0, 3.0, look_at=(0.0, 0.0, 1.1), trail=9.0),
    View("TrackCircle", 9.0, 2.4, rise=35, look_at=(0.0, 0.0, 1.1), trail=6.0),
    View("TrackFigure8", 10.0, 2.6, rise=40, look_at=(0.0, 0.0, 1.1), trail=7.0),
    View("FlyThroughGate", 2.2, 1.7, 215, trail=2.2),
    View("GateRace", 18.0, 3.6, 235, 30, (0.0, 0.0, 0.8), trail=18.0),
    View("ObstacleField", 6.0, 3.8, 235, 45, (0.0, 0.0, 0.6), trail=6.0),
    View("PayloadTransport", 1.0, 1.3, 225, 12),
    View("MultiHover", 4.0, 1.8, 200, 20),
    View("Formation", 7.0, 4.0, 225, 32),
    View("LeaderFollower", 6.0, 2.2, trail=3.0),
    View("Flock", 4.0, 2.6, trail=2.0),
    View("MeetUp", 4.0, 1.1),
    View("DownwashCrossing", 3.3, 2.6, 240, 12, trail=2.0),
    View("FlyThroughColoredGate", 3.2, 2.6, 200, 20, (-0.3, 0.0, 0.9), trail=3.2),
    View("LandOnColoredPad", 6.0, 2.6, 215, 35, (0.0, 0.0, 0.3), trail=6.0),
    View("GateThenLand", 8.0, 3.4, 215, 35, (0.2, 0.0, 0.5), trail=8.0),
)


def flown(view: View, camera: CameraSpec | None) -> tuple[TaskEnv, NDArray]:
    """One world of the task at the view's moment, with a further camera; its trail (T, A, 3)."""
    task = TASKS.get(view.task)(1, **view.options)
    scene = task.scene()
    if camera is not None:
        scene = dataclasses.replace(scene, cameras=(*scene.cameras, camera))
    world = BACKENDS.get(task.backend)(scene, 1)
    env = TaskEnv(task, world, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=SEED)
    pilot, places = task.expert(), []
    for _ in range(round(view.seconds * env.fps)):
        env.step(pilot.act(world))
        places.append(cast("FlyingWorld", world).flight.position[0].copy())
    return env, np.array(places[len(places) - round(view.trail * env.fps) :])


def picture(view: View) -> tuple[NDArray[np.uint8], str]:
    """The view (HEIGHT, WIDTH, 3), and what the world is asked to do."""
    look_at = view.look_at
    if look_at is None:
        env, _ = flown(view, None)
        position = cast("FlyingWorld", env.world).flight.position[0]
        x, y, z = 0.5 * (position.min(axis=0) + position.max(axis=0))
        look_at = (float(x), float(y), float(z) - (0.2 if view.task == "PayloadTransport" else 0))
        env.close()
    turn, rise = np.deg2rad(view.heading), np.deg2rad(view.rise)
    way = view.distance * np.array(
        (np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise))
    )
    x, y, z = np.asarray(look_at) + way
    camera = CameraSpec(
        "picture", (float(x), float(y), float(z)), look_at, fovy_deg=40,
        width=DETAIL * WIDTH, height=DETAIL * HEIGHT,
    )  # fmt: skip
    env, trail = flown(view, camera)
    image = env.world.render("picture")[0].copy()
    for line in np.swapaxes(trail, 0, 1) if len(trail) else ():
        pixels, depth = projection(camera, line)
        seen = pixels[depth > 0]
        cv2.polylines(image, [np.round(16 * seen).astype(np.int32)], False, TRAIL, DETAIL,
                      cv2.LINE_AA, shift=4)  # fmt: skip
    words = env.instructions[0]
    env.close()
    return cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), words  # type: ignore[return-value]


def sheet(views: tuple[View, ...] = VIEWS) -> NDArray[np.uint8]:
    """All views in rows of `COLUMNS`, with task and instruction under each."""
    cells = []
    for view in views:
        image, words = picture(view)
        strip = np.full((STRIP, WIDTH, 3), 255, np.uint8)
        for text, y, size, grey in ((view.task, 14, 0.45, 20), (words, 29, 0.36, 90)):
            cv2.putText(strip, text, (6, y), cv2.FONT_HERSHEY_SIMPLEX, size, (grey,) * 3, 1,
                        cv2.LINE_AA)  # fmt: skip
        cells.append(np.concatenate([image, strip]))
    while len(cells) % COLUMNS:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.concatenate(cells[i : i + COLUMNS], axis=1) for i in range(0, len(cells), COLUMNS)]
    return np.concatenate(rows)


def main() -> None:
    """Draw the sheet and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path("assets/pictures/drones.png")
    parser.add_argument("file", nargs="?", type=Path, default=default)
    out = parser.parse_args().file
    out.parent.mkdir(parents=True, exist_ok=True)
    image = cv2.cvtColor(sheet(), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(out), image, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        parser.error(f"{out} cannot be written")
    print(f"{out}: {image.shape[1]} x {image.shape[0]}, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
