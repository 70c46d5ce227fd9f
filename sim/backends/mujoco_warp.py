"""MuJoCo Warp: the worlds of `mujoco.py` stepped on a CUDA device (or, for tests, on the CPU).

Everything but the stepping is MujocoWorld's. State lives here in numpy rows, goes to the device
before and comes back after the substeps of a control step: of 20 substeps that is little.
Numbers are float32 on the device, so that paths differ from `mujoco`'s, while a state that is saved
and restored replays to the bit.
"""

# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
# (mujoco is a C extension without type stubs; mujoco_warp is an extra)

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError, DependencyError
from octoworld.core.registry import register_backend

from ..scene import Scene
from .mujoco import DIVERGENCE, MujocoWorld

INTEGRATION = mujoco.mjtState.mjSTATE_INTEGRATION.value
DERIVED = ("xpos", "xquat", "site_xpos", "cvel", "subtree_com", "sensordata")
"""Arrays of the device that are mirrored after a forward pass."""
MAX_ROWS = 192
"""Constraint rows of a world: two blocks on a table, one in the hand, take about 100; beyond the
limit MuJoCo Warp leaves contacts out, and its own guess from the start state is too low."""
STATE_FIELDS = {
    "qpos": mujoco.mjtState.mjSTATE_QPOS, "qvel": mujoco.mjtState.mjSTATE_QVEL,
    "ctrl": mujoco.mjtState.mjSTATE_CTRL, "qacc_warmstart": mujoco.mjtState.mjSTATE_WARMSTART,
    "mocap_pos": mujoco.mjtState.mjSTATE_MOCAP_POS,
    "mocap_quat": mujoco.mjtState.mjSTATE_MOCAP_QUAT,
}  # fmt: skip
FOLLOW_FROM_MASS = ("body_subtreemass", "body_invweight0", "dof_invweight0", "actuator_acc0")
"""Model fields that `set_const` computes."""
LIMIT = 1e8
"""A number of the state beyond this has diverged; float32 on the device ends soon after."""


