"""Rotorcraft: N worlds of drones in closed form, on the CPU (numba) or on a torch device.

Drones are free rigid bodies (`sim/rotors`); they collide with the ground, with obstacles and with
each other by the model of `sim/rotors/contact.py`. Nothing else moves by itself: a scene with free
objects or jointed robots needs another backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import register_backend
from octoworld.core.rotations import matrix_from_quat

from ..arrays import as_numpy
from ..rotors.algebra import compose, rotate, unrotate
from ..rotors.fleet import fleet
from ..rotors.flight import Flight, FlightState
from ..rotors.layout import OMEGA, PREVIOUS, QUAT, VELOCITY
from ..rotors.names import SceneNames
from ..scene import Scene
from ..segments import segment_names
from ..world import Mask, Snapshot

if TYPE_CHECKING:
    from .mujoco import MujocoWorld

_PICTURES = 64
"""Worlds drawn at a time."""


@register_backend("rotorcraft")
class RotorcraftWorld:
    """The World of `sim/world.py` for scenes whose only moving things are drones.

    Control is rotor speeds [rpm] (N, U), drone after drone. `diverged` (N,) marks worlds whose
    state left the finite range since their last reset; they have been put back to the start.
    """

    parameters: tuple[str, ...] = ()
    host_reads: bool = False
    """Whether reads give numpy arrays where the state is on a device: tasks compute on the host."""

    def __init__(
        self,
        scene: Scene,
        num_worlds: int,
        num_threads: int | None = None,
        *,
        dtype: str = "float64",
        device: str | None = None,
    ) -> None:
        """Make `num_worlds` copies of `scene`.

        Args:
            scene: drones, static geoms, fixed and movable-base bodies.
            num_worlds: N.
            num_threads: of the CPU; None chooses.
            dtype: of the state, float64 or float32; arithmetic on the CPU is float64 either way.
            device: None is the compiled CPU path with numpy arrays; a torch device ("cuda", "cpu")
                runs `sim/rotors/motion.py` there, with torch arrays.

        Raises:
            ConfigError: the scene has no drones, or something else that would have to move.
        """
        if num_worlds < 1 or (num_threads is not None and num_threads < 1):
            raise ConfigError(
                f"num_worlds {num_worlds} and num_threads {num_threads} must be at least 1"
            )
        if dtype not in ("float64", "float32"):
            raise ConfigError(f"dtype {dtype!r}: expected float64 or float32")
        drones = fleet(scene)
        if drones is None:
            raise ConfigError(f"scene {scene.name!r} has no rotorcraft: use backend 'mujoco'")
        self.scene, self.num_worlds = scene, num_worlds
        self._names = SceneNames(scene, drones)
        self.control_names = drones.control_names
        self.diverged = np.zeros(num_worlds, bool)
        self._bad = np.zeros(num_worlds, bool)
        if device is None:
            self.xp: Any = np
            self._air: Any = Flight(
                scene, drones, num_worlds, dtype=dtype, contacts=True, num_threads=num_threads
            )
        else:
            from array_api_compat import torch

            from ..rotors.device import DeviceFlight

            self.xp = torch
            self._air = DeviceFlight(scene, drones, num_worlds, dtype=dtype, device=device)
        self._drone = {name: i for i, name in enumerate(drones.bodies)}
        self._bases = {
            b.name: np.repeat(self._names.frame(b.name).home[None], num_worlds, axis=0)
            for b in scene.bodies
            if b.movable_base
        }
        self._rgba: NDArray[np.float32] | None = None
        self._touch: Any = None
        self._pictures: MujocoWorld | None = None

    @property
    def flight(self) -> FlightState:
        """State of the drones: live views, (N, A, ...); from a device to the host, copies."""
        return FlightState(as_numpy(self._air.state)) if self.host_reads else self._air.view

    def set_rotor_speed(self, speed: ArrayLike, mask: Mask | None = None) -> None:
        """See `FlyingWorld`."""
        where = self._where(mask)
        self._air.view.rotor_speed[where] = self._array(np.asarray(speed, np.float64))

    def _read(self, value: Any) -> Any:
        return as_numpy(value) if self.host_reads else value

    # -- time ------------------------------------------------------------------------------------

    def reset(self, mask: Mask | None = None) -> None:
        """Masked worlds (default all) to the scene's initial state and colours."""
        mask = self._mask(mask)
        where = slice(None) if mask is None else mask
        self._air.reset(mask)
        for name, poses in self._bases.items():
            poses[where] = self._names.frame(name).home
        if self._rgba is not None:
            self._rgba[where] = self._names.rgba
        self.diverged[where] = False
        self._touch = None

    def step(self, control: ArrayLike, substeps: int, mask: Mask | None = None) -> None:
        """Hold `control` (N, U) [rpm] for `substeps` steps; worlds outside `mask` stand still.

        Raises:
            ActionError: of the wrong shape, or a speed is out of its rotor's range.
        """
        if mask is not None:
            mask = self._mask(mask)
        air = self._air
        air.step(air.command(control), substeps, mask, self._bad)
        self._touch = None
        if self._bad.any():
            bad = self._bad.copy()
            self._bad[:] = False
            self.reset(bad)
            self.diverged |= bad

    def refresh(self, mask: Mask | None = None) -> None:
        """Nothing: what is read is computed when it is asked for."""
        self._touch = None

    def seed(self, seeds: ArrayLike, mask: Mask | None = None) -> None:
        """Seeds (n,) of the masked worlds' turbulence, from their next reset on."""
        self._air.seed(seeds, self._mask(mask))

    # -- reads -----------------------------------------------------------------------------------

    def pose(self, body: str) -> Any:
        """World pose of a body or site, (N, 7) [m, quat_wxyz]."""
        frame = self._names.frame(body)
        if frame.root in self._drone:
            pose = self._air.state[:, self._drone[frame.root], :VELOCITY]
        elif frame.root:
            pose = self._array(self._bases[frame.root])
        else:
            return self._read(self._array(np.repeat(frame.home[None], self.num_worlds, axis=0)))
        return self._read(compose(pose, self._array(frame.local)))

    def velocity(self, body: str) -> Any:
        """World linear and angular velocity at a body's or site's origin, (N, 6) [m/s, rad/s]."""
        frame = self._names.frame(body)
        if frame.root not in self._drone:
            return self._read(self._array(np.zeros((self.num_worlds, 6))))
        state = self._air.state[:, self._drone[frame.root]]
        turn = matrix_from_quat(state[:, QUAT:VELOCITY])
        angular = rotate(turn, state[:, OMEGA:PREVIOUS])
        arm = rotate(turn, self._array(frame.local[:3]))
        linear = state[:, VELOCITY:OMEGA] + self.xp.linalg.cross(angular, arm)
        return self._read(self.xp.concat([linear, angular], axis=1))

    def joint_position(self, *joints: str) -> Any:
        """(N, 0): nothing here has hinges or slides."""
        if joints:
            raise UnknownNameError("joint", joints[0], ())
        return self._read(self._array(np.zeros((self.num_worlds, 0))))

    def joint_velocity(self, *joints: str) -> Any:
        """(N, 0): nothing here has hinges or slides."""
        return self.joint_position(*joints)

    def contacts(self, a: str, b: str) -> Any:
        """Whether `a` touches `b` (drones, bodies with what is fixed to them, geoms), (N,) bool.

        Things that stand still touch nothing.
        """
        if self._touch is None:
            self._touch = self._air.touching()
        (drone, one), (other, two) = self._names.solid(a), self._names.solid(b)
        if drone is None:
            drone, two = other, one
        if drone is None or not two:
            return self._read(self._array(np.zeros(self.num_worlds)) > 0)
        return self._read(self.xp.any(self._touch[:, drone][:, two], axis=-1))

    def color(self, geom: str) -> NDArray:
        """(N, 4) in [0, 1]."""
        index = self._names.geom(geom)
        if self._rgba is None:
            return np.repeat(self._names.rgba[None, index], self.num_worlds, axis=0)
        return self._rgba[:, index].copy()

    # -- writes ----------------------------------------------------------------------------------

    def set_pose(self, body: str, pose: ArrayLike, mask: Mask | None = None) -> None:
        """Place a drone or a movable base; `pose` is (n, 7), n = masked worlds. Speed becomes 0.

        Raises:
            ConfigError: the body is neither, or a quaternion is 0.
        """
        where = self._where(mask)
        pose = np.array(as_numpy(pose), float)
        length = np.linalg.norm(pose[..., 3:], axis=-1, keepdims=True)
        if not (length > 0).all():
            raise ConfigError(f"set_pose({body!r}): a quaternion of length 0")
        pose[..., 3:] /= length
        self._touch = None
        if body in self._drone:
            index, state = self._drone[body], self._air.state
            state[where, index, :VELOCITY] = self._array(pose)
            state[where, index, VELOCITY:PREVIOUS] = 0.0
            state[where, index, PREVIOUS : PREVIOUS + 4] = self._array(pose[..., 3:])
        elif body in self._bases:
            self._bases[body][where] = pose
            self._air.move(body, self._bases[body][where], where)
        else:
            self._names.frame(body)
            raise ConfigError(f"set_pose({body!r}): the body is neither free nor a movable base")

    def set_velocity(self, body: str, velocity: ArrayLike, mask: Mask | None = None) -> None:
        """World linear and angular velocity (n, 6) of a drone [m/s, rad/s]."""
        if body not in self._drone:
            raise ConfigError(f"set_velocity({body!r}): not one of {', '.join(self._drone)}")
        where, index, state = self._where(mask), self._drone[body], self._air.state
        speed = self._array(np.asarray(as_numpy(velocity), float))
        turn = matrix_from_quat(state[where, index, QUAT:VELOCITY])
        state[where, index, VELOCITY:OMEGA] = speed[..., :3]
        state[where, index, OMEGA:PREVIOUS] = unrotate(turn, speed[..., 3:])

    def set_joint_position(
        self, joints: tuple[str, ...], value: ArrayLike, mask: Mask | None = None
    ) -> None:
        """Nothing here has hinges or slides: raises UnknownNameError."""
        self.joint_position(*joints)

    def set_color(self, geom: str, rgba: ArrayLike, mask: Mask | None = None) -> None:
        """Colour of a geom per world, (n, 4) in [0, 1]."""
        index = self._names.geom(geom)
        if self._rgba is None:
            self._rgba = np.repeat(self._names.rgba[None], self.num_worlds, axis=0)
        self._rgba[self._where(mask), index] = rgba

    def set_parameters(self, values: Mapping[str, ArrayLike], mask: Mask | None = None) -> None:
        """Physics of the masked worlds' drones by name; see `FlyingWorld.set_parameters`."""
        self._air.set_parameters(self._mask(mask), values)

    # -- images ----------------------------------------------------------------------------------

    def render(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Images of the listed worlds (default all), (n, H, W, 3), drawn by MuJoCo."""
        return self._drawn("render", camera, worlds, size)

    def render_depth(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Distance along the optical axis [m], (n, H, W); inf where nothing is seen."""
        return self._drawn("render_depth", camera, worlds, size)

    def render_segmentation(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.int32]:
        """Index into `segments` of what each pixel shows, (n, H, W)."""
        return self._drawn("render_segmentation", camera, worlds, size)

    @property
    def segments(self) -> tuple[str, ...]:
        """Names by id of what `render_segmentation` shows; 0 is the background."""
        return segment_names(self.scene)

    def _drawn(
        self, what: str, camera: str, worlds: ArrayLike | None, size: tuple[int, int] | None
    ) -> NDArray[Any]:
        ids = np.arange(self.num_worlds)[slice(None) if worlds is None else np.asarray(worlds)]
        images = []
        for at in range(0, max(len(ids), 1), _PICTURES):
            part = ids[at : at + _PICTURES]
            images.append(getattr(self.pictured(part), what)(camera, np.arange(len(part)), size))
        return np.concatenate(images)

    def pictured(self, worlds: NDArray) -> MujocoWorld:
        """A MuJoCo world whose first rows look like the listed worlds, at most 64."""
        if self._pictures is None:
            from .mujoco import MujocoWorld

            self._pictures = MujocoWorld(self.scene, min(self.num_worlds, _PICTURES))
        drawn = self._pictures
        mask = np.arange(drawn.num_worlds) < len(worlds)
        for name, index in self._drone.items():
            drawn.set_pose(name, as_numpy(self._air.state[:, index, :VELOCITY])[worlds], mask)
        for name, poses in self._bases.items():
            drawn.set_pose(name, poses[worlds], mask)
        if self._rgba is not None:
            for name, index in self._names.geoms.items():
                drawn.set_color(name, self._rgba[worlds, index], mask)
        drawn.refresh(mask)
        return drawn

    # -- whole state -----------------------------------------------------------------------------

    def get_state(self) -> NDArray[np.float64]:
        """(N, S): movable bases, whether colours follow, colours, drones."""
        n = self.num_worlds
        colored = self._rgba is not None
        parts = [np.full((n, 1), float(colored)), *self._bases.values()]
        if self._rgba is not None:
            parts.append(self._rgba.reshape(n, -1))
        return np.concatenate([*parts, self._air.rows()], axis=1)

    def set_state(self, state: ArrayLike, mask: Mask | None = None) -> None:
        """Write rows (n, S) of `get_state` into the masked worlds.

        Raises:
            ConfigError: the rows are of another scene.
        """
        where = self._where(mask)
        state = np.asarray(state, np.float64)
        count = self.num_worlds if mask is None else int(np.sum(mask))
        at = 1 + 7 * len(self._bases)
        if state.ndim != 2 or len(state) != count or state.shape[1] < at:
            raise ConfigError(f"set_state: got shape {state.shape}, expected ({count}, S)")
        colored, size = bool(state[:, 0].any()), 4 * len(self._names.geoms)
        self._air.set_rows(state[:, at + (size if colored else 0) :], where)
        for i, (name, poses) in enumerate(self._bases.items()):
            poses[where] = state[:, 1 + 7 * i : 8 + 7 * i]
            self._air.move(name, poses[where], where)
        if colored and self._rgba is None:
            self._rgba = np.repeat(self._names.rgba[None], self.num_worlds, axis=0)
        if self._rgba is not None:
            colors = state[:, at : at + size].reshape(count, -1, 4)
            self._rgba[where] = colors if colored else self._names.rgba
        self.diverged[where] = False
        self._touch = None

    def snapshot(self) -> Snapshot:
        """All worlds' state."""
        return Snapshot(self.get_state())

    def restore(self, snapshot: Snapshot) -> None:
        """Undo everything since `snapshot`."""
        self.set_state(snapshot.state)

    def close(self) -> None:
        """End threads and free OpenGL contexts; the next `step` and `render` make new ones."""
        self._air.close()
        if self._pictures is not None:
            self._pictures.close()

    # -- inside ----------------------------------------------------------------------------------

    def _mask(self, mask: Any) -> NDArray[np.bool_] | None:
        if mask is None:
            return None
        mask = as_numpy(mask)
        if mask.dtype != bool or mask.shape != (self.num_worlds,):
            raise ConfigError(
                f"mask of shape {mask.shape}, {mask.dtype}: expected ({self.num_worlds},) bool"
            )
        return mask

    def _where(self, mask: Any) -> Any:
        mask = self._mask(mask)
        return slice(None) if mask is None else np.flatnonzero(mask)

    def _array(self, value: NDArray) -> Any:
        """A host array as one of the world's own, in its type and place."""
        state = self._air.state
        if self.xp is np:
            return np.asarray(value, state.dtype)
        return self.xp.asarray(value, dtype=state.dtype, device=state.device)
