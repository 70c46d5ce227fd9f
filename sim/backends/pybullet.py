"""PyBullet on the CPU: N worlds as N isolated physics clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ActionError, ConfigError, UnknownNameError
from octoworld.core.registry import register_backend
from octoworld.core.rotations import matrix_from_quat, quat_from_matrix, quat_multiply
from robots.spec import SiteSpec

from ..rotors.fleet import fleet
from ..rotors.flight import Flight, FlightState
from ..scene import Scene
from ..world import Mask, Snapshot
from . import pybullet_engine as pybullet
from .pybullet_client import MAX_CLIENTS, MOTION, Client
from .pybullet_flight import BulletFlight
from .pybullet_images import BulletImages
from .pybullet_parameters import BulletParameters

TOUCH = 5e-4
"""Bodies closer than this touch [m]: Bullet keeps resting bodies up to about this far apart."""
WXYZ = [0, 1, 2, 6, 3, 4, 5]
"""From position and quaternion xyzw to the order of this suite."""
XYZW = [0, 1, 2, 4, 5, 6, 3]


@register_backend("pybullet")
class PyBulletWorld(BulletImages):
    """The World of `sim/world.py` on PyBullet. Names are those of the Scene, with robots' prefixes.

    Each world is a physics client of its own, so that worlds cannot touch and N worlds give the
    bits of one. PyBullet has no batched step: worlds are stepped one after the other, and a process
    holds at most 1,024 of them. `gui=True` opens PyBullet's window on world 0.

    The motion of the bases and joints lives in rows of numbers, and every `step` starts from them;
    so `get_state` is complete and a restored world goes on with the same bits, as long as nothing
    touches: Bullet keeps the impulses of lasting contacts to itself, and a world restored in
    contact deviates by what one cold start of its solver makes.

    Drones get the wrenches of `Flight`, in the modes of gym-pybullet-drones too; there Bullet's own
    damping of 0.04 acts (and not the model of it), while in the clean set it is off. In the mode
    DYN poses and velocities are computed and set, as in the original, and no other body moves.

    What is not there, against MuJoCo: contact stiffness and torsional friction of geoms (Bullet's
    contacts are hard, and it multiplies the sliding coefficients of a pair instead of taking the
    greater), one friction a body, ellipsoids, servos on free bases; `contacts` knows bodies, and of
    geoms those that are alone on their body. Armature and servos are implicit as in MuJoCo, see
    `Servo`; contacts act on the arm without its armature.
    """

    xp: Any = np

    def __init__(
        self, scene: Scene, num_worlds: int, num_threads: int | None = None, *, gui: bool = False
    ) -> None:
        """Build `scene` in `num_worlds` clients.

        Args:
            scene: what is built.
            num_worlds: N.
            num_threads: None or 1, since Bullet's clients are stepped one after another.
            gui: show world 0 in a window, which needs a display.

        Raises:
            ConfigError: the scene cannot be built, or `num_worlds` is not within 1..1024.
            RenderError: `gui` without a display.
        """
        if not 1 <= num_worlds <= MAX_CLIENTS:
            raise ConfigError(f"num_worlds {num_worlds}: the pybullet backend has 1..{MAX_CLIENTS}")
        if num_threads not in (None, 1):
            raise ConfigError(f"num_threads {num_threads}: the pybullet backend has one")
        if scene.cables:
            raise ConfigError(
                f"backend 'pybullet' has no cables, which scene {scene.name!r} hangs things by: "
                "use backend 'mujoco'"
            )
        self.scene, self.num_worlds, self.gui = scene, num_worlds, gui
        ships = fleet(scene)
        compat = ships is not None and ships.aero.compat != ""
        self.clients: list[Client] = []
        try:
            for i in range(num_worlds):
                self.clients.append(Client(scene, gui=gui and i == 0, damping=compat))
        except BaseException:
            self.close()
            raise
        self.layout = self.clients[0].layout
        moving, joints = len(self.layout.moving), len(self.layout.joint_links)
        self._motion = np.zeros((num_worlds, moving, MOTION))
        self._joints = np.zeros((num_worlds, 2, joints))
        self._links: NDArray[np.float64] = np.zeros((num_worlds, 0, MOTION))
        self._link_rows: dict[tuple[int, int], int] = {}
        self._old = np.ones(num_worlds, bool)
        self.diverged = np.zeros(num_worlds, bool)
        self._sites: dict[str, tuple[str, SiteSpec]] = {
            t.prefix + site.name: (t.prefix + b.name, site)
            for t in self.layout.trees for b in t.bodies for site in b.sites
        }  # fmt: skip
        self._air = None if ships is None else BulletFlight(Flight(scene, ships, num_worlds), self)
        rotors = () if ships is None else ships.control_names
        servos = [(t.prefix + a.name) for t in self.layout.trees for a in t.actuators]
        self.control_names = (*rotors, *servos)
        self._num_rotors = len(rotors)
        self._shares = BulletParameters(scene, self.clients)
        self._start_images()
        self._home = self._home_rows()
        self.reset()

    @property
    def flight(self) -> FlightState:
        """State of the drones: live views, (N, A, ...); see `FlyingWorld`."""
        return self._flying().flight.view

    def set_rotor_speed(self, speed: ArrayLike, mask: Mask | None = None) -> None:
        """See `FlyingWorld`."""
        self.flight.rotor_speed[slice(None) if mask is None else mask] = np.asarray(speed)

    def _flying(self) -> BulletFlight:
        if self._air is None:
            raise ConfigError(f"scene {self.scene.name!r} has no rotorcraft")
        return self._air

    # -- time ------------------------------------------------------------------------------------

    def reset(self, mask: Mask | None = None) -> None:
        """Masked worlds (default all) to the scene's initial state and colours, robots at home."""
        ids = self._ids(mask)
        self._motion[ids], self._joints[ids] = self._home
        self._rgba[ids] = self._home_rgba
        self.diverged[ids] = False
        if self._air is not None:
            self._air.flight.reset(None if mask is None else np.asarray(mask))
        self._write(ids)

    def step(self, control: ArrayLike, substeps: int, mask: Mask | None = None) -> None:
        """Hold `control` (N, U) for `substeps` steps; worlds outside `mask` stand still."""
        ids = self._ids(mask)
        control = np.asarray(control, float)
        if control.shape != (self.num_worlds, len(self.control_names)):
            raise ActionError(
                f"control of shape {control.shape}: expected "
                f"({self.num_worlds}, {len(self.control_names)})"
            )
        rotors, targets = control[:, : self._num_rotors], control[:, self._num_rotors :]
        ids = self._mend(ids)
        self._write(ids)
        if self._air is not None:
            moved = self._air.begin(rotors, substeps, ids)
            if moved:  # positions were computed, not simulated
                self._write(ids)
                self._mend(ids)
                return
        for _ in range(substeps):
            if self._air is not None:
                self._air.act(ids)
            for n in ids:
                client, at = self.clients[n], 0
                for servo in client.servos:
                    count = len(servo.columns)
                    servo.act(targets[n, at : at + count], self.scene.timestep)
                    at += count
                pybullet.stepSimulation(client.id)
                client.pull(self._motion[n], self._joints[n])
                self._old[n] = True
            if self._air is not None:
                self._air.sync(ids)
        self._mend(ids)

    def refresh(self, mask: Mask | None = None) -> None:
        """Recompute derived quantities after writes."""
        self._write(self._mend(self._ids(mask)))

    # -- reads -----------------------------------------------------------------------------------

    def pose(self, body: str) -> NDArray:
        """World pose of a body or site, (N, 7) [m, quat_wxyz]."""
        if body in self._sites and body not in self.layout.bodies:
            owner, site = self._sites[body]
            parent = self.pose(owner)
            offset = matrix_from_quat(parent[:, 3:]) @ np.asarray(site.position, float)
            quat = quat_multiply(parent[:, 3:], np.asarray(site.quat_wxyz, float))
            return np.concatenate([parent[:, :3] + offset, quat], axis=1)
        return self._frame(body)[:, :7]

    def velocity(self, body: str) -> NDArray:
        """World linear and angular velocity at a body's or site's origin, (N, 6) [m/s, rad/s]."""
        if body in self._sites and body not in self.layout.bodies:
            owner = self._frame(self._sites[body][0])
            arm = self.pose(body)[:, :3] - owner[:, :3]
            linear = owner[:, 7:10] + np.cross(owner[:, 10:], arm)
            return np.concatenate([linear, owner[:, 10:]], axis=1)
        return self._frame(body)[:, 7:].copy()

    def joint_position(self, *joints: str) -> NDArray:
        """(N, len(joints)) [rad] or [m]."""
        return self._joints[:, 0, self._columns(joints)]

    def joint_velocity(self, *joints: str) -> NDArray:
        """(N, len(joints)) [rad/s] or [m/s]."""
        return self._joints[:, 1, self._columns(joints)]

    def contacts(self, a: str, b: str) -> NDArray[np.bool_]:
        """Whether `a` touches `b`, (N,) bool: body trees, static geoms, or lone geoms of a body."""
        sides = [self._links_of(a, b, name) for name in (a, b)]
        return np.array([c.near(sides[0], sides[1], TOUCH) for c in self.clients])

    # -- writes ----------------------------------------------------------------------------------

    def set_pose(self, body: str, pose: ArrayLike, mask: Mask | None = None) -> None:
        """Place a free or movable-base body; `pose` is (n, 7), n = masked worlds. Speed becomes 0.

        Raises:
            ConfigError: the body is neither free nor a movable base, or a quaternion is 0.
        """
        tree, link = self._body(body)
        if link != -1 or tree not in self.layout.moving:
            raise ConfigError(f"set_pose({body!r}): the body is neither free nor a movable base")
        pose = np.asarray(pose, float)
        length = np.linalg.norm(pose[..., 3:], axis=-1, keepdims=True)
        if not (length > 0).all():
            raise ConfigError(f"set_pose({body!r}): a quaternion of length 0")
        ids = self._ids(mask)
        frame = np.concatenate([pose[..., :3], pose[..., 3:] / length], axis=-1)
        row = self.layout.moving.index(tree)
        self._motion[ids, row] = 0
        self._motion[ids, row, :7] = self._center(tree, np.broadcast_to(frame, (len(ids), 7)))
        if self._air is not None:
            self._air.placed(row, ids)

    def set_joint_position(
        self, joints: tuple[str, ...], value: ArrayLike, mask: Mask | None = None
    ) -> None:
        """Set joint positions (n, len(joints)), speed 0."""
        ids, columns = self._ids(mask), self._columns(joints)
        value = np.broadcast_to(np.asarray(value, float), (len(ids), len(joints)))
        self._joints[ids[:, None], 0, columns] = value
        self._joints[ids[:, None], 1, columns] = 0.0

    def set_velocity(self, body: str, velocity: ArrayLike, mask: Mask | None = None) -> None:
        """World linear and angular velocity (n, 6) of a free body at its origin [m/s, rad/s]."""
        tree, link = self._body(body)
        if link != -1 or self.layout.trees[tree].kind != "free":
            raise ConfigError(f"set_velocity({body!r}): the body is not free")
        ids, row = self._ids(mask), self.layout.moving.index(tree)
        value = np.broadcast_to(np.asarray(velocity, float), (len(ids), 6))
        arm = self._motion[ids, row, :3] - self._frame(body)[ids, :3]
        self._motion[ids, row, 7:10] = value[:, :3] + np.cross(value[:, 3:], arm)
        self._motion[ids, row, 10:] = value[:, 3:]
        if self._air is not None:
            self._air.sync(ids)

    def set_parameters(self, values: Mapping[str, ArrayLike], mask: Mask | None = None) -> None:
        """Physics of the masked worlds by name, see `parameters`.

        Values are (n,) or one for all, shares of the scene's own, see `BulletParameters`. Of drones
        see `FlyingWorld.set_parameters`; products of inertia must be 0 here.
        """
        ids = self._ids(mask)
        if self._air is None:
            self._shares.set(values, ids)
        else:
            self._air.set_parameters(values, None if mask is None else np.asarray(mask))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names that `set_parameters` takes here."""
        return self._shares.names

    # -- whole state -----------------------------------------------------------------------------

    def get_state(self) -> NDArray[np.float64]:
        """(N, S): motion of bases and joints, the geoms' colours, the drones' rotors and air.

        And, once `set_parameters` has set any, the shares.
        """
        n = self.num_worlds
        parts = [self._motion, self._joints, self._rgba]
        rows = [part.reshape(n, -1) for part in parts]
        if self._air is not None:
            rows.append(self._air.flight.rows(poses=False))
        if self._shares.active:
            rows.append(self._shares.values)
        return np.concatenate(rows, axis=1)

    def set_state(self, state: ArrayLike, mask: Mask | None = None) -> None:
        """Write rows (n, S) of `get_state` into the masked worlds and refresh.

        Raises:
            ConfigError: the rows are of another scene.
        """
        ids, state = self._ids(mask), np.asarray(state, np.float64)
        size, count = self.get_state().shape[1], len(self._shares.names)
        # rows from before any parameter was set mean the scene's own
        plain = size - count if self._shares.active else size
        more = count > 0 and state.shape[1:] == (plain + count,)
        if state.shape != (len(ids), plain) and state.shape != (len(ids), plain + count):
            raise ConfigError(f"set_state: got shape {state.shape}, expected {(len(ids), size)}")
        at = 0
        for part in (self._motion, self._joints, self._rgba):
            size = int(np.prod(part.shape[1:]))
            part[ids] = state[:, at : at + size].reshape(len(ids), *part.shape[1:])
            at += size
        if self._air is not None:
            self._air.set_rows(state[:, at:], ids)
        elif more or self._shares.active:
            values = state[:, at:] if more else np.tile(self._shares.nominal, (len(ids), 1))
            self._shares.set_rows(values, ids)
        self.diverged[ids] = False
        self._write(self._mend(ids))

    def snapshot(self) -> Snapshot:
        """All worlds' state."""
        return Snapshot(self.get_state())

    def restore(self, snapshot: Snapshot) -> None:
        """Undo everything since `snapshot`."""
        self.set_state(snapshot.state)

    def close(self) -> None:
        """Disconnect every client; the world is then over."""
        for client in self.clients:
            client.close()

    # -- inside ----------------------------------------------------------------------------------

    def _ids(self, mask: Mask | None) -> NDArray[np.int64]:
        if mask is None:
            return np.arange(self.num_worlds)
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.num_worlds,):
            raise ConfigError(
                f"mask of shape {mask.shape}, {mask.dtype}: expected ({self.num_worlds},) bool"
            )
        return np.flatnonzero(mask)

    def _write(self, ids: NDArray) -> None:
        for n in ids:
            self.clients[n].push(self._motion[n], self._joints[n])
        self._old[ids] = True
        if self._air is not None:
            self._air.sync(ids)

    def _mend(self, ids: NDArray) -> NDArray:
        """Reset the worlds among `ids` that left the finite range, before Bullet sees it."""
        # a sum is finite and small where all its parts are
        if np.abs(self._motion).sum() + np.abs(self._joints).sum() < 1e12:
            return ids
        numbers = np.abs(self._motion[ids]).sum((1, 2)) + np.abs(self._joints[ids]).sum((1, 2))
        bad = np.zeros(self.num_worlds, bool)
        bad[ids[~(numbers < 1e12)]] = True
        if bad.any():
            self.reset(bad)
            self.diverged |= bad
        return ids

    def _home_rows(self) -> tuple[NDArray, NDArray]:
        motion, joints = np.zeros_like(self._motion[0]), np.zeros_like(self._joints[0])
        for row, tree in enumerate(self.layout.moving):
            motion[row, :7] = self._center(tree, self.layout.trees[tree].home[None])[0]
        for robot in self.scene.robots:
            for name, value in robot.spec.home.items():
                if robot.prefix + name not in self.layout.joints:
                    raise ConfigError(f"robot {robot.spec.name!r}: home names no joint {name!r}")
                joints[0, self.layout.joints[robot.prefix + name]] = value
        return motion, joints

    def _body(self, name: str) -> tuple[int, int]:
        if name not in self.layout.bodies:
            raise UnknownNameError("body or site", name, [*self.layout.bodies, *self._sites])
        return self.layout.bodies[name]

    def _columns(self, joints: tuple[str, ...]) -> list[int]:
        for name in joints:
            if name not in self.layout.joints:
                raise UnknownNameError("joint", name, self.layout.joints)
        return [self.layout.joints[name] for name in joints]

    def _links_of(self, a: str, b: str, name: str) -> list[tuple[int, int]]:
        if name in self.layout.bodies:
            tree = self.layout.trees[self.layout.bodies[name][0]]
            below = [name]
            for spec in tree.bodies:
                if spec.parent is not None and tree.prefix + spec.parent in below:
                    below.append(tree.prefix + spec.name)
            return [self.layout.bodies[one] for one in below]
        if name in self.layout.solid:
            return [self.layout.solid[name]]
        raise ConfigError(
            f"contacts({a!r}, {b!r}): {name!r} is neither a body nor the only solid geom of one; "
            f"bodies: {', '.join(self.layout.bodies)}; geoms: {', '.join(self.layout.solid)}"
        )

    def _center(self, tree: int, frame: NDArray) -> NDArray:
        """Frame poses (n, 7) wxyz of a base -> Bullet's, of its frame of inertia, xyzw."""
        local = self.layout.inertial[tree]
        if not local[:3].any() and local[6] == 1:
            return frame[:, XYZW]
        offset = matrix_from_quat(frame[:, 3:]) @ local[:3]
        quat = quat_multiply(frame[:, 3:], local[[6, 3, 4, 5]])
        return np.concatenate([frame[:, :3] + offset, quat], axis=1)[:, XYZW]

    def _frame(self, body: str) -> NDArray:
        """Pose wxyz and velocity of a body's frame, (N, 13)."""
        tree, link = self._body(body)
        if link == -1 and tree not in self.layout.moving:
            home = self.layout.trees[tree].home
            return np.tile(np.concatenate([home, np.zeros(6)]), (self.num_worlds, 1))
        if link == -1:
            motion = self._motion[:, self.layout.moving.index(tree)]
            local = self.layout.inertial[tree]
            out = np.concatenate([motion[:, WXYZ], motion[:, 7:]], axis=1)
            if local[:3].any() or local[6] != 1:
                turn = matrix_from_quat(local[[6, 3, 4, 5]])
                rotation = matrix_from_quat(out[:, 3:7]) @ turn.T
                arm = -(rotation @ local[:3])
                out[:, :3] += arm
                out[:, 3:7] = quat_from_matrix(rotation)
                out[:, 7:10] += np.cross(out[:, 10:], arm)
            return out
        if (tree, link) not in self._link_rows:
            self._link_rows[tree, link] = len(self._link_rows)
            self._links = np.zeros((self.num_worlds, len(self._link_rows), MOTION))
            self._old[:] = True
        which = list(self._link_rows)
        for n in np.flatnonzero(self._old):
            self.clients[n].links(which, self._links[n])
        self._old[:] = False
        return self._links[:, self._link_rows[tree, link]]