class WarpBatch:
    """The part of `mujoco.batch.Batch` that MujocoWorld uses, on a Warp device."""

    def __init__(self, model: Any, num_worlds: int, device: str) -> None:
        import mujoco_warp
        import warp

        self.model, self._n = model, num_worlds
        self._mjw, self._wp, self._device = mujoco_warp, warp, warp.get_device(device)
        size = mujoco.mj_stateSize(model, INTEGRATION)
        self.state = np.zeros((num_worlds, size))
        """(N, S) integration state."""
        self.warning = np.zeros((num_worlds, mujoco.mjtWarning.mjNWARNING.value, 2), np.int64)
        self._start = self._home(-1)
        self.state[:] = self._start
        with warp.ScopedDevice(self._device):
            self._m = mujoco_warp.put_model(model)
            self._d = mujoco_warp.make_data(model, nworld=num_worlds, njmax=MAX_ROWS)
            self._rows = warp.zeros((num_worlds, size), dtype=float)
        self._mirror = {name: self._pulled(name) for name in DERIVED if hasattr(self._d, name)}
        self._graphs: dict[int, Any] = {}
        self._expanded: dict[str, NDArray] = {}

    def bind(self, name: str) -> NDArray:
        """A live view (N, ...): part of `state`, or what the last forward pass gave."""
        if name in STATE_FIELDS:
            begin, size = self._place(STATE_FIELDS[name].value)
            view = self.state[:, begin : begin + size]
            return view.reshape(self._n, -1, {"mocap_pos": 3, "mocap_quat": 4}[name]) if (
                name.startswith("mocap")
            ) else view  # fmt: skip
        return self._mirror[name]

    def reset(self, ids: NDArray[np.int32] | None, keyframe: int, stage: int) -> None:
        """Worlds to a keyframe; nothing is computed (`stage` is none)."""
        del stage
        self.state[slice(None) if ids is None else ids] = self._home(keyframe)

    def step(self, ids: NDArray[np.int32] | None, nstep: int = 1) -> None:
        """`nstep` physics steps; worlds that are not in `ids` keep their state."""
        self._push()
        with self._wp.ScopedDevice(self._device):
            self._launch(nstep)
            self._mjw.get_state(self._m, self._d, self._rows, INTEGRATION)
        new = self._rows.numpy().astype(np.float64)
        where = slice(None) if ids is None else ids
        rows = new[where]
        lost = ~(np.abs(rows) < LIMIT).all(axis=1)
        if lost.any():
            rows[lost] = self._start
            every = np.arange(self._n)[where]
            self.warning[every[lost], DIVERGENCE[0], 1] += 1
        self.state[where] = rows

    def launch(self, nstep: int) -> None:
        """`nstep` physics steps on the device alone, waited for; `state` does not hear of them."""
        with self._wp.ScopedDevice(self._device):
            self._launch(nstep)
            self._wp.synchronize_device(self._device)

    def forward(self, ids: NDArray[np.int32] | None, stage: int) -> None:
        """Positions, velocities and, at the full stage, contacts of the worlds `ids`."""
        self._push()
        with self._wp.ScopedDevice(self._device):
            if stage == mujoco.mjtStage.mjSTAGE_ACC.value:
                self._mjw.forward(self._m, self._d)
            else:
                self._mjw.fwd_position(self._m, self._d)
                self._mjw.fwd_velocity(self._m, self._d)
        where = slice(None) if ids is None else ids
        for name, array in self._mirror.items():
            array[where] = self._pulled(name)[where]

    def expand(self, name: str) -> NDArray:
        """A model field with one row for each world, (N, ...), to be written in place."""
        if name not in self._expanded:
            self._expanded[name] = self._spread(name).numpy().astype(np.float64)
        return self._expanded[name]

    def set_const(self, ids: NDArray[np.int32]) -> None:
        """Recompute what follows from masses (of all worlds)."""
        del ids
        for name in FOLLOW_FROM_MASS:
            self._spread(name)  # one row would be computed from world 0 and hold for all
        self._push()
        with self._wp.ScopedDevice(self._device):
            self._mjw.set_const(self._m, self._d)

    # -- inside ----------------------------------------------------------------------------------

    def _home(self, keyframe: int) -> NDArray[np.float64]:
        data = mujoco.MjData(self.model)
        if 0 <= keyframe < self.model.nkey:
            mujoco.mj_resetDataKeyframe(self.model, data, keyframe)
        row = np.zeros(self.state.shape[1])
        mujoco.mj_getState(self.model, data, row, INTEGRATION)
        return row

    def _place(self, part: int) -> tuple[int, int]:
        """Where a component of the integration state begins, and its size."""
        before = INTEGRATION & (part - 1)
        begin = mujoco.mj_stateSize(self.model, before) if before else 0
        return begin, mujoco.mj_stateSize(self.model, part)

    def _field(self, name: str) -> tuple[Any, str]:
        return (self._m.opt, name.removeprefix("opt.")) if name.startswith("opt.") else (
            self._m, name
        )  # fmt: skip

    def _spread(self, name: str) -> Any:
        """The device's array of a model field, with a row for each world from now on."""
        owner, field = self._field(name)
        array = getattr(owner, field)
        if array.shape[0] != self._n:
            rows = np.repeat(array.numpy()[:1], self._n, axis=0)
            with self._wp.ScopedDevice(self._device):
                array = self._wp.array(rows, dtype=array.dtype)
            setattr(owner, field, array)
            self._graphs.clear()  # they hold the array that was there before
        return array

    def _push(self) -> None:
        with self._wp.ScopedDevice(self._device):
            for name, values in self._expanded.items():
                owner, field = self._field(name)
                getattr(owner, field).assign(values.astype(np.float32))
            self._rows.assign(self.state.astype(np.float32))
            self._mjw.set_state(self._m, self._d, self._rows, INTEGRATION)

    def _pulled(self, name: str) -> NDArray[np.float64]:
        return getattr(self._d, name).numpy().astype(np.float64)

    def _launch(self, nstep: int) -> None:
        if self._device.is_cuda:
            self._wp.capture_launch(self._captured(nstep))
            return
        for _ in range(nstep):
            self._mjw.step(self._m, self._d)

    def _captured(self, nstep: int) -> Any:
        """A CUDA graph of `nstep` steps: launching thousands of kernels costs more than they do."""
        if nstep not in self._graphs:
            self._mjw.step(self._m, self._d)  # compiles; the state is pushed anew below
            with self._wp.ScopedCapture() as capture:
                for _ in range(nstep):
                    self._mjw.step(self._m, self._d)
            self._graphs[nstep] = capture.graph
            self._push()
        return self._graphs[nstep]


@register_backend("mujoco_warp")
class MujocoWarpWorld(MujocoWorld):
    """MujocoWorld on a CUDA device; `device="cpu"` runs the same code slowly, for tests.

    Scenes with rotorcraft are not for it: `rotorcraft` flies them on the GPU.
    """

    def __init__(
        self,
        scene: Scene,
        num_worlds: int,
        num_threads: int | None = None,
        *,
        device: str | None = None,
    ) -> None:
        """Compile `scene` and copy it `num_worlds` times.

        Args:
            scene: without rotorcraft.
            num_worlds: N.
            num_threads: not used.
            device: "cuda:0", "cpu"; None takes a CUDA device where there is one.

        Raises:
            DependencyError: mujoco_warp is not installed.
            ConfigError: the scene has rotorcraft, or MuJoCo Warp cannot simulate it.
        """
        try:
            import warp
        except ImportError:
            raise DependencyError(
                "backend mujoco_warp needs mujoco-warp: pip install 'octoworld[gpu]'"
            ) from None
        if any(placed.spec.rotorcraft is not None for placed in scene.robots):
            raise ConfigError("mujoco_warp has no rotorcraft: take backend 'rotorcraft'")
        warp.config.log_level = warp.LOG_WARNING  # it would tell of each kernel it compiles
        self._device = device or ("cuda:0" if warp.is_cuda_available() else "cpu")
        try:
            super().__init__(scene, num_worlds, num_threads)
        except NotImplementedError as error:
            raise ConfigError(f"mujoco_warp cannot simulate {scene.name!r}: {error}") from None

    def _make_batch(self, model: Any) -> Any:
        return WarpBatch(model, self.num_worlds, self._device)
