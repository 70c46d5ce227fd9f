"""PayloadTransport: carry a load that hangs on a cable to a point, and bring it to rest there."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_are

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from octoworld.core.rotations import matrix_from_quat
from robots.control.flight.setpoint import Setpoint
from robots.spec import BodySpec, GeomSpec, JointSpec
from sim.scene import CableSpec, Scene
from sim.world import FlyingWorld, Mask

from ..language import Templates
from ..rewards import tolerance
from ..task import Evaluation
from .arena import arena
from .hover import HOLD_ERROR, HOLD_SECONDS
from .pilot import Pilot
from .solo import FAR, SoloTask

CABLE = 0.4
"""Length of the cable [m]."""
LOAD_SHARE, LOAD_RADIUS = 0.3, 0.02
"""Mass of the load as a share of the drone's [-], and its radius [m]."""
SWING = np.deg2rad(20)
"""Largest angle of the cable from the vertical at the start [rad]."""
LOAD_COLOR = (0.95, 0.55, 0.10, 1.0)
GOAL_COLOR = (0.20, 0.75, 0.35, 0.45)
GRAVITY = 9.81


@register_task("PayloadTransport")
class PayloadTransport(SoloTask):
    """Success: the load's mean distance to its target below 5 cm over the last 2 s.

    The load weighs 0.3 drones and hangs on a cable of 40 cm, which pulls and never pushes. Starts:
    the load up to 0.8 m from its target along x and y, 0.3 m along z, the cable up to 20 deg from
    the vertical, the drone tilted up to 10 deg. Touching the floor, drone or load, or each other,
    is a crash.

    Backend `mujoco` alone has cables: the others raise ConfigError. Air acts on the drone, not on
    the load.

    Observations: as in FlyingTask; privileged: ways from load to target and from drone to load [m],
    the load's velocity [m/s], (N, 1, 9).
    """

    name = "PayloadTransport"
    backend = "mujoco"
    max_seconds = 6.0
    tilt_range = np.deg2rad(10)
    speed_range = 0.0
    templates: ClassVar = Templates(
        "carry the load to the green mark",
        "bring the hanging ball to the green mark and hold it still",
        "take your payload to the green mark",
    )

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        window = round(HOLD_SECONDS * self.fps)
        self.memory["target"] = np.ones((num_worlds, 3))
        self.memory["load_start"] = np.zeros((num_worlds, 3))
        self.memory["errors"] = np.full((num_worlds, window), FAR)
        assert self.spec.rotorcraft is not None
        drone = next(b for b in self.spec.bodies if b.name == self.spec.rotorcraft.body)
        assert drone.mass is not None
        self.load_mass = LOAD_SHARE * drone.mass
        """[kg]."""

    def scene(self) -> Scene:
        """The room, the load on its cable, a mark where it is to go."""
        ball = GeomSpec("load_ball", "sphere", (LOAD_RADIUS,), rgba=LOAD_COLOR)
        mark = GeomSpec("goal_mark", "sphere", (0.05,), rgba=GOAL_COLOR, collides=False)
        x, y, z = self.start[0]
        load = BodySpec(
            "load", position=(x, y, z - CABLE), joint=JointSpec("load_free", "free"),
            geoms=(ball,), mass=self.load_mass,
        )  # fmt: skip
        goal = BodySpec("goal", position=(x, y, z), movable_base=True, geoms=(mark,))
        cable = CableSpec("cable", (self.drones[0], "load"), CABLE)
        return arena(
            self.name, self.spec, self.start, bodies=(load, goal), cables=(cable,), aero=self.aero
        )

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """The target, where the load hangs, the drone at the cable's other end."""
        memory = self.memory
        target = rng.uniform(mask, (-0.5, -0.5, 0.7), (0.5, 0.5, 1.2), (3,))
        load = target + rng.uniform(mask, (-0.8, -0.8, -0.3), (0.8, 0.8, 0.3), (3,))
        angle, heading = rng.uniform(mask, 0.0, SWING), rng.uniform(mask, -np.pi, np.pi)
        sin = np.sin(angle)
        up = np.stack([sin * np.cos(heading), sin * np.sin(heading), np.cos(angle)], axis=-1)
        memory["target"][mask], memory["load_start"][mask] = target, load
        memory["errors"][mask] = FAR
        still = np.tile((1.0, 0.0, 0.0, 0.0), (len(load), 1))
        world.set_pose("load", np.concatenate([load, still], axis=1), mask)
        world.set_pose("goal", np.concatenate([target, still], axis=1), mask)
        return load + CABLE * up

    def goal(self, world: FlyingWorld) -> NDArray:
        """Load to target, drone to load [m], the load's velocity [m/s], (N, 1, 9)."""
        load = world.pose("load")[:, :3]
        parts = [self.memory["target"] - load, load - world.flight.position[:, 0]]
        return np.concatenate([*parts, world.velocity("load")[:, :3]], axis=-1)[:, None]

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """A cable's length above the target."""
        return Setpoint.at(self.memory["target"][:, None] + np.array((0.0, 0.0, CABLE)))

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) drone or load on the floor, load at the drone, drone upside down."""
        touches = [world.contacts("load", "floor"), world.contacts("load", self.drones[0])]
        over = matrix_from_quat(world.flight.quat[:, 0])[:, 2, 2] < 0
        return np.logical_or.reduce([super().crashed(world), over, *touches])

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Distance of the load, its mean over the last 2 s [m]; speed of the load [m/s]."""
        errors = self.memory["errors"]
        distance = np.linalg.norm(self.memory["target"] - world.pose("load")[:, :3], axis=-1)
        slot = self.memory["clock"].astype(int) % errors.shape[1]
        errors[np.arange(self.num_worlds), slot] = distance
        mean = errors.mean(axis=1)
        speed = np.linalg.norm(world.velocity("load")[:, :3], axis=-1)
        return {
            "distance": distance, "mean_error": mean, "load_speed": speed,
            "success": mean < HOLD_ERROR,
        }  # fmt: skip

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """Near, nearer, the load calm once there."""
        e = evaluation
        close = tolerance(e["distance"], (0.0, 0.02), 0.2)
        calm = close * tolerance(e["load_speed"], margin=0.5)
        near = tolerance(e["distance"], margin=0.7)
        return {"near": (0.2, near), "close": (0.5, close), "calm": (0.3, calm)}

    def expert(self) -> PayloadPilot:
        """A pilot that damps the swing."""
        return PayloadPilot(self)


