"""Which gate, which pad, by colour: language tasks; velocities at 10 Hz, a front camera."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import register_task
from octoworld.core.rng import WorldRng
from robots.control.flight.actions import FlightConfig
from robots.control.flight.setpoint import Setpoint
from sim.scene import Scene
from sim.world import FlyingWorld, Mask, World

from ..language import COLOR_NAMES, COLORS, Templates
from ..rewards import tolerance
from ..task import Evaluation
from .arena import arena
from .gates import from_gate, gate, geoms_of, in_gate, passes, through, upright
from .pads import Touchdown, descent, pad, place_pad
from .solo import PointTask, toward

MAX_VELOCITY = 1.0
"""Of a full action [m/s]."""
SPACING = 0.85
"""Between gates, and between pads, side by side [m]."""
BEHIND = 0.5
"""Where a drone that is through its gate waits, or turns to its pad [m]."""
RGB = np.array(tuple(COLORS.values()))


class VelocityPilot:
    """The task's velocity as actions of the mode `vel`."""

    def __init__(self, task: ColorTask) -> None:
        self.task = task

    def act(self, world: World) -> NDArray[np.float64]:
        """Actions (N, 4) in [-1, 1]; the yaw rate is 0."""
        velocity = self.task.wanted_velocity(cast("FlyingWorld", world)) / MAX_VELOCITY
        velocity /= np.maximum(1.0, np.linalg.norm(velocity, axis=-1, keepdims=True))
        return np.column_stack([velocity, np.zeros(len(velocity))])


