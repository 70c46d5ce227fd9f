"""The 3D view: recorded physics drawn in the browser by mjviser."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import viser
from mjviser import ViserMujocoScene
from numpy.typing import NDArray

from .frames import sky
from .physics import PhysicsReplay

VIEW_DIRECTION = np.array([1.0, -0.75, 0.65])
"""From what is looked at to the eye: in front of the table, to its right, from above."""
ENVIRONMENT_LIGHT = 0.3
"""Strength of the light from all sides; mjviser sets 0.8."""
TRAILS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
"""Colours of drones' paths, one after another: Okabe and Ito 2008."""
TRAIL_PARTS = 2000
"""Of a path, at least; of a shorter episode all steps."""
MARGIN = 0.25
"""Kept around paths in view [m]."""
FIELD_OF_VIEW = np.radians(45.0)


class Stage:
    """Shows one recorded world at a time."""

    def __init__(self, server: viser.ViserServer, theme: str) -> None:
        self._server, self._theme = server, theme
        self._trails: list[viser.LineSegmentsHandle] = []
        self._clear()
        self._path: Path | None = None
        self._scene: ViserMujocoScene | None = None
        self.replay: PhysicsReplay | None = None

    def open(self, scene_path: Path | None) -> None:
        """Load another scene, or empty the stage; raises DatasetError for a damaged file."""
        if scene_path == self._path:
            return
        self._clear()
        self._trails = []  # gone with the scene
        self._path, self._scene, self.replay = None, None, None
        if scene_path is None:
            return
        self.replay = PhysicsReplay(scene_path)  # first: a damaged file leaves an empty stage
        self._scene = ViserMujocoScene(self._server, self.replay.model, num_envs=1)
        # mjviser's own light bleaches colours, by which the tasks name their things
        self._server.scene.configure_environment_map(environment_intensity=ENVIRONMENT_LIGHT)
        self._scene.camera_tracking_enabled = False  # the table stays where it is
        # sites are marks for code, not things
        self._scene.site_groups_visible = [False] * 6
        self._scene.request_update()
        self._scene.rebuild_visual_handles()
        self._path = scene_path
        self._aim()

    def _clear(self) -> None:
        self._server.scene.reset()
        self._server.scene.set_up_direction("+z")
        self._server.scene.set_background_image(sky(self._theme), format="png")

    def show(self, row: NDArray[np.float64]) -> None:
        """Draw the world of one `sim_state` row."""
        if self.replay is None or self._scene is None:
            return
        if self.replay.show(row):
            self._scene.rebuild_visual_handles()  # colours are baked into its meshes
        self._scene.update_from_mjdata(self.replay.data)

    def trace(self, rows: NDArray[np.float64]) -> None:
        """Draw the paths of an episode's drones, from `sim_state` rows (T, S), and look at them."""
        for line in self._trails:
            line.remove()
        self._trails = []
        if self.replay is None:
            return
        # a line of more parts is no finer on the screen
        paths = self.replay.paths(rows[:: max(1, len(rows) // TRAIL_PARTS)])
        for k, path in enumerate(paths):
            self._trails.append(
                self._server.scene.add_line_segments(
                    f"/trails/{k}", points=np.stack([path[:-1], path[1:]], axis=1),
                    colors=TRAILS[k % len(TRAILS)], thickness=2.0, thickness_units="screen",
                )
            )  # fmt: skip
        if len(paths):
            self._look(paths.min(axis=(0, 1)) - MARGIN, paths.max(axis=(0, 1)) + MARGIN)

    def _aim(self) -> None:
        """Look at what can move, from a distance at which all of it is in the picture."""
        assert self.replay is not None
        model, data = self.replay.model, self.replay.data
        moving = [i for i in range(model.ngeom) if _moves(model, model.geom_bodyid[i])]
        if moving:
            low = (data.geom_xpos[moving] - model.geom_rbound[moving, None]).min(axis=0)
            high = (data.geom_xpos[moving] + model.geom_rbound[moving, None]).max(axis=0)
        else:
            low, high = model.stat.center - model.stat.extent, model.stat.center + model.stat.extent
        self._look(low, high)

    def _look(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        """Turn every eye to a box."""
        center, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        distance = 0.95 * radius / np.sin(FIELD_OF_VIEW / 2)
        eye = center + distance * VIEW_DIRECTION / np.linalg.norm(VIEW_DIRECTION)
        camera = self._server.initial_camera
        camera.position, camera.look_at, camera.fov = eye, center, FIELD_OF_VIEW
        for client in self._server.get_clients().values():
            client.camera.position, client.camera.look_at = eye, center


def _moves(model: mujoco.MjModel, body: int) -> bool:
    """Whether the body hangs on any joint."""
    return bool(model.body_weldid[body] != 0)
