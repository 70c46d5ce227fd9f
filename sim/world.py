"""World: N copies of one Scene, advanced together. Backends translate, they never decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .scene import Scene

if TYPE_CHECKING:
    from .rotors.flight import FlightState

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Snapshot:
    """A world's whole state: physics (bit-exact) and per-world looks and parameters."""

    state: NDArray[np.float64]
    """(N, S), as `World.get_state` gives it."""


@runtime_checkable
class World(Protocol):
    """N worlds. Arrays have first axis N; a `mask` is (N,) bool; poses are [x y z, quat wxyz]."""

    scene: Scene
    num_worlds: int
    xp: Any
    """Array namespace of what is returned (numpy for CPU engines)."""
    control_names: tuple[str, ...]
    """Actuators in the order of the control vector."""
    diverged: Mask
    """(N,) worlds whose state left the finite range since their last reset (now initial again)."""

    def reset(self, mask: Mask | None = None) -> None:
        """Put the masked worlds (default all) in the scene's initial state: robots at home."""
        ...

    def step(self, control: ArrayLike, substeps: int, mask: Mask | None = None) -> None:
        """Hold `control` (N, U) for `substeps` physics steps; derived quantities are then current.

        Worlds outside `mask` (default: none) stand still.
        """
        ...

    def refresh(self, mask: Mask | None = None) -> None:
        """Recompute derived quantities (poses, contacts) after writes."""
        ...

    def pose(self, body: str) -> NDArray:
        """World pose of a body or site, (N, 7)."""
        ...

    def velocity(self, body: str) -> NDArray:
        """World linear and angular velocity at a body's frame origin, (N, 6) [m/s, rad/s]."""
        ...

    def joint_position(self, *joints: str) -> NDArray:
        """(N, len(joints)) [rad] or [m]."""
        ...

    def joint_velocity(self, *joints: str) -> NDArray:
        """(N, len(joints)) [rad/s] or [m/s]."""
        ...

    def set_pose(self, body: str, pose: ArrayLike, mask: Mask | None = None) -> None:
        """Place a free or movable-base body; (n, 7) poses, n = masked worlds; speed 0."""
        ...

    def set_velocity(self, body: str, velocity: ArrayLike, mask: Mask | None = None) -> None:
        """World linear and angular velocity (n, 6) of a free body at its origin [m/s, rad/s]."""
        ...

    def set_joint_position(
        self, joints: tuple[str, ...], value: ArrayLike, mask: Mask | None = None
    ) -> None:
        """Set joint positions, (n, len(joints)), speed 0, and the servo targets that drive them."""
        ...

    def set_color(self, geom: str, rgba: ArrayLike, mask: Mask | None = None) -> None:
        """Colour of a geom per world, (n, 4) in [0, 1]."""
        ...

    def color(self, geom: str) -> NDArray:
        """(N, 4)."""
        ...

    def contacts(self, a: str, b: str) -> NDArray:
        """Whether body (or body tree) `a` touches `b`, (N,) bool."""
        ...

    def render(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Images of the listed worlds (default all), (n, H, W, 3); `size` is (H, W)."""
        ...

    @property
    def segments(self) -> tuple[str, ...]:
        """Names by id of what `render_segmentation` shows; 0 is the background."""
        ...

    def render_depth(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Distance along the optical axis [m], (n, H, W); inf where nothing is seen."""
        ...

    def render_segmentation(
        self, camera: str, worlds: ArrayLike | None = None, size: tuple[int, int] | None = None
    ) -> NDArray[np.int32]:
        """Index into `segments` of what each pixel shows, (n, H, W)."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]:
        """What `set_parameters` takes here; () where physics is one for all worlds."""
        ...

    def set_parameters(self, values: Mapping[str, ArrayLike], mask: Mask | None = None) -> None:
        """Physics of the masked worlds, over resets: name -> (n,) shares of the scene's own.

        Raises:
            UnknownNameError: no such parameter; the message lists them.
            ConfigError: a value is out of range, or the engine has one physics for all worlds.
        """
        ...

    def get_state(self) -> NDArray[np.float64]:
        """(N, S): full physics state followed by per-world looks; restores to the bit."""
        ...

    def set_state(self, state: ArrayLike, mask: Mask | None = None) -> None:
        """Write rows (n, S) of `get_state` back into the masked worlds and refresh."""
        ...

    def snapshot(self) -> Snapshot:
        """All worlds' state."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Undo everything since `snapshot`."""
        ...

    def close(self) -> None:
        """Free renderers."""
        ...


class FlyingWorld(World, Protocol):
    """A World whose scene has rotorcraft: A drones with up to M rotors.

    Control is the rotors' speeds [rpm], drone after drone, then the other actuators' targets.
    """

    @property
    def flight(self) -> FlightState:
        """Live views (N, A, ...) of position, quat (wxyz), velocity, omega_body, rotor_speed.

        For reading; write with `set_rotor_speed`, `set_pose` and `set_velocity`.

        Raises:
            ConfigError: the scene has no rotorcraft.
        """
        ...

    def set_rotor_speed(self, speed: ArrayLike, mask: Mask | None = None) -> None:
        """Rotor speeds of the masked worlds, whatever broadcasts to (n, A, M) [rpm]."""
        ...

    def set_parameters(self, values: Mapping[str, ArrayLike], mask: Mask | None = None) -> None:
        """Physics of the masked worlds' drones from now on, over resets; n = masked worlds.

        Args:
            values: `mass` (n, A) [kg], `inertia` (n, A, 3 or 6) [kg m^2], `thrust_scale`,
                `torque_scale` (n, A, M) and `drag_scale` (n, A) [of the nominal], or
                `motor_time_constant` (n, A, M) [s]; whatever broadcasts to these.
            mask: (N,) bool.

        Raises:
            ConfigError: an unknown name, or a value out of range.
        """
        ...
