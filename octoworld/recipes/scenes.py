"""Still pictures of a task's scene, for grounding: random layouts, arm poses and openings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.core.rng import WorldRng, derive_seed
from octoworld.data.episode import Episode
from robots.control.ik import InverseKinematics, ik_config
from sim.cameras import projection
from sim.scene import Scene
from sim.world import Mask, World
from tasks.drive import ArmDrive
from tasks.env import TaskEnv, scene_cameras, task_env
from tasks.manipulation.arm_task import ArmTask
from tasks.manipulation.scene import SIZES
from tasks.manipulation.staged import StagedTask
from tasks.manipulation.tabletop import TabletopTask
from vla.pretrain import POINTS, UNSEEN

from .tape import element_names

WORKSPACE = ((0.36, -0.26, 0.02), (0.68, 0.26, 0.30))
"""Tool positions drawn, low and high corner [m]."""
TOP_SPEED = 0.4
"""Largest speed of the tool in demonstrations [m/s]."""
HELD_SHARE, NEAR_SHARE = 0.25, 0.25
"""Shares of pictures with the block between the fingers, and with the tool near the block."""
MOVED_SHARE, LAID_SHARE = 0.3, 0.25
"""Shares of pictures with a fixture elsewhere than at the start, and with a thing brought away."""
BIN_SHARE, ZONE_SHARE = 0.15, 0.15
"""Shares of pictures with the block in the bin, and on the zone: rare in demonstrations."""


def still_scenes(
    task: str, seeds: Sequence[int], cameras: Sequence[str], split: str = ""
) -> list[Episode]:
    """One-row episodes of `task`, one a seed: nothing moves, no action is taken.

    The tool stands anywhere, near a thing, or holds one; things lie where the task put them or
    where they may be brought (bin, zone, pad, plate, on one another); drawers, doors, buttons and
    levers stand anywhere. Starts are drawn from `split`, see `tasks.splits`.
    """
    count = len(seeds)
    env = task_env(
        task,
        num_envs=count,
        autoreset_mode=AutoresetMode.DISABLED,
        task_options={"split": split} if split else None,
    )
    try:
        env.reset(seed=list(seeds))
        assert isinstance(env.task, ArmTask)  # of the manipulation suite
        world, everyone = env.world, np.ones(count, bool)
        rng = WorldRng([derive_seed(seed, "still scene") for seed in seeds])
        tool = rng.uniform(everyone, *WORKSPACE, (3,))
        kind = rng.uniform(everyone)
        held, near = kind < HELD_SHARE, kind > 1 - NEAR_SHARE
        which = np.zeros(count, int)
        if isinstance(env.task, StagedTask):
            things, which, place = arrange(env.task, world, rng, everyone)
        elif isinstance(env.task, TabletopTask):
            things, place = ("block",), _put_away(world, rng, everyone)[:, :3]
        else:
            things, place = (), world.pose(env.task.things[0])[:, :3]
        nearby = place + rng.uniform(everyone, (-0.05, -0.05, 0.0), (0.05, 0.05, 0.12), (3,))
        tool = np.where(near[:, None], nearby, tool)
        _pose_arm(env, tool, held, rng, everyone)
        if isinstance(env.task, TabletopTask):
            drawer = rng.uniform(everyone, -0.13, 0.13).clip(min=0)
            world.set_joint_position(("drawer_slide",), drawer[:, None])
        world.refresh()
        for number, name in enumerate(things):
            holding = held & (which == number)
            if holding.any():
                pose = world.pose(name)[holding]
                jitter = rng.uniform(holding, -0.004, 0.004, (3,))
                pose[:, :3] = world.pose(env.task.spec.tool_site)[holding, :3] + jitter
                world.set_pose(name, pose, holding)
        world.refresh()
        return _pictures(env, seeds, cameras, rng)
    finally:
        env.close()


def start_scenes(
    task: str, seeds: Sequence[int], cameras: Sequence[str], split: str = ""
) -> list[Episode]:
    """One-row episodes of `task`, one a seed: its starts as they are, before anything is done."""
    env = task_env(
        task,
        num_envs=len(seeds),
        autoreset_mode=AutoresetMode.DISABLED,
        task_options={"split": split} if split else None,
    )
    try:
        env.reset(seed=list(seeds))
        return _pictures(env, seeds, cameras, None)
    finally:
        env.close()


def arrange(
    task: StagedTask, world: World, rng: WorldRng, everyone: Mask
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64]]:
    """Move fixtures and lay things where the work may bring them.

    Returns:
        Names of what may be held, which of them is (N,), and a place to be near (N, 3) [m].
    """
    count = len(everyone)
    ranges = joint_ranges(task.scene())
    for joint in task.fixtures:
        moved = rng.uniform(everyone) < MOVED_SHARE
        at = rng.uniform(everyone, *ranges[joint])
        if moved.any():
            world.set_joint_position((joint,), at[moved, None], moved)
    world.refresh()
    things = task.graspable
    which = rng.integers(everyone, len(things))
    laid = rng.uniform(everyone) < LAID_SHARE
    landings = (*task.landings, *things)
    landing = rng.integers(everyone, len(landings))
    offset = rng.uniform(everyone, -0.02, 0.02, (2,))
    for number, name in enumerate(things):
        for target, place in enumerate(landings):
            chosen = laid & (which == number) & (landing == target)
            if place == name or not chosen.any():
                continue
            half = task.heights[name]
            pose = world.pose(name)[chosen]
            pose[:, :3] = world.pose(place)[chosen, :3]
            pose[:, :2] += offset[chosen]
            pose[:, 2] += 2 * half if place in things else half
            world.set_pose(name, pose, chosen)
    world.refresh()
    looked_at = rng.integers(everyone, len(task.things))
    places = np.stack([world.pose(name)[:, :3] for name in task.things])
    return things, which, places[looked_at, np.arange(count)]


def joint_ranges(scene: Scene) -> dict[str, tuple[float, float]]:
    """Limits of the fixtures' joints [m] or [rad]."""
    joints = [body.joint for body in scene.bodies if body.joint is not None]
    return {joint.name: joint.range for joint in joints if joint.range is not None}