class PayloadPilot(Pilot):
    """Linear-quadratic regulator of drone and load together, behind the geometric attitude loop.

    Sideways, with the drone at x, the load at y, the cable near the vertical and carried by a
    vertical thrust (m + M) g:  x'' = u + (M / m) g (y - x) / L,  y'' = g (x - y) / L,  where the
    acceleration u that tilting gives lags what is commanded by `LAG`. Up and down both move as one.
    """

    task: PayloadTransport
    LAG = 0.12
    """Of the attitude loop with its motors [s]."""
    STATE_COST = (0.5, 0.3, 6.0, 1.5, 0.0)
    """Of drone's place and speed, load's place and speed, tilt's acceleration [-]."""
    EFFORT_COST = 0.15
    """Of the commanded acceleration [-]."""
    REACH = 0.6
    """Errors of place are taken no longer than this [m]."""
    TILT = 4.0
    """Largest sideways acceleration [m/s^2]."""

    def __init__(self, task: PayloadTransport) -> None:
        super().__init__(task)
        self.share = task.load_mass / self.controller.model.mass
        sway = GRAVITY / CABLE
        system = np.zeros((5, 5))
        system[0, 1] = system[2, 3] = 1.0
        system[1, [0, 2, 4]] = -self.share * sway, self.share * sway, 1.0
        system[3, [0, 2]] = sway, -sway
        system[4, 4] = -1 / self.LAG
        push = np.array([[0.0], [0.0], [0.0], [0.0], [1 / self.LAG]])
        cost = solve_continuous_are(
            system, push, np.diag(self.STATE_COST), np.array([[self.EFFORT_COST]])
        )
        self.gains = (push.T @ cost)[0] / self.EFFORT_COST
        """(5,) of the state above."""

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """The drone's own motion, so that its acceleration alone is commanded."""
        flight, target = world.flight, self.task.memory["target"]
        x, v = flight.position[:, 0], flight.velocity[:, 0]
        y, w = world.pose("load")[:, :3], world.velocity("load")[:, :3]
        error = y - target
        length = np.linalg.norm(error[:, :2], axis=-1, keepdims=True)
        near = error * np.minimum(1.0, self.REACH / np.maximum(length, 1e-9))
        # thrust over mass along the body's axis, less what carries drone and load
        tilt = matrix_from_quat(flight.quat[:, 0])[:, :, 2] * GRAVITY * (1 + self.share)
        parts = (near + x - y, v, near, w, tilt)
        wanted = -np.tensordot(self.gains, np.stack(parts), axes=1)
        wanted[:, :2] *= np.minimum(
            1.0, self.TILT / np.maximum(np.linalg.norm(wanted[:, :2], axis=-1, keepdims=True), 1e-9)
        )
        rise = -4.0 * np.clip(error[:, 2], -0.4, 0.4) - 3.0 * v[:, 2]
        wanted[:, 2] = (1 + self.share) * rise + self.share * GRAVITY
        return Setpoint.at(x[:, None], v[:, None], wanted[:, None])
