"""Offscreen: the one owner of OpenGL contexts for MuJoCo images, one for each image size."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

import atexit
import importlib
import os
import platform
import sys
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import RenderError

from .mjcf import HIDDEN_GROUP

INSTALL_HINT = "apt-get install libegl1 libgl1 libosmesa6"


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
    raise RenderError(
        f"no off-screen OpenGL could be started ({'; '.join(failures)}). "
        f"On Debian or Ubuntu: {INSTALL_HINT}. Or set MUJOCO_GL to egl, osmesa or glfw."
    )


def _forget(name: str) -> None:
    """Undo the choice that PyOpenGL makes for good on import, so that another can follow."""
    os.environ.pop("PYOPENGL_PLATFORM", None)
    for module in [m for m in sys.modules if m.split(".")[0] == "OpenGL"]:
        del sys.modules[module]
    for module in [m for m in sys.modules if m.startswith(f"mujoco.{name}")]:
        del sys.modules[module]


class _Target:
    """An OpenGL context and MuJoCo's resources in it, for images of one size."""

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        self.name, self.gl = make_gl_context(width, height)
        self.rect = mujoco.MjrRect(0, 0, width, height)
        self.context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.context)

    def free(self) -> None:
        """Free the resources in their own context: another one may be current by now."""
        self.gl.make_current()
        self.context.free()
        self.gl.free()


def _free(targets: dict[tuple[int, int], _Target]) -> None:
    while targets:
        targets.popitem()[1].free()


class Offscreen:
    """Draws states of one model. Contexts are made on first use and freed together by `close`.

    A context that is freed while another is current takes that one's resources with it, and
    later images are silently wrong; so contexts are owned here alone and never replaced.
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
        self._targets: dict[tuple[int, int], _Target] = {}
        # a forgotten owner frees its contexts too, in the right order
        self._finalizer = weakref.finalize(self, _free, self._targets)
        self._finalizer.atexit = False

    def render(
        self,
        rows: NDArray[np.float64],
        rgba: NDArray[np.float32],
        camera: int,
        size: tuple[int, int],
    ) -> NDArray[np.uint8]:
        """Images of integration-state rows (n, S) with geom colours (n, ngeom, 4): (n, H, W, 3).

        Raises:
            RenderError: no OpenGL, or `size` is beyond the model's off-screen buffer.
        """
        height, width = size
        limit = self.model.vis.global_
        if not (0 < height <= limit.offheight and 0 < width <= limit.offwidth):
            raise RenderError(
                f"image size {size} (H, W): expected 1..{limit.offheight}, 1..{limit.offwidth}"
            )
        if size not in self._targets:
            self._targets[size] = _Target(self.model, height, width)
            if len(self._targets) == 1:
                # registered after the first context, so that it runs before EGL's own farewell
                atexit.register(_free, self._targets)
        if self._scene is None:
            self._scene = mujoco.MjvScene(self.model, maxgeom=self.model.ngeom + 100)
        target, scene, model, data = self._targets[size], self._scene, self.model, self._data
        target.gl.make_current()
        self._camera.fixedcamid = camera
        state = mujoco.mjtState.mjSTATE_INTEGRATION.value
        images = np.empty((len(rows), height, width, 3), np.uint8)
        for row, colors, image in zip(rows, rgba, images, strict=True):
            mujoco.mj_setState(model, data, row, state)
            mujoco.mj_kinematics(model, data)
            mujoco.mj_camlight(model, data)
            model.geom_rgba[:] = colors
            mujoco.mjv_updateScene(
                model, data, self._option, None, self._camera,
                mujoco.mjtCatBit.mjCAT_ALL.value, scene,
            )  # fmt: skip
            mujoco.mjr_render(target.rect, scene, target.context)
            mujoco.mjr_readPixels(image, None, target.rect, target.context)
        return images[:, ::-1].copy()  # OpenGL's first row is the lowest

    def close(self) -> None:
        """Free every context; the next image makes new ones."""
        _free(self._targets)
