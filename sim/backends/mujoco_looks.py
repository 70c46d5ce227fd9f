"""How a MuJoCo world looks: cameras out of place, lights and surfaces brighter or darker."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.rotations import quat_from_rotvec, quat_multiply

from ..scene import Scene

SHIFTS, TURNS = ("x", "y", "z"), ("pitch", "yaw", "roll")
"""Of a camera: along the axes of what it is fixed to [m]; about its right, up and back [rad]."""


class MujocoLooks:
    """Names of what can look different, and how to draw a model so.

    `CAMERA.x|y|z` [m] and `CAMERA.pitch|yaw|roll` [rad] are 0 in the scene as built; the shares
    `CAMERA.fov` (angle of view), `lights.brightness` and `NAME.brightness` (of an object, a static
    geom or `robot`, with a robot's prefix) are 1; `lights.turn` [rad] is 0, about the vertical.
    """

    def __init__(self, scene: Scene, model: mujoco.MjModel) -> None:
        self._model = model
        cameras = [model.camera(i).name for i in range(model.ncam)]
        nominal = {f"{c}.{axis}": 0.0 for c in cameras for axis in SHIFTS + TURNS}
        nominal |= {f"{c}.fov": 1.0 for c in cameras}
        nominal |= {"lights.brightness": 1.0, "lights.turn": 0.0}
        self._surfaces = _surfaces(scene, model)
        nominal |= {f"{name}.brightness": 1.0 for name in self._surfaces}
        self.nominal = nominal
        """Name -> value of the scene as built."""
        names = list(nominal)
        self._camera_columns = {
            i: [names.index(f"{c}.{word}") for word in (*SHIFTS, *TURNS, "fov")]
            for i, c in enumerate(cameras)
        }
        self._light = names.index("lights.brightness"), names.index("lights.turn")
        self._bright = [names.index(f"{name}.brightness") for name in self._surfaces]
        self._built = {
            name: np.array(getattr(model, name))
            for name in ("cam_pos", "cam_quat", "cam_fovy", "light_diffuse", "light_dir")
        }
        head = model.vis.headlight
        self._head = np.array(head.ambient), np.array(head.diffuse)

    @contextmanager
    def drawn(self, model: mujoco.MjModel, values: NDArray, camera: int) -> Iterator[None]:
        """`model`, a copy of the one given, as a world of `values` (L,) looks to `camera`."""
        built, head = self._built, model.vis.headlight
        shift, turn, fov = np.split(values[self._camera_columns[camera]], (3, 6))
        model.cam_pos[camera] = built["cam_pos"][camera] + shift
        turned = quat_multiply(built["cam_quat"][camera], quat_from_rotvec(turn))
        model.cam_quat[camera] = turned
        model.cam_fovy[camera] = min(built["cam_fovy"][camera] * fov[0], 170.0)
        share, angle = values[list(self._light)]
        model.light_diffuse[:] = built["light_diffuse"] * share
        head.ambient[:], head.diffuse[:] = (part * share for part in self._head)
        c, s = np.cos(angle), np.sin(angle)
        model.light_dir[:] = built["light_dir"] @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        for geoms, column in zip(self._surfaces.values(), self._bright, strict=True):
            model.geom_rgba[geoms, :3] = np.clip(model.geom_rgba[geoms, :3] * values[column], 0, 1)
        try:
            yield
        finally:
            for name, value in built.items():
                getattr(model, name)[:] = value
            head.ambient[:], head.diffuse[:] = self._head


def _surfaces(scene: Scene, model: mujoco.MjModel) -> dict[str, NDArray]:
    """Geoms of each thing whose brightness can differ."""
    body_of = [model.body(int(b)).name for b in model.geom_bodyid]
    names = [model.geom(i).name for i in range(model.ngeom)]
    things = {b.name: [i for i, of in enumerate(body_of) if of == b.name] for b in scene.bodies}
    things |= {g.name: [names.index(g.name)] for g in scene.static_geoms if g.name in names}
    for placed in scene.robots:
        own = {placed.prefix + b.name for b in placed.spec.bodies}
        things[f"{placed.prefix}robot"] = [i for i, of in enumerate(body_of) if of in own]
    return {name: np.array(geoms) for name, geoms in things.items() if geoms}
