"""MuJoCo on the CPU: N worlds stepped by `mujoco.batch.Batch`, no Python loop over worlds."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import ArrayLike, NDArray

from octoworld.core.cpus import usable_cpus
from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_backend
from octoworld.core.rotations import matrix_from_quat, quat_multiply

from ..rotors.algebra import unrotate
from ..rotors.fleet import fleet
from ..rotors.flight import Flight, FlightState
from ..scene import Scene
from ..segments import segment_names
from ..world import Mask, Snapshot
from .mjcf import scene_xml, with_contact_sensors
from .mujoco_compiled import velocity_at
from .mujoco_flight import MujocoFlight
from .mujoco_parameters import MujocoParameters
from .names import Names
from .offscreen import Offscreen, geom_segments

DIVERGENCE = [
    mujoco.mjtWarning.mjWARN_BADQPOS.value, mujoco.mjtWarning.mjWARN_BADQVEL.value,
    mujoco.mjtWarning.mjWARN_BADQACC.value, mujoco.mjtWarning.mjWARN_BADCTRL.value,
]  # fmt: skip
_VELOCITY_STAGE = mujoco.mjtStage.mjSTAGE_VEL.value
_FULL_STAGE = mujoco.mjtStage.mjSTAGE_ACC.value
_WORLDS_PER_THREAD = 8
"""Fewer worlds than this a thread cost more in hand-over than they gain."""


def default_threads(num_worlds: int) -> int:
    """Threads for a batch: the CPUs this process may use, fewer for few worlds."""
    return max(1, min(usable_cpus(), num_worlds // _WORLDS_PER_THREAD))


@register_backend("mujoco")
class MujocoWorld:
    """The World of `sim/world.py` on MuJoCo. Names are those of the Scene, with robots' prefixes.

    `diverged` (N,) bool marks worlds whose state left the finite range since their last reset;
    such a world has been put back into the initial state.
    """

    xp: Any = np

    def __init__(self, scene: Scene, num_worlds: int, num_threads: int | None = None) -> None:
        """Compile `scene` and copy it `num_worlds` times; `num_threads` None chooses.

        Raises:
            ConfigError: the scene does not compile, or a count is not positive.
        """
        if num_worlds < 1 or (num_threads is not None and num_threads < 1):
            raise ConfigError(
                f"num_worlds {num_worlds} and num_threads {num_threads} must be at least 1"
            )
        self.scene, self.num_worlds = scene, num_worlds
        self.num_threads = num_threads or default_threads(num_worlds)
        self.xml = scene_xml(scene)
        self.model = mujoco.MjModel.from_xml_string(self.xml)
        servos = tuple(self.model.actuator(i).name for i in range(self.model.nu))
        drones = fleet(scene)
        self._air = None
        if drones is not None:
            self._air = MujocoFlight(Flight(scene, drones, num_worlds), self.model)
        rotors = () if drones is None else drones.control_names
        self.control_names, self._num_rotors = (*rotors, *servos), len(rotors)
        self.diverged = np.zeros(num_worlds, bool)
        self.revision = 0
        """Changes whenever anything that can be read may have: who keeps what was read compares."""
        self._rgba = np.repeat(self.model.geom_rgba[None], num_worlds, axis=0)
        self._offscreen: Offscreen | None = None
        self._contact_pairs: list[tuple[str, str]] = []
        self._names = Names(self.model)
        self._owner, self._root = self.model.site_bodyid.tolist(), self.model.body_rootid.tolist()
        self._turned = (self.model.site_quat[:, 0] != 1).tolist()
        self._shares = MujocoParameters(scene, self.model, num_worlds)
        self._masks: dict[frozenset[str], NDArray[np.bool_]] = {}
        self._bind(self._make_batch(self.model))
        self.reset()

    def _make_batch(self, model: Any) -> Any:
        """What steps the worlds: a `Batch`, or something with its methods."""
        return Batch(model, self.num_worlds, self.num_threads)

    def _bind(self, batch: Batch) -> None:
        self.batch = batch
        self._rows = batch.state
        self._qpos, self._qvel = batch.bind("qpos"), batch.bind("qvel")
        self._ctrl, self._warmstart = batch.bind("ctrl"), batch.bind("qacc_warmstart")
        self._mocap_pos, self._mocap_quat = batch.bind("mocap_pos"), batch.bind("mocap_quat")
        self._xpos, self._xquat = batch.bind("xpos"), batch.bind("xquat")
        self._site_xpos = batch.bind("site_xpos")
        self._cvel, self._com = batch.bind("cvel"), batch.bind("subtree_com")
        self._sensors = batch.bind("sensordata") if batch.model.nsensordata else None
        if self._air is not None:
            self._air.bind(batch)
        # contacts are known after the full forward pass only
        self._stage = _VELOCITY_STAGE if self._sensors is None else _FULL_STAGE
        self._shares.bind(batch)
        self._warnings = batch.warning[:, :, 1]
        self._warned = self._warnings.copy()

    # -- time ------------------------------------------------------------------------------------

    def reset(self, mask: Mask | None = None) -> None:
        """Masked worlds (default all) to the scene's initial state and colours, robots at home."""
        ids = self._ids(mask)
        self.batch.reset(ids, keyframe=0, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        where = slice(None) if ids is None else ids
        self._rgba[where] = self.model.geom_rgba
        self.diverged[where] = False
        if self._air is not None:
            self._air.reset(mask)
        self._forward(ids)

    def step(self, control: ArrayLike, substeps: int, mask: Mask | None = None) -> None:
        """Hold `control` (N, U) for `substeps` steps; worlds outside `mask` stand still."""
        ids = self._ids(mask)
        if self._air is not None:
            control = np.asarray(control, float)
            rotors, control = control[:, : self._num_rotors], control[:, self._num_rotors :]
        if ids is None:
            self._ctrl[...] = control
        else:
            self._ctrl[ids] = np.asarray(control)[ids]
        if self._air is None:
            self.batch.step(ids, substeps)
        else:
            self._air.step(ids, rotors, substeps, mask)
        self._forward(ids)

    def refresh(self, mask: Mask | None = None) -> None:
        """Recompute poses, velocities and contacts after writes; the state keeps every bit."""
        self._forward(self._ids(mask))

    def _forward(self, ids: NDArray[np.int32] | None) -> None:
        self.revision += 1
        if self._stage == _VELOCITY_STAGE:
            self.batch.forward(ids, stage=self._stage)
        else:
            # the solver leaves its solution as the next warm start; looking must not change a world
            kept = self._warmstart.copy()
            self.batch.forward(ids, stage=self._stage)
            self._warmstart[...] = kept
        changed = self._warnings != self._warned
        if not changed.any():
            return
        self._warned = self._warnings.copy()
        bad = changed[:, DIVERGENCE].any(axis=1)
        if bad.any():
            # MuJoCo has reset such a world to its model's zero, not to the robots' home
            self.reset(bad)
            self.diverged |= bad

    # -- reads -----------------------------------------------------------------------------------

    def pose(self, body: str) -> NDArray:
        """World pose of a body or site, (N, 7) [m, quat_wxyz]."""
        is_site, index = self._names.frame(body)
        if not is_site:
            return np.concatenate([self._xpos[:, index], self._xquat[:, index]], axis=1)
        quat = self._xquat[:, self._owner[index]]
        if self._turned[index]:
            quat = quat_multiply(quat, self.model.site_quat[index])
        return np.concatenate([self._site_xpos[:, index], quat], axis=1)

    def velocity(self, body: str) -> NDArray:
        """World linear and angular velocity at a body's or site's origin, (N, 6) [m/s, rad/s]."""
        is_site, index = self._names.frame(body)
        owner = self._owner[index] if is_site else index
        points = self._site_xpos if is_site else self._xpos
        out = np.empty((self.num_worlds, 6))
        velocity_at(self._cvel, points, self._com, owner, index, self._root[owner], out)
        return out

    def joint_position(self, *joints: str) -> NDArray:
        """(N, len(joints)) [rad] or [m]."""
        return self._qpos[:, self._names.joints(joints)[0]]

    def joint_velocity(self, *joints: str) -> NDArray:
        """(N, len(joints)) [rad/s] or [m/s]."""
        return self._qvel[:, self._names.joints(joints)[1]]

    def contacts(self, a: str, b: str) -> NDArray[np.bool_]:
        """Whether `a` touches `b` (body trees, or geoms such as a table top), (N,) bool.

        The first question about a pair compiles a sensor for it; later ones read an array.
        """
        if (a, b) not in self._contact_pairs:
            self._add_contact_pair(a, b)
        assert self._sensors is not None
        return self._sensors[:, self._contact_pairs.index((a, b))] > 0

    def color(self, geom: str) -> NDArray:
        """(N, 4) in [0, 1]."""
        return self._rgba[:, self._names.index("geom", geom)].copy()

    # -- writes ----------------------------------------------------------------------------------

    def set_pose(self, body: str, pose: ArrayLike, mask: Mask | None = None) -> None:
        """Place a free or movable-base body; `pose` is (n, 7), n = masked worlds. Speed becomes 0.

        Raises:
            ConfigError: the body is neither free nor a movable base, or a quaternion is 0.
        """
        self.revision += 1
        index = self._names.index("body", body)
        where = slice(None) if mask is None else np.asarray(mask, bool)
        pose = np.asarray(pose, float)
        length = np.linalg.norm(pose[..., 3:], axis=-1, keepdims=True)
        if not (length > 0).all():
            raise ConfigError(f"set_pose({body!r}): a quaternion of length 0")
        quat = pose[..., 3:] / length
        mocap, joint = int(self.model.body_mocapid[index]), int(self.model.body_jntadr[index])
        if mocap >= 0:
            self._mocap_pos[where, mocap] = pose[..., :3]
            self._mocap_quat[where, mocap] = quat
        elif joint >= 0 and self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            q, v = int(self.model.jnt_qposadr[joint]), int(self.model.jnt_dofadr[joint])
            self._qpos[where, q : q + 3] = pose[..., :3]
            self._qpos[where, q + 3 : q + 7] = quat
            self._qvel[where, v : v + 6] = 0.0
            if self._air is not None:
                self._air.placed(body, where)
        else:
            raise ConfigError(f"set_pose({body!r}): the body is neither free nor a movable base")

    def set_velocity(self, body: str, velocity: ArrayLike, mask: Mask | None = None) -> None:
        """World linear and angular velocity (n, 6) of a free body at its origin [m/s, rad/s]."""
        index = self._names.index("body", body)
        joint = int(self.model.body_jntadr[index])
        if joint < 0 or self.model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
            raise ConfigError(f"set_velocity({body!r}): the body is not free")
        self.revision += 1
        where = slice(None) if mask is None else np.asarray(mask, bool)
        velocity = np.asarray(velocity, float)
        q, v = int(self.model.jnt_qposadr[joint]), int(self.model.jnt_dofadr[joint])
        turn = matrix_from_quat(self._qpos[where, q + 3 : q + 7])
        self._qvel[where, v : v + 3] = velocity[..., :3]
        # a free joint's rates are the body's
        self._qvel[where, v + 3 : v + 6] = unrotate(turn, velocity[..., 3:])
        if self._air is not None:
            self._air.read()

    def set_joint_position(
        self, joints: tuple[str, ...], value: ArrayLike, mask: Mask | None = None
    ) -> None:
        """Set joint positions (n, len(joints)), speed 0, and the targets of their servos."""
        self.revision += 1
        where = slice(None) if mask is None else np.flatnonzero(mask)
        qpos, qvel = self._names.joints(joints)
        value = np.asarray(value, float)
        count = self.num_worlds if mask is None else len(where)  # type: ignore[arg-type]
        value = np.broadcast_to(value, (count, len(joints)))
        driven = self.model.jnt_qposadr[self.model.actuator_trnid[:, 0]]
        for i, (q, v) in enumerate(zip(qpos, qvel, strict=True)):
            self._qpos[where, q] = value[:, i]
            self._qvel[where, v] = 0.0
            for actuator in np.flatnonzero(driven == q):
                self._ctrl[where, actuator] = value[:, i]

    def set_color(self, geom: str, rgba: ArrayLike, mask: Mask | None = None) -> None:
        """Colour of a geom per world, (n, 4) in [0, 1]."""
        where = slice(None) if mask is None else np.asarray(mask, bool)
        self._rgba[where, self._names.index("geom", geom)] = rgba

    @property
    def parameters(self) -> tuple[str, ...]:
        """What `set_parameters` takes in a scene without rotorcraft; see `MujocoParameters`."""
        return self._shares.names

    @property
    def flight(self) -> FlightState:
        """State of the drones: live views, (N, A, ...); see `FlyingWorld`."""
        return self._flying().flight.view

    def set_rotor_speed(self, speed: ArrayLike, mask: Mask | None = None) -> None:
        """See `FlyingWorld`."""
        self.flight.rotor_speed[slice(None) if mask is None else mask] = np.asarray(speed)

    def set_parameters(self, values: Mapping[str, ArrayLike], mask: Mask | None = None) -> None:
        """Physics of the masked worlds by name: `parameters`, and see `FlyingWorld`."""
        ids = self._ids(mask)
        if self._air is not None:
            self._air.set_parameters(None if mask is None else np.asarray(mask), values)
        else:
            self._shares.set(values, np.arange(self.num_worlds) if ids is None else ids)

    def _flying(self) -> MujocoFlight:
        if self._air is None:
            raise ConfigError(f"scene {self.scene.name!r} has no rotorcraft")
        return self._air

    # -- images ----------------------------------------------------------------------------------

    def render(
        self,
        camera: str,
        worlds: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
        *,
        without: frozenset[str] = frozenset(),
        exact: bool = False,
    ) -> NDArray[np.uint8]:
        """Images of the listed worlds (default all), (n, H, W, 3); `size` is (H, W).

        Names (of `segments`) in `without` are not drawn: what a camera cannot see anyway costs time
        all the same. `exact` takes one sample a pixel, for images that are made smaller anyway.

        Raises:
            RenderError: no off-screen OpenGL, or the size is too large.
        """
        where = slice(None) if worlds is None else np.asarray(worlds)
        offscreen, rows, index, size = self._view(camera, where, size)
        looks = self._shares.look_values
        drawn = None if looks is None else (self._shares.looks, looks[where])
        rgba = self._rgba[where]
        if without:
            rgba = np.where(self._is_of(without)[:, None], np.float32(0), rgba)
        return offscreen.render(rows, rgba, index, size, drawn, exact=exact)

    def _is_of(self, names: frozenset[str]) -> NDArray[np.bool_]:
        """(ngeom,) whether a geom belongs to one of some segments."""
        if names not in self._masks:
            ids = [i for i, name in enumerate(self.segments) if name in names]
            self._masks[names] = np.isin(geom_segments(self.model, self.scene), ids)
        return self._masks[names]

    # -- whole state -----------------------------------------------------------------------------

    def get_state(self) -> NDArray[np.float64]:
        """(N, S): MuJoCo's integration state, the geoms' colours, the drones' rotors and air.

        And, once `set_parameters` has set any, the shares.
        """
        parts = [self._rows, self._rgba.reshape(self.num_worlds, -1)]
        if self._air is not None:
            parts.append(self._air.flight.rows(poses=False))
        if self._shares.active:
            parts.append(self._shares.values)
        return np.concatenate(parts, axis=1)

    def set_state(self, state: ArrayLike, mask: Mask | None = None) -> None:
        """Write rows (n, S) of `get_state` into the masked worlds and refresh.

        Raises:
            ConfigError: the rows are of another scene.
        """
        ids = self._ids(mask)
        count = self.num_worlds if ids is None else len(ids)
        state = np.asarray(state, np.float64)
        split = self._rows.shape[1]
        end = split + 4 * self.model.ngeom
        # rows from before any share was set mean the scene's own
        more = state.shape[-1] - end if state.ndim == 2 else -1
        if (
            len(state) != count
            or more < 0
            or (self._air is None and more not in (0, len(self.parameters)))
        ):
            raise ConfigError(f"set_state: got shape {state.shape}, expected {(count, end)}")
        where = slice(None) if ids is None else ids
        self._rows[where] = state[:, :split]
        self._rgba[where] = state[:, split:end].reshape(count, -1, 4)
        if self._air is not None:
            self._air.set_rows(state[:, end:], where)
        elif more or self._shares.active:
            self._shares.set_rows(
                state[:, end:] if more else np.tile(self._shares.nominal, (count, 1)), where
            )
        self.diverged[where] = False
        self._forward(ids)

    def snapshot(self) -> Snapshot:
        """All worlds' state."""
        return Snapshot(self.get_state())

    def restore(self, snapshot: Snapshot) -> None:
        """Undo everything since `snapshot`."""
        self.set_state(snapshot.state)

    def close(self) -> None:
        """Free the OpenGL contexts; the next `render` makes new ones."""
        if self._offscreen is not None:
            self._offscreen.close()

    # -- inside ----------------------------------------------------------------------------------

    def _ids(self, mask: Mask | None) -> NDArray[np.int32] | None:
        if mask is None:
            return None
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.num_worlds,):
            raise ConfigError(
                f"mask of shape {mask.shape}, {mask.dtype}: expected ({self.num_worlds},) bool"
            )
        return np.flatnonzero(mask).astype(np.int32)

    def _add_contact_pair(self, a: str, b: str) -> None:
        pairs = [*self._contact_pairs, (a, b)]
        model = mujoco.MjModel.from_xml_string(with_contact_sensors(self.xml, pairs))
        batch = self._make_batch(model)
        batch.state[...] = self._rows
        self._contact_pairs = pairs
        self._bind(batch)
        self._forward(None)

    # -- depth and segmentation ------------------------------------------------------------------

    @property
    def segments(self) -> tuple[str, ...]:
        """Names by id of what `render_segmentation` shows; 0 is the background."""
        return segment_names(self.scene)

    def render_depth(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Distance along the optical axis [m], (n, H, W); inf where nothing is seen."""
        where = slice(None) if worlds is None else np.asarray(worlds)
        offscreen, rows, index, size = self._view(camera, where, size)
        return offscreen.depth(rows, self._rgba[where], index, size)

    def render_segmentation(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.int32]:
        """Index into `segments` of what each pixel shows, (n, H, W)."""
        where = slice(None) if worlds is None else np.asarray(worlds)
        offscreen, rows, index, size = self._view(camera, where, size)
        table = geom_segments(self.model, self.scene)
        return offscreen.segmentation(rows, self._rgba[where], index, size, table)

    def _view(
        self, camera: str, where: Any, size: tuple[int, int] | None
    ) -> tuple[Offscreen, NDArray[np.float64], int, tuple[int, int]]:
        index = self._names.index("camera", camera)
        if size is None:
            width, height = self.model.cam_resolution[index]
            size = (int(height), int(width))
        if self._offscreen is None:
            # its own copy: drawing writes colours into the model
            self._offscreen = Offscreen(copy.copy(self.model))
        return self._offscreen, np.ascontiguousarray(self._rows[where]), index, size