class ColorTask(PointTask):
    """Gates and pads of drawn colours in drawn places; the instruction names one of each kind.

    Starts: 1.9 m before the gates' plane, nose towards it. Flying through another gate, touching a
    gate, or touching the floor anywhere but gently on the right pad (and after the gate, where one
    is asked for) is a failure. What is achieved gives its whole reward from then on.
    """

    control_mode = "vel"
    fps = 10
    cameras: ClassVar = ("front", "overview")
    tilt_range = np.deg2rad(4)
    speed_range = 0.1
    slot_words: ClassVar = {"gate": COLOR_NAMES, "pad": COLOR_NAMES}
    num_gates: ClassVar[int] = 0
    num_pads: ClassVar[int] = 0
    pad_distance: ClassVar[tuple[float, float]] = (0.1, 0.6)
    """Of pads along x, drawn within this [m]."""

    def __init__(self, num_worlds: int, **options: Any) -> None:
        super().__init__(num_worlds, **options)
        memory, gates, pads = self.memory, self.num_gates, self.num_pads
        memory["gates"] = np.zeros((num_worlds, gates, 7))
        memory["gates"][..., 3] = 1.0
        memory["pads"] = np.zeros((num_worlds, pads, 2))
        memory["gate_colors"] = np.zeros((num_worlds, gates))
        memory["pad_colors"] = np.zeros((num_worlds, pads))
        # the first of each kind is the one meant; slots are drawn
        memory["passed"] = np.zeros(num_worlds)
        memory["last_position"] = np.zeros((num_worlds, 3))
        self.touchdown = Touchdown(memory, num_worlds, self.fps)

    def scene(self) -> Scene:
        """The room with gates and pads; their colours are set per world."""
        gates = [gate(f"gate{k}") for k in range(self.num_gates)]
        pads = [pad(f"pad{k}") for k in range(self.num_pads)]
        return arena(self.name, self.spec, self.start, bodies=(*gates, *pads), aero=self.aero)

    def drive(self, control: str, config: Any = None) -> Any:
        """Full actions of `vel` are 1 m/s unless told otherwise."""
        return super().drive(control, config or FlightConfig(max_velocity=MAX_VELOCITY))

    def begin(self, world: FlyingWorld, mask: Mask, rng: WorldRng) -> NDArray:
        """Places, colours, a start."""
        memory = self.memory
        memory["passed"][mask] = 0.0
        self.touchdown.reset(mask)
        quarter = rng.uniform(mask, -0.15, 0.15)
        if self.num_gates:
            places = np.stack([
                rng.uniform(mask, -0.15, 0.15, (self.num_gates,)),
                self._slots(mask, rng, self.num_gates),
                rng.uniform(mask, 0.8, 1.2, (self.num_gates,)),
            ], axis=-1)  # fmt: skip
            poses = upright(places, rng.uniform(mask, -0.15, 0.15, (self.num_gates,)))
            memory["gates"][mask] = poses
            memory["gate_colors"][mask] = self._colors(mask, rng, self.num_gates)
            for k in range(self.num_gates):
                world.set_pose(f"gate{k}", poses[:, k], mask)
                rgba = self._rgba(memory["gate_colors"][mask, k])
                for geom in geoms_of(f"gate{k}"):
                    world.set_color(geom, rgba, mask)
        if self.num_pads:
            x = rng.uniform(mask, *self.pad_distance, (self.num_pads,))
            pads = np.stack([x, self._slots(mask, rng, self.num_pads)], axis=-1)
            memory["pads"][mask] = pads
            memory["pad_colors"][mask] = self._colors(mask, rng, self.num_pads)
            for k in range(self.num_pads):
                place_pad(world, mask, f"pad{k}", pads[:, k])
                world.set_color(f"pad{k}_disc", self._rgba(memory["pad_colors"][mask, k]), mask)
        low, high = (-2.0, -0.1, 0.85), (-1.8, 0.1, 1.15)
        start = rng.uniform(mask, low, high, (3,))
        start[:, 1] += quarter
        memory["last_position"][mask] = start
        return start

    def _slots(self, mask: Mask, rng: WorldRng, count: int) -> NDArray:
        """Places along y of `count` things side by side, in drawn order, (n, count) [m]."""
        slots = (rng.permutation(mask, count) - (count - 1) / 2) * SPACING
        return slots + rng.uniform(mask, -0.03, 0.03, (count,))

    def _colors(self, mask: Mask, rng: WorldRng, count: int) -> NDArray:
        """Different colours, (n, count) indices."""
        return rng.permutation(mask, len(COLOR_NAMES))[:, :count]

    def _rgba(self, colors: NDArray) -> NDArray:
        rgb = RGB[colors.astype(int)]
        return np.column_stack([rgb, np.ones(len(rgb))])

    def words(self, world: int) -> dict[str, str]:
        """Colours of the gate and the pad that are meant."""
        kinds = {"gate": self.num_gates, "pad": self.num_pads}
        return {
            kind: COLOR_NAMES[int(self.memory[f"{kind}_colors"][world, 0])]
            for kind, count in kinds.items() if count
        }  # fmt: skip

    def goal(self, world: FlyingWorld) -> NDArray:
        """Ways to what is meant, then whether the gate is passed, (N, 1, 4 or 7) [m]."""
        position, memory = world.flight.position[:, 0], self.memory
        parts = [memory["passed"][:, None]]
        if self.num_gates:
            parts.append(memory["gates"][:, 0, :3] - position)
        if self.num_pads:
            place = np.column_stack([memory["pads"][:, 0], np.zeros(self.num_worlds)])
            parts.append(place - position)
        return np.concatenate(parts, axis=-1)[:, None]

    def wanted_velocity(self, world: FlyingWorld) -> NDArray:
        """Through the gate where there is one, then down on the pad where there is one."""
        position, memory = world.flight.position[:, 0], self.memory
        velocity = np.zeros_like(position)
        if self.num_pads:
            height = np.clip(position[:, 2], 0.5, None)
            velocity = descent(position, memory["pads"][:, 0], height, self.cruise)
        if self.num_gates:
            pose = memory["gates"][:, 0]
            behind = from_gate(np.array((BEHIND, 0.0, 0.0)), pose) - position
            leaving = in_gate(position, pose)[:, 0] < 0.6 * BEHIND
            on = toward(behind, self.cruise)
            if self.num_pads:
                on = np.where(leaving[:, None], on, velocity)
            passed = (memory["passed"] > 0)[:, None]
            velocity = np.where(passed, on, toward(through(position, pose), self.cruise))
        return velocity

    def setpoint(self, world: FlyingWorld) -> Setpoint:
        """That velocity, wherever the drone is."""
        return Setpoint.at(world.flight.position, self.wanted_velocity(world)[:, None])

    def crashed(self, world: FlyingWorld) -> NDArray[np.bool_]:
        """(N,) bad touches of the floor, and touches of gates."""
        down = self.crashes(world)[:, 0]
        if self.num_pads:
            may_land = self.memory["passed"] > 0 if self.num_gates else None
            down = self.touchdown.judge(world, down, self.memory["pads"][:, 0], may_land)[0]
        body = self.drones[0]
        touched = [world.contacts(body, f"gate{k}") for k in range(self.num_gates)]
        return np.logical_or.reduce([down, *touched])

    def judge(self, world: FlyingWorld, felt: Evaluation) -> Evaluation:
        """Whether through the gate and landed, distances to gate and pad [m], a wrong gate."""
        position, memory = world.flight.position[:, 0], self.memory
        wrong = np.zeros(self.num_worlds, bool)
        judged: Evaluation = {}
        if self.num_gates:
            gates = memory["gates"]
            last = in_gate(memory["last_position"][:, None], gates)
            crossed = passes(last, in_gate(position[:, None], gates))
            memory["passed"][...] = np.maximum(memory["passed"], crossed[:, 0])
            wrong = np.logical_or.reduce(crossed[:, 1:], axis=1)
            judged["gate_distance"] = np.linalg.norm(position - gates[:, 0, :3], axis=-1)
            judged["passed"] = memory["passed"] > 0
        if self.num_pads:
            way = position[:, :2] - memory["pads"][:, 0]
            judged["pad_distance"] = np.linalg.norm(np.column_stack([way, position[:, 2]]), axis=-1)
            judged["landed"] = memory["landed"] > 0
        memory["last_position"][...] = position
        success = np.ones(self.num_worlds, bool)
        for part in ("passed", "landed"):
            success &= judged.get(part, True)
        return {**judged, "wrong_gate": wrong, "failure": wrong, "success": success}

    def terms(self, evaluation: Evaluation) -> dict[str, tuple[float, NDArray]]:
        """For gate and pad each: near it, and done."""
        terms: dict[str, tuple[float, NDArray]] = {}
        share = 1.0 / ((self.num_gates > 0) + (self.num_pads > 0))
        before = np.ones(self.num_worlds)
        for kind, done in (("gate", "passed"), ("pad", "landed")):
            if done in evaluation:
                is_done = evaluation[done].astype(float)
                near = before * tolerance(evaluation[f"{kind}_distance"], (0.0, 0.05), 1.2)
                terms[f"near_{kind}"] = (0.3 * share, np.maximum(is_done, near))
                terms[done] = (0.7 * share, is_done)
                before = is_done
        return terms

    def expert(self) -> VelocityPilot:  # type: ignore[override]
        """Speaks the mode `vel`."""
        return VelocityPilot(self)