def _pose_arm(
    env: TaskEnv, tool: NDArray, held: NDArray[np.bool_], rng: WorldRng, everyone: Mask
) -> None:
    """The tool at (N, 3) [m], pointing down; fingers around a block where one is held."""
    assert isinstance(env.drive, ArmDrive)  # manipulation has arms
    world, spec = env.world, env.drive.mode.spec
    ik = InverseKinematics(spec, ik_config(spec, iterations=12))
    down = np.tile(env.drive.mode.arm.tool_quat_wxyz, (len(tool), 1))
    start = world.joint_position(*spec.arm_joints)
    joints = ik.solve(start, np.concatenate([tool, down], axis=1))
    world.set_joint_position(spec.arm_joints, joints)
    opening = np.where(held, SIZES.block_half - 0.0025, rng.uniform(everyone, *spec.gripper_range))
    fingers = np.repeat(opening[:, None], len(spec.gripper_joints), axis=1)
    world.set_joint_position(spec.gripper_joints, fingers)


def _pictures(
    env: TaskEnv, seeds: Sequence[int], cameras: Sequence[str], rng: WorldRng | None
) -> list[Episode]:
    """What is seen and true now, as episodes of one row; what is felt, in part drawn from `rng`."""
    world, count = env.world, env.num_envs
    everyone = np.ones(count, bool)
    observed = env.task.observe(world)
    columns: dict[str, NDArray] = {f"observation.images.{c}": world.render(c) for c in cameras}
    columns["observation.state"] = observed["observation.state"]
    if rng is not None:
        # speed and last command say nothing of where things are: random, so that eyes learn to
        # look instead of relying on a robot that always stands still with its gripper open
        names = {name: i for i, name in enumerate(env.task.state_names)}
        felt = columns["observation.state"]
        felt[:, [names[f"tool_v{axis}"] for axis in "xyz"]] = rng.uniform(
            everyone, -TOP_SPEED, TOP_SPEED, (3,)
        )
        felt[:, names["gripper"]] = np.sign(rng.uniform(everyone, -1, 1))
    columns["observation.environment_state"] = observed["privileged"]
    columns |= {f"{POINTS}{camera}": _seen(env, camera) for camera in cameras}
    columns["action"] = np.zeros((count, env.num_acts), np.float32)
    columns["next.success"] = np.zeros(count, bool)
    info = {"task": env.task.name, "robot": env.task.robot, "control_mode": env.drive.name}
    if isinstance(env.task, ArmTask) and env.task.split is not None:
        info["split"] = env.task.split.name
    return [
        Episode(
            {k: v[i : i + 1] for k, v in columns.items()},
            env.instructions[i],
            int(env.fps),
            info | {"seed": int(seeds[i])},
            element_names(env),
        )
        for i in range(count)
    ]


def _seen(env: TaskEnv, camera: str) -> NDArray[np.float32]:
    """Where a camera sees thing and goal, x y x y (N, 4) in [-1, 1]; `UNSEEN` behind it."""
    assert isinstance(env.task, ArmTask)
    spec, places = scene_cameras(env.world.scene)[camera], env.task.meant(env.world)
    pose = None if spec.body is None else env.world.pose(spec.body)
    pixels = np.stack([projection(spec, places[:, k], pose)[0] for k in range(2)], axis=1)
    unit = 2 * pixels / np.array([spec.width, spec.height]) - 1
    return np.where(np.isfinite(unit), unit, UNSEEN).reshape(len(unit), -1).astype(np.float32)


def _put_away(world: World, rng: WorldRng, everyone: Mask) -> NDArray[np.float64]:
    """Put some blocks in the bin or on the zone; returns the blocks' poses (N, 7)."""
    place = rng.uniform(everyone)
    shift = rng.uniform(everyone, -1, 1, (2,))
    for target, low, high, reach, height in (
        ("bin", 0.0, BIN_SHARE, 0.03, 0.004),
        ("zone", BIN_SHARE, BIN_SHARE + ZONE_SHARE, 0.06, 0.0),
    ):
        chosen = (place >= low) & (place < high)
        if chosen.any():
            pose = world.pose("block")[chosen]
            pose[:, :2] = world.pose(target)[chosen, :2] + reach * shift[chosen]
            pose[:, 2] = SIZES.block_half + height
            world.set_pose("block", pose, chosen)
    world.refresh()
    return world.pose("block")
