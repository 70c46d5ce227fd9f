"""Offscreen: the one owner of OpenGL contexts for MuJoCo images, one for each image size."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

import atexit
import importlib
import os
import platform
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import RenderError

from ..scene import Scene
from ..segments import segment_of_geom
from .mjcf import HIDDEN_GROUP
from .mujoco_looks import MujocoLooks

INSTALL_HINT = "apt-get install libegl1 libgl1 libosmesa6"
ADVICE = f"On Debian or Ubuntu: {INSTALL_HINT}. Or set MUJOCO_GL to egl, osmesa or glfw."


def gl_names() -> tuple[str, ...]:
    """OpenGL backends to try, in order: `MUJOCO_GL` alone when it is set."""
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    if asked:
        return (asked,)
    if platform.system() != "Linux":
        return ("native",)
    # off-screen first: with a display too, a window system context gives nothing here
    return ("egl", "osmesa")


def make_gl_context(width: int, height: int) -> tuple[str, Any]:
    """A current OpenGL context and the name of the backend that gave it.

    Raises:
        RenderError: none could be started; the message says what to install.
    """
    failures = []
    for name in gl_names():
        chosen = os.environ.get("PYOPENGL_PLATFORM")
        try:
            if name in ("egl", "osmesa"):
                module = importlib.import_module(f"mujoco.{name}")
            else:
                module = importlib.import_module("mujoco.rendering.classic.gl_context")
            context = module.GLContext(width, height)
            context.make_current()
            if name == "osmesa":  # MuJoCo's own loader of OpenGL functions reads it too
                os.environ["MUJOCO_GL"] = name
            return name, context
        except Exception as error:  # each library fails in its own way; all are reported below
            failures.append(f"{name}: {type(error).__name__}: {str(error).strip()[:200]}")
            if chosen is None:
                _forget(name)
    raise RenderError(f"no off-screen OpenGL could be started ({'; '.join(failures)}). {ADVICE}")


def let_go(name: str) -> None:
    """Leave this thread without a current context, so that other threads can use it."""
    if name == "egl":
        egl = importlib.import_module("mujoco.egl")
        none = egl.EGL.EGL_NO_SURFACE
        egl.EGL.eglMakeCurrent(egl.EGL_DISPLAY, none, none, egl.EGL.EGL_NO_CONTEXT)
    elif name == "osmesa":
        osmesa = importlib.import_module("mujoco.osmesa")
        osmesa.osmesa.OSMesaMakeCurrent(None, None, osmesa.GL.GL_FLOAT, 0, 0)
    elif glfw := sys.modules.get("glfw"):
        glfw.make_context_current(None)


def _forget(name: str) -> None:
    """Undo the choice that PyOpenGL makes for good on import, so that another can follow."""
    os.environ.pop("PYOPENGL_PLATFORM", None)
    for module in [m for m in sys.modules if m.split(".")[0] == "OpenGL"]:
        del sys.modules[module]
    for module in [m for m in sys.modules if m.startswith(f"mujoco.{name}")]:
        del sys.modules[module]


class _Target:
    """An OpenGL context and MuJoCo's resources in it, for images of one size.

    `exact`: one sample a pixel, since antialiasing would mix the depths and ids of two things.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int, exact: bool) -> None:
        self.name, self.gl = make_gl_context(width, height)
        self.rect = mujoco.MjrRect(0, 0, width, height)
        quality, limit = model.vis.quality, model.vis.global_
        kept = quality.offsamples, limit.offheight, limit.offwidth
        if exact:
            quality.offsamples = 0
        # no larger than the images: the whole buffer is cleared for each of them
        limit.offheight, limit.offwidth = height, width
        try:
            self.context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except mujoco.FatalError as error:  # a context of the window system without a display
            raise RenderError(
                f"off-screen OpenGL by {self.name!r} does not work: {error}. {ADVICE}"
            ) from None
        finally:
            quality.offsamples, limit.offheight, limit.offwidth = kept
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.context)
        # reversed depth keeps its precision far away
        self.context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR.value

    def free(self) -> None:
        """Free the resources in their own context: another one may be current by now."""
        self.gl.make_current()
        self.context.free()
        self.gl.free()  # lets go of it, too


def _free(targets: dict[tuple[int, int, bool], _Target]) -> None:
    while targets:
        targets.popitem()[1].free()


def geom_segments(model: mujoco.MjModel, scene: Scene) -> NDArray[np.int32]:
    """Segment of every geom of `scene`'s model, (ngeom,); see `sim.segments`."""
    ids = segment_of_geom(scene)
    return np.array([ids.get(model.geom(i).name, 0) for i in range(model.ngeom)], np.int32)


@contextmanager
def _ids_as_colors(scene: mujoco.MjvScene) -> Iterator[None]:
    """Draw each geom in one colour that is its number, without light and sky."""
    flags = scene.flags.copy()
    scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT.value] = True
    scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR.value] = True
    scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX.value] = False
    try:
        yield
    finally:
        scene.flags[:] = flags


