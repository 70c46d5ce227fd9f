"""Machine: the robot and the home in MuJoCo; carries out joint paths and ways of the base."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import BACKENDS, ROBOTS
from robots.mobile_panda.spec import BASE_JOINTS
from sim.backends.mujoco_probe import Probe

from ..bodies import joint_names, opened_at
from ..geometry import thing_pose
from ..home import Home
from ..motion import Shown
from ..objects import kind_named, kind_of
from ..scene import household_scene
from ..state import State
from .reach import Path, dense

TICK = 4
"""Physics steps between two commands; 20 ms."""
ARM_SPEED, CARRY_SPEED = 1.3, 0.9
"""Of the fastest joint, with an empty hand and a full one [rad/s]; the Panda's limit is 2.2."""
RAMP = 0.25
"""In which a motion gets up to speed, and comes to rest [s]."""
DRIVE, TURN = 0.5, 1.2
"""Speed of the base [m/s], [rad/s]."""
SMOOTH = 15
"""Commands over which the way of the base is averaged."""
OPEN = 0.04
"""Position of each finger of an open hand [m]."""
SQUEEZE = 0.020
"""How far inside a thing each finger's target is: 26 N a finger [m]."""
TURNED_FORMS = ("box", "stick", "key", "cloth")
"""Narrow along y: they stand with their long side to the front, so that a hand that comes from
there takes them across."""
ARM = tuple(f"joint{i}" for i in range(1, 8))
FINGERS = ("finger_joint1", "finger_joint2")