@register_task("FlyThroughColoredGate")
class FlyThroughColoredGate(ColorTask):
    """Success: through the gate of the colour named, of three side by side."""

    name = "FlyThroughColoredGate"
    num_gates = 3
    max_seconds = 9.0
    templates: ClassVar = Templates(
        "fly through the {gate} gate", "pass through the {gate} frame", "go through the {gate} gate"
    )


@register_task("LandOnColoredPad")
class LandOnColoredPad(ColorTask):
    """Success: at rest for 0.5 s on the pad of the colour named, of three side by side."""

    name = "LandOnColoredPad"
    num_pads = 3
    max_seconds = 12.0
    templates: ClassVar = Templates(
        "land on the {pad} pad", "touch down on the {pad} pad", "come down on the {pad} circle"
    )


@register_task("GateThenLand")
class GateThenLand(ColorTask):
    """Success: through the gate named, of two, and then at rest on the pad named, of two."""

    name = "GateThenLand"
    num_gates, num_pads = 2, 2
    pad_distance: ClassVar = (1.1, 1.4)
    max_seconds = 16.0
    templates: ClassVar = Templates(
        "fly through the {gate} gate, then land on the {pad} pad",
        "pass the {gate} gate and touch down on the {pad} pad",
        "go through the {gate} frame and come down on the {pad} circle",
    )
