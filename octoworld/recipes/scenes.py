"""Still pictures of a task's scene, for grounding: random layouts, arm poses and openings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.core.rng import WorldRng, derive_seed
from octoworld.data.episode import Episode
from robots.control.ik import InverseKinematics, ik_config
from sim.world import Mask, World
from tasks.drive import ArmDrive
from tasks.env import task_env
from tasks.manipulation.scene import SIZES
from tasks.manipulation.tabletop import PROPRIOCEPTION

WORKSPACE = ((0.36, -0.26, 0.02), (0.68, 0.26, 0.30))
"""Tool positions drawn, low and high corner [m]."""
TOP_SPEED = 0.4
"""Largest speed of the tool in demonstrations [m/s]."""
HELD_SHARE, NEAR_SHARE = 0.25, 0.25
"""Shares of pictures with the block between the fingers, and with the tool near the block."""
BIN_SHARE, ZONE_SHARE = 0.15, 0.15
"""Shares of pictures with the block in the bin, and on the zone: rare in demonstrations."""


def still_scenes(task: str, seeds: Sequence[int], cameras: Sequence[str]) -> list[Episode]:
    """One-row episodes of `task`, one a seed: nothing moves, no action is taken.

    The tool stands anywhere, near the block, or holds it; the block lies where the task put it, in
    the bin or on the zone; the drawer is open by a random width in every second picture.
    """
    count = len(seeds)
    env = task_env(task, num_envs=count, autoreset_mode=AutoresetMode.DISABLED)
    try:
        env.reset(seed=list(seeds))
        world, everyone = env.world, np.ones(count, bool)
        rng = WorldRng([derive_seed(seed, "still scene") for seed in seeds])
        tool = rng.uniform(everyone, *WORKSPACE, (3,))
        kind = rng.uniform(everyone)
        held, near = kind < HELD_SHARE, kind > 1 - NEAR_SHARE
        block = _put_away(world, rng, everyone)
        nearby = block[:, :3] + rng.uniform(everyone, (-0.05, -0.05, 0.0), (0.05, 0.05, 0.12), (3,))
        tool = np.where(near[:, None], nearby, tool)
        assert isinstance(env.drive, ArmDrive)  # the table-top has a Panda
        spec = env.drive.mode.spec
        ik = InverseKinematics(spec, ik_config(spec, iterations=12))
        down = np.tile(env.drive.mode.arm.tool_quat_wxyz, (count, 1))
        start = world.joint_position(*spec.arm_joints)
        world.set_joint_position(
            spec.arm_joints, ik.solve(start, np.concatenate([tool, down], axis=1))
        )
        opening = np.where(
            held, SIZES.block_half - 0.0025, rng.uniform(everyone, *spec.gripper_range)
        )
        fingers = np.repeat(opening[:, None], len(spec.gripper_joints), axis=1)
        world.set_joint_position(spec.gripper_joints, fingers)
        drawer = rng.uniform(everyone, -0.13, 0.13).clip(min=0)
        world.set_joint_position(("drawer_slide",), drawer[:, None])
        world.refresh()
        if held.any():
            pose = world.pose("block")[held]
            pose[:, :3] = world.pose("tool")[held, :3] + rng.uniform(held, -0.004, 0.004, (3,))
            world.set_pose("block", pose, held)
            world.refresh()
        observed = env.task.observe(world)
        columns: dict[str, NDArray] = {f"observation.images.{c}": world.render(c) for c in cameras}
        columns["observation.state"] = observed["observation.state"]
        # speed and last command say nothing of where things are: random, so that eyes learn to
        # look instead of relying on a robot that always stands still with its gripper open
        names = {name: i for i, name in enumerate(PROPRIOCEPTION)}
        felt = columns["observation.state"]
        felt[:, [names[f"tool_v{axis}"] for axis in "xyz"]] = rng.uniform(
            everyone, -TOP_SPEED, TOP_SPEED, (3,)
        )
        felt[:, names["gripper"]] = np.sign(rng.uniform(everyone, -1, 1))
        columns["observation.environment_state"] = observed["privileged"]
        columns["action"] = np.zeros((count, env.num_acts), np.float32)
        columns["next.success"] = np.zeros(count, bool)
        info = {"task": task, "robot": env.task.robot, "control_mode": env.drive.name}
        return [
            Episode(
                {k: v[i : i + 1] for k, v in columns.items()},
                env.instructions[i],
                int(env.fps),
                info | {"seed": int(seeds[i])},
            )
            for i in range(count)
        ]
    finally:
        env.close()


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
