"""Reach: bring the point between the fingers to a ball in the air. The first task to learn."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from octoworld.core.registry import ROBOTS, register_task, register_training
from octoworld.core.rng import WorldRng
from robots.control.modes import ControlConfig
from robots.spec import BodySpec, GeomSpec, arm_of
from sim.scene import RobotPlacement, Scene
from sim.world import Mask, World

from ..language import COLOR_NAMES, Templates
from ..rewards import tolerance
from ..task import Evaluation, weighted
from .arm_task import ArmTask
from .expert import OPEN
from .places import TRIES
from .scene import TABLE_RGBA, front_camera
from .tabletop import PALETTE, UPRIGHT

LEAST_WAY = 0.10
"""From the tool's start to the ball [m], in a box of at least 2.5 times that width."""
FAR = 0.64
"""How far before its base an arm's box ends that the front camera was put up for [m]."""


@cache
def reach_scene(robot: str) -> Scene:
    """Robot, table and a ball that nothing touches; the camera is nearer to a small arm."""
    spec = ROBOTS.get(robot)()
    scale = arm_of(spec).reach_box[1][0] / FAR
    table = GeomSpec("table", "box", (0.60, 0.70, 0.02), (0.40, 0.0, -0.02), rgba=TABLE_RGBA)
    ball = GeomSpec("goal", "sphere", (0.02,), rgba=(0.1, 0.6, 0.2, 1.0), collides=False)
    place = (0.5 * scale, 0.0, 0.2 * scale)
    return Scene(
        name="reach",
        robots=(RobotPlacement(spec),),
        bodies=(BodySpec("goal", position=place, geoms=(ball,), movable_base=True),),
        static_geoms=(table,),
        cameras=(front_camera(scale),),
    )


