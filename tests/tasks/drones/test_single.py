"""Single-drone tasks: experts succeed, doing nothing does not, success never lowers the return."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tasks.drones.language import ColorTask
from tasks.env import task_env
from tasks.language import COLORS

NAMES = (
    "TakeOff", "Land", "TrackVelocity", "FlyWaypoints", "TrackCircle", "TrackFigure8",
    "FlyThroughGate", "ObstacleField", "FlyThroughColoredGate", "LandOnColoredPad", "GateThenLand",
)  # fmt: skip
LATCHED = ("Land", "FlyWaypoints", "FlyThroughGate", "ObstacleField", "FlyThroughColoredGate",
           "LandOnColoredPad", "GateThenLand")  # fmt: skip


def flown(name: str, expert: bool, count: int = 4):
    """Rewards and successes (T, N) of one episode, and how it ended (N,)."""
    env = task_env(name, count, num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=list(range(40, 40 + count)))
    pilot, over = env.task.expert(), np.zeros(count, bool)
    rewards, successes, terminations = [], [], np.zeros(count, bool)
    last = np.zeros(count, bool)
    for _ in range(env.task.max_steps):
        actions = pilot.act(env.world) if expert else np.zeros((count, env.drive.action_dim))
        _, reward, terminated, truncated, infos = env.step(np.asarray(actions, np.float32))
        rewards.append(np.where(over, 0.0, reward))
        successes.append(infos["success"] & ~over)
        last = np.where(over, last, infos["success"])
        terminations |= terminated & ~over
        over |= terminated | truncated
    env.close()
    return np.array(rewards), np.array(successes), last, terminations


@pytest.mark.parametrize("name", NAMES)
def test_the_expert_succeeds_and_doing_nothing_earns_little(name):
    rewards, successes, last, terminated = flown(name, expert=True)
    assert last.all() and not terminated.any()
    if name in LATCHED:
        # from the first success on, every step gives all there is: lingering cannot earn more
        assert (rewards[successes] == pytest.approx(1.0)) and successes[-1].all()
    idle, _, idle_last, _ = flown(name, expert=False)
    assert not idle_last.any()
    assert idle.mean() < 0.2 and idle.mean() < 0.5 * rewards.mean()


@pytest.mark.parametrize("name", ["TrackCircle", "TrackFigure8"])
def test_the_geometric_expert_tracks_within_five_centimetres(name):
    env = task_env(name, 4, num_threads=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=[0, 1, 2, 3])
    pilot = env.task.expert()
    for _ in range(env.task.max_steps - 1):
        env.step(pilot.act(env.world).astype(np.float32))
    squares = env.task.memory["squares"] / (env.task.memory["clock"] - 3 * env.task.fps)
    assert (np.sqrt(squares) < 0.05).all()
    env.close()


def test_another_gate_is_a_failure():
    env = task_env("FlyThroughColoredGate", 1, num_threads=1)
    env.reset(seed=3)
    memory = env.task.memory
    memory["gates"][:] = memory["gates"][:, [1, 0, 2]]  # the pilot is told a wrong one
    told = memory["gates"].copy()
    pilot, failed = env.task.expert(), False
    for _ in range(env.task.max_steps):
        memory["gates"][:] = told
        actions = pilot.act(env.world)
        memory["gates"][:] = told[:, [1, 0, 2]]
        _, _, terminated, _, infos = env.step(actions.astype(np.float32))
        if terminated[0]:
            failed = bool(infos["wrong_gate"][0]) and not infos["success"][0]
            break
    assert failed
    env.close()


def test_a_hard_touch_down_is_a_failure():
    env = task_env("Land", 1, num_threads=1)
    env.reset(seed=0)
    place = env.task.memory["pad"][0]
    env.world.set_pose("drone", np.array([[*place, 0.3, 1, 0, 0, 0]]))
    env.world.set_velocity("drone", np.array([[0, 0, -2.0, 0, 0, 0]]))
    ended = False
    for _ in range(20):
        _, _, terminated, _, infos = env.step(np.zeros((1, 4), np.float32))
        if terminated[0]:
            ended = True
            assert infos["crashed"][0] and not infos["success"][0]
            break
    assert ended
    env.close()


def test_words_name_the_colours_that_are_seen():
    env = task_env("GateThenLand", 3, num_threads=1)
    assert isinstance(env.task, ColorTask)
    env.reset(seed=5)
    for world, text in enumerate(env.instructions):
        words = env.task.words(world)
        for kind, geom in (("gate", "gate0_top"), ("pad", "pad0_disc")):
            assert words[kind] in text
            assert np.allclose(env.world.color(geom)[world, :3], COLORS[words[kind]], atol=1e-6)
    env.close()
