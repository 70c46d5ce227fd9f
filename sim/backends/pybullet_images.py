"""Images from PyBullet: colour, metric depth and segmentation by one draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import RenderError, UnknownNameError
from robots.spec import CameraSpec

from ..cameras import extrinsics
from ..scene import Scene
from ..segments import segment_names, segment_of_geom
from ..world import Mask
from . import pybullet_engine as pybullet
from .pybullet_client import Client, Layout

NEAR, FAR = 0.01, 100.0
"""Clip planes [m]. The depth buffer has 24 bits of mantissa: 0.02 mm at 2 m, 0.6 mm at 10 m."""
SUN = (0.5, -0.3, 1.0)
"""Direction to the light, as in the MuJoCo scenes."""


class BulletImages:
    """The drawing half of PyBulletWorld.

    TinyRenderer draws on the CPU, and the window's OpenGL world 0 where there is one. TinyRenderer
    has neither shadows here nor antialiasing, and samples pixels at their upper left corner; the
    view is shifted by half a pixel, so that images fit `sim.cameras.projection` as MuJoCo's do.
    """

    scene: Scene
    num_worlds: int
    gui: bool
    clients: list[Client]
    layout: Layout

    if TYPE_CHECKING:

        def pose(self, body: str) -> NDArray:
            """Of the world that this is a part of."""
            ...

        def _ids(self, mask: Mask | None) -> NDArray[np.int64]: ...

    def _start_images(self) -> None:
        self._cameras: dict[str, CameraSpec] = {c.name: c for c in self.scene.cameras}
        self._carriers: dict[str, str] = {
            c.name: c.body for c in self.scene.cameras if c.body is not None
        }
        for robot in self.scene.robots:
            for camera in robot.spec.cameras:
                name = robot.prefix + camera.name
                self._cameras[name] = camera
                if camera.body is not None:
                    self._carriers[name] = robot.prefix + camera.body
        self.segments = segment_names(self.scene)
        colors = {
            prefix + g.name: g.rgba
            for prefix, bodies in (
                ("", [b for t in self.layout.trees if not t.prefix for b in t.bodies]),
                *((r.prefix, r.spec.bodies) for r in self.scene.robots),
            )
            for b in bodies
            for g in b.geoms
        }
        self._geoms = {name: i for i, name in enumerate(self.layout.visuals)}
        home = [colors[name] for name in self._geoms]
        self._home_rgba = np.array(home, float).reshape(-1, 4)
        self._rgba = np.repeat(self._home_rgba[None], self.num_worlds, axis=0)
        self._painted = self._rgba.copy()
        ids = segment_of_geom(self.scene)
        self._segment_of: dict[int, int] = {}
        for name, (tree, link, _) in self.layout.visuals.items():
            self._segment_of[self.clients[0].bodies[tree] + ((link + 1) << 24)] = ids[name]

    def set_color(self, geom: str, rgba: ArrayLike, mask: Mask | None = None) -> None:
        """Colour of a drawn geom per world, (n, 4) in [0, 1]."""
        self._rgba[self._ids(mask), self._geom(geom)] = rgba

    def color(self, geom: str) -> NDArray:
        """(N, 4) in [0, 1]."""
        return self._rgba[:, self._geom(geom)].copy()

    def render(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Images of the listed worlds (default all), (n, H, W, 3); `size` is (H, W).

        Raises:
            RenderError: the size is not positive.
        """
        return self._draw(camera, worlds, size)[0]

    def render_depth(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Distance along the optical axis [m], (n, H, W); inf where nothing is seen."""
        return self._draw(camera, worlds, size)[1]

    def render_segmentation(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.int32]:
        """Index into `segments` of what each pixel shows, (n, H, W)."""
        return self._draw(camera, worlds, size)[2]

    def _geom(self, name: str) -> int:
        if name not in self._geoms:
            raise UnknownNameError("drawn geom", name, self._geoms)
        return self._geoms[name]

    def _draw(
        self, camera: str, worlds: ArrayLike | None, size: tuple[int, int] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]:
        if camera not in self._cameras:
            raise UnknownNameError("camera", camera, self._cameras)
        spec = self._cameras[camera]
        height, width = size or (spec.height, spec.width)
        if height < 1 or width < 1:
            raise RenderError(f"image size {(height, width)} (H, W): expected at least 1, 1")
        ids = np.arange(self.num_worlds) if worlds is None else np.atleast_1d(np.asarray(worlds))
        carrier = self._carriers.get(camera)
        frames = np.broadcast_to(
            extrinsics(spec, None if carrier is None else self.pose(carrier)),
            (self.num_worlds, 4, 4),
        )
        rgb = np.empty((len(ids), height, width, 3), np.uint8)
        depth = np.empty((len(ids), height, width))
        labels = np.empty((len(ids), height, width), np.int32)
        sky = (np.asarray(self.scene.background_rgb) * 255).round().astype(np.uint8)
        for i, n in enumerate(ids.tolist()):
            self._paint(n)
            hardware = self.gui and n == 0
            view = np.linalg.inv(frames[n])
            _, _, image, buffer, marks = pybullet.getCameraImage(
                width, height, view.T.ravel().tolist(),
                _frustum(spec.fovy_deg, height, width, 0.0 if hardware else 0.5),
                lightDirection=SUN, shadow=0,
                flags=pybullet.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX,
                renderer=pybullet.ER_BULLET_HARDWARE_OPENGL if hardware
                else pybullet.ER_TINY_RENDERER,
                physicsClientId=self.clients[n].id,
            )  # fmt: skip
            marks = np.reshape(marks, (height, width))
            labels[i] = self._labels(marks)
            rgb[i] = np.reshape(image, (height, width, 4))[..., :3]
            rgb[i][marks < 0] = sky
            depth[i] = np.reshape(buffer, (height, width))
            depth[i][marks < 0] = 1.0
        # OpenGL's hyperbolic depth, [0, 1] -> metres
        seen = depth < 1
        metres = np.full(depth.shape, np.inf, np.float32)
        metres[seen] = FAR * NEAR / (FAR - (FAR - NEAR) * depth[seen])
        return rgb, metres, labels

    def _labels(self, marks: NDArray) -> NDArray[np.int32]:
        values, where = np.unique(marks, return_inverse=True)
        table = np.array([self._segment_of.get(int(v), 0) for v in values], np.int32)
        return table[where].reshape(marks.shape)

    def _paint(self, n: int) -> None:
        """Tell Bullet the colours that changed."""
        changed = (self._rgba[n] != self._painted[n]).any(axis=1)
        if not changed.any():
            return
        client, places = self.clients[n], list(self.layout.visuals.values())
        for k in np.flatnonzero(changed):
            tree, link, shape = places[k]
            pybullet.changeVisualShape(
                client.bodies[tree], link, shape, rgbaColor=self._rgba[n, k].tolist(),
                physicsClientId=client.id,
            )  # fmt: skip
        self._painted[n] = self._rgba[n]


def _frustum(fovy_deg: float, height: int, width: int, shift: float) -> list[float]:
    """Projection, column by column, of a view shifted by `shift` pixels to the right and down."""
    top = NEAR * np.tan(np.deg2rad(fovy_deg) / 2)
    pixel = 2 * top / height
    side, d = top * width / height, shift * pixel
    return list(pybullet.computeProjectionMatrix(-side + d, side + d, -top + d, top + d, NEAR, FAR))
