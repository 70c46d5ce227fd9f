"""FlyingTask: what all drone tasks share: the drones, what they feel, crashes, the pilot."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from octoworld.core.config import from_dict
from octoworld.core.errors import ConfigError
from octoworld.core.registry import ROBOTS
from octoworld.core.rng import WorldRng
from octoworld.core.rotations import matrix_from_quat, quat_from_rotvec
from robots.control.flight.actions import FlightConfig
from robots.control.flight.setpoint import Setpoint
from robots.spec import RobotSpec
from sim.randomize import Given, Randomizer
from sim.rotors import AeroConfig
from sim.scene import Scene
from sim.world import FlyingWorld, Mask, World

from ..drive import Drive
from ..task import Evaluation, Task
from .arena import arena, drone_names
from .drive import FlightDrive
from .pilot import Pilot

Range = float | tuple[float, float, float]
"""Bound on both sides of 0, of each axis or of x y z."""

PHYSICS = (
    "mass_scale", "inertia_scale", "thrust_scale", "torque_scale", "drag_scale",
    "motor_time_constant",
)  # fmt: skip
"""What can be randomised: shares of the robot's own [-], and the lag of its motors [s]."""


class FlyingTask(Task):
    """A drones in N worlds; actions are (N, A * K), drone after drone.

    Observations of each drone: attitude (9, rotation matrix row by row), velocity in the world (3)
    [m/s], body rates (3) [rad/s], height (1) [m], its last actions (H * K, the latest
    first); privileged: what `goal` returns.
    """

    robot: ClassVar[str] = "cf2x"
    backend: ClassVar[str] = "rotorcraft"
    control_mode: ClassVar[str] = "rpm"
    cameras: ClassVar[tuple[str, ...]] = ("overview",)
    fps: ClassVar[int] = 48
    max_seconds: ClassVar[float] = 8.0
    ends_on_success: ClassVar[bool] = False
    num_drones: ClassVar[int] = 1
    """A."""
    start: ClassVar[tuple[tuple[float, float, float], ...]] = ((0.0, 0.0, 1.0),)
    """(A, 3) where the scene puts the drones; `reset` draws from about there [m]."""
    tilt_range: ClassVar[float] = np.deg2rad(20)
    """Roll, pitch and yaw of a start are drawn within this [rad]."""
    speed_range: ClassVar[Range] = 1.0
    """Each velocity of a start is drawn within this, one bound for all axes or x y z [m/s]."""

    def __init__(
        self,
        num_worlds: int,
        *,
        robot: str | None = None,
        aero: AeroConfig | Mapping[str, Any] | None = None,
        randomize: str | Mapping[str, Given] | None = None,
        randomize_ramp: int = 0,
        num_last_actions: int = 1,
    ) -> None:
        """A task of `num_worlds` worlds.

        Args:
            num_worlds: N.
            robot: registered rotorcraft; None is the task's own.
            aero: air and motors, or fields of AeroConfig; None is the clean set.
            randomize: what is drawn for each drone at every start, see `sim.randomize`: a preset,
                or parameter (`PHYSICS`) -> spread. Starts stay those of the same seed without it.
            randomize_ramp: episodes over which the spreads grow to their full width.
            num_last_actions: H, of each drone's actions that it observes. With motors that lag, its
                next motion follows from several; the original shows half a second of them.

        Raises:
            ConfigError: the robot cannot fly, or an option is written wrong.
            UnknownNameError: no such robot, preset or parameter.
        """
        super().__init__(num_worlds)
        if num_last_actions < 1:
            raise ConfigError(f"num_last_actions: expected at least 1, got {num_last_actions}")
        self.num_last_actions = num_last_actions
        if robot is not None:
            self.robot = robot  # type: ignore[misc]
        self.aero = from_dict(AeroConfig, dict(aero)) if isinstance(aero, Mapping) else aero
        self.spec: RobotSpec = ROBOTS.get(self.robot)()
        if self.spec.rotorcraft is None:
            raise ConfigError(f"robot {self.robot!r} has no motors to fly with; task {self.name!r}")
        self.drones = tuple(p + self.spec.rotorcraft.body for p in drone_names(self.num_drones))
        self.memory["wording"] = np.zeros(num_worlds)
        self.randomizer: Randomizer | None = None
        """Its `sampled()` says what physics each world has; None: all have the robot's."""
        if randomize is not None:
            self.randomizer = Randomizer(
                randomize, PHYSICS, num_worlds, self.num_drones, randomize_ramp
            )
            self.memory["physics"] = self.randomizer.values

    # -- what a task says ------------------------------------------------------------------------

    @abstractmethod
    def goal(self, world: FlyingWorld) -> NDArray:
        """What each drone shall do, seen from it: (N, A, G)."""

    @abstractmethod
    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """Where a good pilot would have each drone now, (N, A)."""

    @abstractmethod
    def draw(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """Draw goals of the masked worlds; where their drones start, (n, A, 3) [m]."""

    # -- Task ------------------------------------------------------------------------------------

    def scene(self) -> Scene:
        """The bare room."""
        return arena(self.name, self.spec, self.start, aero=self.aero)

    @property
    def num_agents(self) -> int:
        """A: every drone is one."""
        return self.num_drones

    def bind(self, action_dim: int) -> None:
        """Make room for the last actions."""
        self.memory["last_action"] = np.zeros((self.num_worlds, self.num_last_actions, action_dim))

    def drive(self, control: str, config: Any = None) -> Drive:
        """A flight control mode for all drones."""
        return FlightDrive(
            control, self.spec, self.num_worlds, self.num_drones, fps=self.fps,
            physics_hz=1 / self.scene().timestep, config=cast("FlightConfig | None", config),
        )  # fmt: skip

    def note_action(self, actions: NDArray) -> None:
        """Keep them for the next observation, the latest first."""
        last = self.memory["last_action"]
        last[:, 1:] = last[:, :-1]
        last[:, 0] = actions

    def reset(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Goals, then drones about their starts with tilt and speed, rotors at hover."""
        flying = cast("FlyingWorld", world)
        self.memory["last_action"][mask] = 0.0
        places = self.draw(flying, mask, rng)
        shape = (self.num_drones, 3)
        tilt = rng.uniform(mask, -self.tilt_range, self.tilt_range, shape)
        fast = np.asarray(self.speed_range)
        speed = rng.uniform(mask, -fast, fast, shape)
        quat = quat_from_rotvec(tilt)
        for i, body in enumerate(self.drones):
            flying.set_pose(body, np.concatenate([places[:, i], quat[:, i]], axis=1), mask)
            still = np.zeros_like(speed[:, i])
            flying.set_velocity(body, np.concatenate([speed[:, i], still], axis=1), mask)
        assert self.spec.rotorcraft is not None
        mass = next(b.mass for b in self.spec.bodies if b.name == self.spec.rotorcraft.body)
        flying.set_rotor_speed(self.spec.rotorcraft.hover_rpm(cast("float", mass)), mask)
        self.instruction(rng, mask)
        if self.randomizer is not None:
            flying.set_parameters(self.physics_of(self.randomizer.draw(mask, rng)), mask)

    def physics_of(self, drawn: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Values (n, A) of `PHYSICS` as `World.set_parameters` takes them."""
        assert self.spec.rotorcraft is not None
        body = next(b for b in self.spec.bodies if b.name == self.spec.rotorcraft.body)
        nominal = {"mass": np.asarray(body.mass), "inertia": np.asarray(body.inertia)}
        values = {}
        for name, value in drawn.items():
            short = name.removesuffix("_scale")
            if short == "inertia":
                values[short] = value[..., None] * nominal[short]
            elif short == "mass":
                values[short] = value * nominal[short]
            else:  # the same for all rotors of a drone
                values[name] = value if name == "drag_scale" else value[..., None]
        return values

    def observe(self, world: World) -> dict[str, NDArray]:
        """All drones' numbers, drone after drone."""
        felt, goal = self.drone_observations(cast("FlyingWorld", world))
        rows = (self.num_worlds, -1)
        return {
            "observation.state": felt.reshape(rows).astype(np.float32),
            "privileged": goal.reshape(rows).astype(np.float32),
        }

    @property
    def state_names(self) -> tuple[str, ...]:
        """Of what `drone_observations` says each drone feels; `r_xz` has body z along world x."""
        _, count, width = self.memory["last_action"].shape
        felt = [f"r_{row}{column}" for row in "xyz" for column in "xyz"]
        felt += ["vx", "vy", "vz", "p", "q", "r", "z"]
        each = range(width // self.num_drones)
        felt += [f"action{k}_ago{1 + h}" for h in range(count) for k in each]
        return tuple(drone + name for drone in drone_names(self.num_drones) for name in felt)

    def drone_observations(self, world: FlyingWorld) -> tuple[NDArray, NDArray]:
        """What each drone feels (N, A, 16 + H * K) and its goal (N, A, G)."""
        flight, count = world.flight, (self.num_worlds, self.num_drones)
        felt = np.concatenate(
            [
                matrix_from_quat(flight.quat).reshape(*count, 9),
                flight.velocity,
                flight.omega_body,
                flight.position[..., 2:],
                self._last_actions(),
            ],
            axis=-1,
        )
        return felt, self.goal(world)

    def _last_actions(self) -> NDArray:
        """(N, A, H * K), the latest first."""
        last = self.memory["last_action"]
        worlds, count = last.shape[:2]
        each = last.reshape(worlds, count, self.num_drones, -1).swapaxes(1, 2)
        return each.reshape(worlds, self.num_drones, -1)

    def instruction(self, rng: WorldRng, mask: Mask) -> list[str]:
        """Draw the wordings of the masked worlds."""
        self.memory["wording"][mask] = rng.integers(mask, len(self.templates))
        texts = self.instructions
        return [texts[i] for i in np.flatnonzero(mask)]

    @property
    def instructions(self) -> list[str]:
        """What each of the N worlds is asked to do."""
        wordings = self.memory["wording"].astype(int)
        return [self.templates.fill(w, **self.words(i)) for i, w in enumerate(wordings)]

    def words(self, world: int) -> dict[str, str]:
        """What fills the slots of the templates in one world."""
        return {}

    def expert(self) -> Pilot:
        """A geometric controller that follows `setpoint`."""
        return Pilot(self)

    # -- judging ---------------------------------------------------------------------------------

    def crashes(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N, A) drones that touch the floor."""
        return np.stack([world.contacts(body, "floor") for body in self.drones], axis=1)


def everyone(evaluation: Evaluation, name: str) -> NDArray:
    """A quantity (N, A) as what the worst drone has, (N,)."""
    return evaluation[name].max(axis=1)