@register_task("Reach")
class Reach(ArmTask):
    """Success: the tool is within 2 cm of the ball, at rest (below 5 cm/s)."""

    name = "Reach"
    stage_names = ("reached",)
    things = ("goal",)
    remembers = ("color", "gripper", "wording")
    physics = "servos"
    cameras = ("front", "wrist")
    max_seconds = 3.0
    ends_on_success = False
    """The tool is to stay there: success is judged at the end."""
    reach_distance: ClassVar[float] = 0.02
    rest_speed: ClassVar[float] = 0.05
    templates = Templates(
        "reach the {goal} ball",
        "move the hand to the {goal} ball",
        "bring the gripper to the {goal} sphere",
        "touch the {goal} ball in the air",
    )
    slot_words: ClassVar = {"goal": COLOR_NAMES}

    def scene(self) -> Scene:
        """The same object for all worlds."""
        return reach_scene(self.robot)

    def reset(self, world: World, mask: Mask, rng: WorldRng) -> None:
        """Draw the tool's start, the ball at least 10 cm from it, and the colour."""
        low, high = np.array(self.arm.reach_box)
        least_way = min(LEAST_WAY, 0.4 * float((high - low)[:2].min()))
        tries = 1 if self.split is None else TRIES
        draws = rng.uniform(mask, shape=(2 * tries, 3)) * (high - low) + low
        tool, goals = draws[:, 0], draws[:, tries:]
        far = np.linalg.norm(goals - tool[:, None], axis=2) >= least_way
        first = (far & self.may_stand(goals[..., :2])).argmax(axis=1)
        goal = goals[np.arange(len(goals)), first]
        way = goal - tool
        length = np.linalg.norm(way, axis=1, keepdims=True)
        # too near: to the far side of the box, along the same line through its middle
        middle = (low + high) / 2
        goal = np.where(length < least_way, 2 * middle - goal, goal)
        goal = np.where(
            np.linalg.norm(goal - tool, axis=1, keepdims=True) < least_way,
            tool + np.where(tool > middle, -least_way, least_way) * np.array([1.0, 1.0, 0.0]),
            goal,
        )
        self.start_tool(world, mask, tool)
        pose = np.concatenate([goal, np.tile(UPRIGHT, (len(goal), 1))], axis=1)
        world.set_pose("goal", pose, mask)
        colors = np.arange(len(COLOR_NAMES)) if self.split is None else self.split.colors()
        color = colors[rng.integers(mask, len(colors))]
        world.set_color("goal", PALETTE[color], mask)
        self.memory["color"][mask] = color
        self.memory["gripper"][mask] = OPEN
        self.instruction(rng, mask)
        self.draw_physics(world, mask, rng)

    @property
    def instructions(self) -> list[str]:
        """The sentence of every world."""
        columns = (self.memory[k].astype(int) for k in ("wording", "color"))
        return [self.templates.fill(w, goal=COLOR_NAMES[c]) for w, c in zip(*columns, strict=True)]

    def meant(self, world: World) -> NDArray:
        """The ball is both."""
        return np.repeat(world.pose("goal")[:, None, :3], 2, axis=1)

    def observe(self, world: World) -> dict[str, NDArray]:
        """The table-top tasks' proprioception (N, 8), and the way to the ball (N, 3) [m]."""
        tool = world.pose(self.spec.tool_site)[:, :3]
        gap = world.joint_position(*self.spec.gripper_joints).sum(axis=1, keepdims=True)
        felt = [
            tool, world.velocity(self.spec.tool_site)[:, :3], gap,
            self.memory["gripper"][:, None],
        ]  # fmt: skip
        way = world.pose("goal")[:, :3] - tool
        return {
            "observation.state": np.concatenate(felt, axis=1, dtype=np.float32),
            "privileged": way.astype(np.float32),
        }

    def evaluate(self, world: World) -> Evaluation:
        """Distance, speed, success."""
        tool = self.spec.tool_site
        distance = np.linalg.norm(world.pose("goal")[:, :3] - world.pose(tool)[:, :3], axis=1)
        speed = np.linalg.norm(world.velocity(tool)[:, :3], axis=1)
        reached = distance < self.reach_distance
        return {
            "distance": distance, "speed": speed, "reached": reached,
            "success": reached & (speed < self.rest_speed),
        }  # fmt: skip

    def dense_reward(self, evaluation: Evaluation) -> tuple[NDArray, dict[str, NDArray]]:
        """Nearness at two scales, and success."""
        distance = evaluation["distance"]
        return weighted(
            {
                "approach": (0.4, tolerance(distance, (0.0, 0.01), 0.3)),
                "close": (0.2, tolerance(distance, (0.0, 0.005), 0.04)),
                "success": (0.4, evaluation["success"]),
            }
        )

    def expert(self) -> ReachExpert:
        """Straight to the ball."""
        return ReachExpert(self.spec.tool_site)


class ReachExpert:
    """A straight line, slower near its end."""

    speed = 0.6

    def __init__(self, tool: str = "tool") -> None:
        """`tool` is the site to bring to the ball."""
        self._tool, self._step = tool, ControlConfig().position_step

    def act(self, world: World) -> NDArray[np.float64]:
        """Actions (N, 4) in [-1, 1] of `ee_delta_pos`."""
        shift = (world.pose("goal")[:, :3] - world.pose(self._tool)[:, :3]) / self._step
        largest = np.abs(shift).max(axis=1, keepdims=True)
        shift = shift * np.minimum(1.0, self.speed / np.maximum(largest, 1e-9))
        return np.concatenate([shift, np.full((len(shift), 1), OPEN)], axis=1)


@register_training("Reach")
def _training(algo: str) -> dict[str, Any]:
    """A short way by small steps: PPO needs 0.05 million of them, SAC 0.03 million."""
    if algo in ("sac", "td3"):
        return {"total_steps": 150_000, "hidden": (64, 64), "eval_every": 10_000}
    if algo != "ppo":
        return {}
    return {"total_steps": 500_000, "initial_scale": 0.5, "discount": 0.97}
