"""Tasks with other arms than the Panda: who can do what, in which engine."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import octoworld
from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import ROBOTS
from robots.control.modes import CONTROL_MODES
from tasks.env import task_env
from tasks.manipulation.validate import validate

ARMS = ("panda", "so101", "ur5e")
OTHERS = ("so101", "ur5e")
TABLETOP = ("OpenDrawer", "PickUp", "PlaceInBin", "PushToZone")


@pytest.mark.parametrize("robot", ARMS)
def test_the_expert_of_reach_succeeds_with_every_arm(robot):
    result = validate("Reach", 200, seed=50_000, num_envs=100, task_options={"robot": robot})
    assert result.success_rate >= 0.95, result


@pytest.mark.parametrize("task", TABLETOP)
def test_the_table_tops_experts_succeed_with_the_ur5e(task):
    result = validate(task, 200, seed=50_000, num_envs=100, task_options={"robot": "ur5e"})
    assert result.success_rate >= 0.95, result


@pytest.mark.parametrize("robot", ARMS)
def test_reach_starts_in_the_arms_own_box(robot):
    env = task_env("Reach", 200, seed=0, task_options={"robot": robot})
    low, high = np.array(ROBOTS.get(robot)().arm.reach_box)
    tool, goal = env.world.pose("tool")[:, :3], env.world.pose("goal")[:, :3]
    for place in (tool, goal):
        assert (place > low - 3e-3).all() and (place < high + 3e-3).all()
    assert np.linalg.norm(goal - tool, axis=1).min() > 0.05


@pytest.mark.parametrize("task", TABLETOP)
def test_the_table_is_too_far_for_the_so101(task):
    with pytest.raises(ConfigError, match=rf"task {task} needs a tool .*0\.64.*'so101' reaches"):
        task_env(task, 1, task_options={"robot": "so101"})


def test_robots_that_are_no_arms_are_refused():
    with pytest.raises(ConfigError, match="'cf2x' has no arm"):
        octoworld.make_vec("Reach", 1, task_options={"robot": "cf2x"})
    with pytest.raises(UnknownNameError, match=r"panda.*so101.*ur5e"):
        octoworld.make_vec("Reach", 1, task_options={"robot": "ur5"})


@pytest.mark.parametrize("control", CONTROL_MODES.names())
@pytest.mark.parametrize("robot", OTHERS)
def test_every_control_mode_steps(robot, control):
    envs = octoworld.make_vec("Reach", 3, control_mode=control, task_options={"robot": robot})
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        obs, rewards, *_ = envs.step(rng.uniform(-1, 1, envs.action_space.shape))
    assert np.isfinite(obs).all() and np.isfinite(rewards).all()
    assert not envs.judged["diverged"].any()  # type: ignore[attr-defined]


@pytest.mark.parametrize("robot", ARMS)
def test_no_action_stays_in_place(robot):
    """The servos of the SO-101 know nothing of its weight: it may sag, by 1 cm in 2 s."""
    env = task_env("Reach", 16, seed=0, task_options={"robot": robot})
    before = env.world.pose("tool")[:, :3]
    for _ in range(20):
        env.step(np.tile([0.0, 0.0, 0.0, 1.0], (16, 1)))
    moved = np.linalg.norm(env.world.pose("tool")[:, :3] - before, axis=1)
    assert moved.max() < (1e-2 if robot == "so101" else 3e-3)


# -- in PyBullet --------------------------------------------------------------------------------


def bullet(robot: str, worlds: int = 3, **options):
    return task_env("Reach", worlds, backend="pybullet", task_options={"robot": robot}, **options)


@pytest.mark.parametrize("robot", OTHERS)
def test_starts_agree_and_replay_in_pybullet(robot):
    env, own = bullet(robot), task_env("Reach", 3, task_options={"robot": robot})
    np.testing.assert_allclose(env.reset(seed=5)[0], own.reset(seed=5)[0], atol=2e-3)
    actions = 0.3 * np.random.default_rng(0).uniform(-1, 1, (4, 3, 4))
    state = env.sim_state()
    first = [env.step(a)[0] for a in actions]
    env.restore_worlds(np.ones(3, bool), state)
    assert all(np.array_equal(env.step(a)[0], want) for a, want in zip(actions, first, strict=True))
    env.close()


@pytest.mark.parametrize("robot", OTHERS)
def test_the_expert_of_reach_succeeds_in_pybullet(robot):
    env = bullet(robot, 8, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=20)
    expert = env.task.expert()
    while env.live.any():
        env.step(expert.act(env.world))
    assert env.extras["success"].all()
    env.close()


def test_servos_overcome_dry_friction_alike_in_both_engines():
    """Bullet's own joint friction would hold the SO-101's light links against any servo."""
    moved = []
    for backend in ("mujoco", "pybullet"):
        env = task_env("Reach", 1, backend=backend, control_mode="joint_delta_pos",
                       task_options={"robot": "so101"})  # fmt: skip
        env.reset(seed=1)
        spec = ROBOTS.get("so101")()
        start = env.world.joint_position(*spec.arm_joints)
        for _ in range(3):
            env.step(np.array([[0.5, -0.5, 0.5, -0.5, 0.5, 1.0]]))
        moved.append(env.world.joint_position(*spec.arm_joints) - start)
        env.close()
    assert np.abs(moved[0]).min() > 0.1
    np.testing.assert_allclose(moved[1], moved[0], atol=0.02)


@pytest.mark.parametrize("task", ["StackTwo", "TurnLever", "OpenDoor", "StoreBlock"])
def test_another_arm_works_at_the_bench_and_in_the_kitchen(task):
    found = validate(task, 8, seed=300_000, num_envs=8, task_options={"robot": "ur5e"})
    assert found.success_rate == 1.0, found