class Machine:
    """One world of one home with the things of one episode."""

    def __init__(self, home: Home, things: tuple[str, ...]) -> None:
        self.home, self.things = home, things
        self.world = BACKENDS.get("mujoco")(household_scene(home, "free", things), 1, num_threads=1)
        self.dt = self.world.scene.timestep * TICK
        self.probe = Probe(self.world, "link1", ARM)
        self.spec = ROBOTS.get("mobile_panda")()
        # with damping on the joint's own speed a servo lags behind a moving target by this time
        drive = self.spec.actuators[0]
        self._lag = drive.damping / drive.stiffness
        self.control = np.zeros(12)
        self.ticks = 0
        """Commands since the start."""
        self.watch: Callable[[], None] | None = None
        """Called when the fingers have closed or opened: for films."""

    @property
    def seconds(self) -> float:
        """Simulated time since the start [s]."""
        return self.ticks * self.dt

    def reset(self, state: State) -> None:
        """Put everything where a state has it, and let it come to rest."""
        world, home = self.world, self.home
        world.reset()
        world.set_joint_position(BASE_JOINTS, np.array([state.base]))
        for piece in home.pieces:
            if state.opened.get(piece.name):
                joints = joint_names(piece)
                world.set_joint_position(joints, np.full((1, len(joints)), opened_at(piece.kind)))
        for thing in self.things:
            x, y, z, yaw = thing_pose(home, state, thing)
            yaw += math.pi / 2 if kind_named(kind_of(thing)).form in TURNED_FORMS else 0.0
            pose = [x, y, z, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]
            world.set_pose(thing, np.array([pose]))
        world.refresh()
        self.control[:] = [*state.base, *(self.spec.home[j] for j in ARM), OPEN, OPEN]
        self.ticks = 0
        self.rest(0.4)
        self.ticks = 0

    # -- reading -----------------------------------------------------------------------------------

    @property
    def base(self) -> tuple[float, float, float]:
        """x, y [m], yaw [rad]."""
        x, y, yaw = self.world.joint_position(*BASE_JOINTS)[0]
        return (float(x), float(y), float(yaw))

    @property
    def stance(self) -> tuple[float, float, float]:
        """Where the base is led to; reaches are planned from there, as it wavers a little."""
        x, y, yaw = self.control[:3]
        return (float(x), float(y), float(yaw))

    @property
    def arm(self) -> NDArray:
        """Commanded joints of the arm (7,) [rad]."""
        return self.control[3:10].copy()

    @property
    def gap(self) -> float:
        """Between the fingers [m]."""
        return float(self.world.joint_position(*FINGERS)[0].sum())

    def pose(self, name: str) -> NDArray:
        """(7,)."""
        return self.world.pose(name)[0].copy()

    def joints(self, *names: str) -> NDArray:
        """Positions of joints."""
        return self.world.joint_position(*names)[0].copy()

    def shown(self) -> Shown:
        """What is to be drawn."""
        names = (*BASE_JOINTS, *ARM, *FINGERS)
        names += tuple(j for piece in self.home.pieces for j in joint_names(piece))
        joints = dict(zip(names, self.joints(*names).tolist(), strict=True))
        return Shown(joints, {thing: self.pose(thing) for thing in self.things})

    # -- acting ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """One command."""
        self.world.step(self.control[None], TICK)
        self.ticks += 1

    def rest(self, seconds: float) -> None:
        """Hold still."""
        for _ in range(max(1, round(seconds / self.dt))):
            self.tick()

    def follow(self, path: Path, speed: float = ARM_SPEED) -> None:
        """Lead the arm along joint positions (n, 7), and wait until it is there."""
        points = dense(np.concatenate([self.arm[None], path]), 0.05)
        gaps = np.abs(np.diff(points, axis=0)).max(axis=1)
        at = np.concatenate([[0.0], np.cumsum(gaps)]) / speed
        if at[-1] > 1e-9:
            for when in _eased(at[-1], self.dt):
                index = min(int(np.searchsorted(at, when, side="right")) - 1, len(points) - 2)
                share = (when - at[index]) / max(at[index + 1] - at[index], 1e-12)
                share = min(max(share, 0.0), 1.0)
                self.control[3:10] = (1 - share) * points[index] + share * points[index + 1]
                self.tick()
        self.still(0.08, 0.8)

    def still(self, least: float, most: float) -> None:
        """Hold until everything of the robot has come to rest [s]."""
        self.rest(least)
        for _ in range(round((most - least) / self.dt)):
            speed = np.abs(self.world.joint_velocity(*BASE_JOINTS, *ARM)[0]).max()
            if speed < 0.01:
                break
            self.tick()

    def grip(self, position: float, seconds: float) -> None:
        """Lead both fingers to a position each [m]."""
        start, goal = self.control[10], min(max(position, 0.0), OPEN)
        steps = max(1, round(seconds / self.dt))
        for i in range(1, steps + 1):
            # a servo that is given the goal at once would hit the thing at a metre a second
            self.control[10:] = start + (goal - start) * min(1.0, 1.5 * i / steps)
            self.tick()
        if self.watch is not None:
            self.watch()

    def drive(self, points: Sequence[tuple[float, float]], yaw: float, timeout: float) -> bool:
        """Lead the base along points to a heading; whether it got there."""
        xy = np.array([self.control[:2], *points])
        gaps = np.linalg.norm(np.diff(xy, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(gaps)])
        turn = math.remainder(yaw - self.control[2], 2 * math.pi)
        start = self.control[2]
        total = max(along[-1] / DRIVE, abs(turn) / TURN, 1e-6)
        share = np.concatenate([_eased(total, self.dt) / total, np.ones(2 * SMOOTH)])
        lead = np.concatenate([np.zeros(SMOOTH), share])
        way = np.stack(
            [*(np.interp(lead * along[-1], along, c) for c in xy.T), start + lead * turn], axis=1
        )
        # corners are rounded: what is carried does not feel them as a blow
        kernel = np.full(SMOOTH, 1 / SMOOTH)
        way = np.stack([np.convolve(c, kernel, "valid") for c in way.T], axis=1)
        speed = np.diff(way, axis=0, append=way[-1:]) / self.dt
        for now in way + speed * self._lag:
            self.control[:3] = now
            self.tick()
        goal = np.array([*xy[-1], start + turn])
        self.control[:3] = goal
        for _ in range(round(timeout / self.dt)):
            self.tick()
            if self._off(goal) < 0.004 and np.abs(self._speed()).max() < 0.02:
                return True
        arrived = self._off(goal) < 0.015
        if not arrived:
            self.control[:3] = self.base
        return arrived

    def _off(self, goal: NDArray) -> float:
        return float(np.abs(np.array(self.base) - goal).max())

    def _speed(self) -> NDArray:
        return self.world.joint_velocity(*BASE_JOINTS)[0]


def _eased(total: float, dt: float) -> NDArray:
    """Times along a way of `total` [s], every `dt`, with ramps at both ends."""
    ramp = min(RAMP, total)
    length = total + ramp
    t = np.arange(1, math.ceil(length / dt) + 1) * dt
    t = np.minimum(t, length)
    up = np.where(t < ramp, t * t / (2 * ramp), t - ramp / 2)
    left = length - t
    down = np.where(left < ramp, total - left * left / (2 * ramp), np.inf)
    return np.minimum(up, down)