class Offscreen:
    """Draws states of one model. Contexts are made on first use and freed together by `close`.

    A context that is freed while another is current takes that one's resources with it, and
    later images are silently wrong; so contexts are owned here alone and never replaced.
    Threads may draw in turn: a context is current for as long as something is drawn.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model = model
        self._data = mujoco.MjData(model)
        self._scene: mujoco.MjvScene | None = None
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 1
        self._option.geomgroup[HIDDEN_GROUP] = 0
        self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED.value
        self._targets: dict[tuple[int, int, bool], _Target] = {}
        self._lock = threading.Lock()
        # a forgotten owner frees its contexts too, in the right order
        self._finalizer = weakref.finalize(self, _free, self._targets)
        self._finalizer.atexit = False

    def render(
        self,
        rows: NDArray[np.float64],
        rgba: NDArray[np.float32],
        camera: int,
        size: tuple[int, int],
        looks: tuple[MujocoLooks, NDArray[np.float64]] | None = None,
        *,
        exact: bool = False,
    ) -> NDArray[np.uint8]:
        """Images of integration-state rows (n, S) with geom colours (n, ngeom, 4): (n, H, W, 3).

        `looks` and their values (n, L) say how each world looks other than built; `exact` takes
        one sample a pixel.

        Raises:
            RenderError: no OpenGL, or `size` is beyond the model's off-screen buffer.
        """
        images = np.empty((len(rows), *size, 3), np.uint8)
        with self._drawing(camera, size, exact) as (target, scene):
            for i, (row, colors, image) in enumerate(zip(rows, rgba, images, strict=True)):
                self.model.geom_rgba[:] = colors
                other = looks[0].drawn(self.model, looks[1][i], camera) if looks else nullcontext()
                with other:
                    self._place(row, scene)
                mujoco.mjr_render(target.rect, scene, target.context)
                mujoco.mjr_readPixels(image, None, target.rect, target.context)
        return images[:, ::-1].copy()  # OpenGL's first row is the lowest

    def depth(
        self,
        rows: NDArray[np.float64],
        rgba: NDArray[np.float32],
        camera: int,
        size: tuple[int, int],
    ) -> NDArray[np.float32]:
        """Distance along the optical axis [m] in state rows (n, S): (n, H, W), inf for the sky.

        Of the colours (n, ngeom, 4) only the opacity matters: what is clear is not there.
        """
        images = np.empty((len(rows), *size), np.float32)
        scale = self.model.stat.extent
        near, far = self.model.vis.map.znear * scale, self.model.vis.map.zfar * scale
        with self._drawing(camera, size, exact=True) as (target, scene):
            for row, colors, image in zip(rows, rgba, images, strict=True):
                self.model.geom_rgba[:] = colors
                self._place(row, scene)
                with _ids_as_colors(scene):
                    mujoco.mjr_render(target.rect, scene, target.context)
                mujoco.mjr_readPixels(None, image, target.rect, target.context)
        # d = near (far / z - 1) / (far - near): 1 at the near plane, 0 at the far one
        d = images[:, ::-1].astype(np.float64)
        metres = far * near / (d * (far - near) + near)
        return np.where(d > 0, metres, np.inf).astype(np.float32)

    def segmentation(
        self,
        rows: NDArray[np.float64],
        rgba: NDArray[np.float32],
        camera: int,
        size: tuple[int, int],
        segment_of_geom: NDArray[np.int32],
    ) -> NDArray[np.int32]:
        """`segment_of_geom` (ngeom,) of what each pixel shows in state rows (n, S): (n, H, W).

        The sky is 0; of the colours (n, ngeom, 4) only the opacity matters.
        """
        images = np.empty((len(rows), *size, 3), np.uint8)
        out = np.empty((len(rows), *size), np.int32)
        with self._drawing(camera, size, exact=True) as (target, scene):
            for row, colors, image, ids in zip(rows, rgba, images, out, strict=True):
                self.model.geom_rgba[:] = colors
                self._place(row, scene)
                with _ids_as_colors(scene):
                    mujoco.mjr_render(target.rect, scene, target.context)
                mujoco.mjr_readPixels(image, None, target.rect, target.context)
                # MuJoCo colours a geom by 1 + its place in the drawing list; 0 is the sky
                table = np.zeros(scene.ngeom + 1, np.int32)
                for geom in scene.geoms[: scene.ngeom]:
                    if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.segid >= 0:
                        table[geom.segid + 1] = segment_of_geom[geom.objid]
                ids[...] = table[image[::-1].astype(np.int32) @ (1, 1 << 8, 1 << 16)]
        return out

    @contextmanager
    def _drawing(
        self, camera: int, size: tuple[int, int], exact: bool
    ) -> Iterator[tuple[_Target, mujoco.MjvScene]]:
        """The target of a size and the drawing list; its context is current, for one thread."""
        height, width = size
        limit = self.model.vis.global_
        if not (0 < height <= limit.offheight and 0 < width <= limit.offwidth):
            raise RenderError(
                f"image size {size} (H, W): expected 1..{limit.offheight}, 1..{limit.offwidth}"
            )
        key = (height, width, exact)
        with self._lock:
            if key not in self._targets:
                self._targets[key] = _Target(self.model, height, width, exact)
                if len(self._targets) == 1:
                    # registered after the first context, so that it runs before EGL's own farewell
                    atexit.register(_free, self._targets)
            target = self._targets[key]
            if self._scene is None:
                self._scene = mujoco.MjvScene(self.model, maxgeom=self.model.ngeom + 100)
            target.gl.make_current()
            self._camera.fixedcamid = camera
            try:
                yield target, self._scene
            finally:
                let_go(target.name)

    def _place(self, row: NDArray[np.float64], scene: mujoco.MjvScene) -> None:
        """Fill the drawing list with a state."""
        model, data = self.model, self._data
        mujoco.mj_setState(model, data, row, mujoco.mjtState.mjSTATE_INTEGRATION.value)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        if model.ntendon:  # where cables run
            mujoco.mj_comPos(model, data)
            mujoco.mj_tendon(model, data)
        mujoco.mjv_updateScene(
            model, data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL.value, scene
        )

    def close(self) -> None:
        """Free every context; the next image makes new ones."""
        _free(self._targets)
