"""Teleoperation without a browser: what is held reaches the arm, what is kept reaches the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from octoworld.data.check import check
from octoworld.data.reader import Dataset
from octoworld.recipes.rollouts import RolloutConfig, collect, recording_env
from octoworld.recipes.teleop import TeleopConfig, teleoperate
from octoworld.recipes.teleop.commands import Commands
from octoworld.recipes.teleop.session import Session
from octoworld.viewer.held import parse_held

CONFIG = RolloutConfig(1, hold_steps=2, cameras=("front", "wrist"))
MOVES = [
    {"w": 1.0}, {"w": 1.0, "a": 1.0}, {"q": 1.0}, {"axis0": 0.5}, {"space": 1.0},
    {"e": 1.0, "shift": 1.0}, {},
]  # fmt: skip
MEANT = np.array([
    [0.5, 0, 0, 1], [0.5, 0.5, 0, 1], [0, 0, -0.5, 1], [0, -0.25, 0, 1], [0, 0, 0, -1],
    [0, 0, 0.125, -1], [0, 0, 0, -1],
], np.float32)  # fmt: skip
"""Shares of 4 cm along x, y, z at half speed, and the gripper."""


class Hands:
    """A clock that, instead of waiting, has the next thing held or wished before every action."""

    commands: Commands

    def __init__(self, does):
        self.does = iter(does)

    def restart(self):
        self.tick()

    def tick(self):
        now = next(self.does)
        if isinstance(now, str):
            self.commands.wish(now)  # type: ignore[arg-type]
        else:
            self.commands.hold(now)


def drive(out, does, episodes=5):
    """Run the whole job, page included, with hands that start every episode and do `does`."""
    hands, seen = Hands(does), []

    def on_open(page, commands):
        hands.commands, show = commands, page.show

        def watch(moment):
            seen.append(moment)
            show(moment)
            if moment.phase == "waiting":
                commands.wish("start")

        page.show = watch

    config = TeleopConfig(episodes, 7, seconds=3.0, port=18380)
    return teleoperate("PickUp", out, CONFIG, config, clock=hands, on_open=on_open), seen


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """One episode kept, one given up for another start, and that one given up for good."""
    out = tmp_path_factory.mktemp("driven") / "data"
    does = [*MOVES, "keep", {"s": 1.0}, {"s": 1.0}, "start", {"d": 1.0}, "finish"]
    return out, *drive(out, does)


def test_kept_episode_holds_what_was_done(driven):
    out, facts, _ = driven
    assert (facts["episodes"], facts["steps"], facts["success/PickUp"]) == (1, len(MOVES), 0.0)
    data = Dataset(out)
    episode = data.episode(0)
    assert np.array_equal(episode["action"], MEANT)
    assert not episode["next.success"].any() and episode["next.done"].tolist()[-1]
    named = {"task": "PickUp", "robot": "panda", "control_mode": "ee_delta_pos", "seed": 7}
    facts = {"source": "teleop", "first_success": -1, "ends_on_success": True}
    assert named | facts == {
        k: v for k, v in episode.info.items() if k not in ("temperature", "recording")
    }
    assert (out / "scene.xml").exists() and not check(out)


def test_the_tool_went_where_it_was_sent(driven):
    tool = Dataset(driven[0]).episode(0)["observation.state"][:, :3]
    moved = np.diff(tool, axis=0)
    assert moved[:2, 0].min() > 0.005 and moved[2:4, 2].min() < -0.005
    assert moved[1:3, 1].max() > 0.005


def test_same_columns_as_an_expert(driven):
    expert = next(iter(collect("PickUp", [7], CONFIG, policy=None, source="expert")))
    kept = Dataset(driven[0]).episode(0)
    assert {k: (v.dtype, v.shape[1:]) for k, v in kept.columns.items()} == {
        k: (v.dtype, v.shape[1:]) for k, v in expert.columns.items()
    }
    # the same seed is the same start, whoever acts
    assert np.array_equal(kept["sim_state"][0], expert["sim_state"][0])


def test_recorded_actions_replay_to_the_bit(driven):
    episode = Dataset(driven[0]).episode(0)
    env = recording_env("PickUp", 1, CONFIG)
    states = np.concatenate([episode["sim_state"], episode["task_memory"]], axis=1)
    env.restore_worlds(np.ones(1, bool), states[:1])
    for action, after in zip(episode["action"][:-1], states[1:], strict=True):
        env.step(action[None])
        assert np.array_equal(env.sim_state()[0], after)
    env.close()


def test_the_page_showed_it(driven):
    moments = driven[2]
    assert [m.phase for m in moments][:2] == ["waiting", "driving"]
    assert moments[-1].phase == "closed" and moments[-1].note == "1 kept, 2 discarded"
    assert sum(m.phase == "waiting" for m in moments) == 2  # the third began at once
    assert set(moments[0].images) == {"front", "wrist"}
    assert "grasped" in moments[0].stages and "block" in moments[0].instruction


class ExpertHands:
    """The scripted teacher with a gamepad in its hands."""

    def __init__(self, env, commands):
        self.env, self.commands, self.expert = env, commands, env.task.expert()
        self.last = 1.0

    def restart(self):
        self.last = 1.0
        self.tick()

    def tick(self):
        x, y, z, gripper = self.expert.act(self.env.world)[0]
        held = {"axis1": -x, "axis0": -y, "axis3": -z}
        if np.sign(gripper) != self.last:
            held["pad0"], self.last = 1.0, np.sign(gripper)
        self.commands.hold(held)


class Screen:
    """A page that asks for what the person wishes once an episode is over."""

    def __init__(self, commands, wishes):
        self.commands, self.wishes, self.moments = commands, iter(wishes), []

    def show(self, moment):
        self.moments.append(moment)
        if moment.phase == "waiting":
            self.commands.wish(next(self.wishes))
        if moment.phase == "judging":
            self.commands.wish(next(self.wishes))


def test_a_skilled_hand_succeeds_and_decides_after_the_episode():
    env = recording_env("PickUp", 1, CONFIG, options={"max_episode_length": 80})
    commands = Commands(env.drive.name, speed=1.0)
    wishes = ["discard", "start", "discard", "start", "keep", "finish"]
    page = Screen(commands, wishes)
    session = Session(env, commands, ExpertHands(env, commands), page)
    episodes = list(session.episodes(iter(range(40, 60)), 2, 9))
    env.close()
    assert (session.kept, session.discarded) == (1, 1)
    (kept,) = episodes
    expert = next(iter(collect("PickUp", [42], CONFIG, policy=None, source="expert")))
    assert np.array_equal(kept["action"], expert["action"])
    assert kept.info["seed"] == 42  # 40 was passed over, 41 discarded
    assert kept.success and kept.info["first_success"] == len(kept) - 3
    over = [m for m in page.moments if m.phase == "judging"]
    assert all(m.success and m.stages["grasped"] for m in over)
    assert not page.moments[0].success


def test_an_episode_ends_with_its_clock():
    env = recording_env("PickUp", 1, CONFIG, options={"max_episode_length": 5})
    commands = Commands(env.drive.name)
    hands = Hands([{"w": 1.0}] * 5)
    hands.commands = commands
    session = Session(env, commands, hands, Screen(commands, ["start", "keep"]))
    (episode,) = session.episodes([3], 2, 1)
    assert len(episode) == 5 and not episode.success
    env.close()


def test_nothing_kept_nothing_written(tmp_path):
    facts, _ = drive(tmp_path / "d", [{"w": 1.0}, "finish"])
    assert facts == {"episodes": 0, "steps": 0} and not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_teleop import Hands, drive, MOVES

class Fatal(dict):
    def items(self):
        os.kill(os.getpid(), signal.SIGKILL)

drive(Path({out!r}), [*MOVES, "keep", {{"s": 1.0}}, {{"s": 1.0}}, Fatal()])
"""


def test_a_killed_session_loses_nothing(tmp_path):
    out = tmp_path / "data"
    code = KILLED.format(tests=str(Path(__file__).parent), out=str(out))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    assert np.array_equal(Dataset(out).episode(0)["action"], MEANT)
    assert not check(out)
    facts, _ = drive(out, [*MOVES, "keep"], episodes=1)
    assert facts["episodes"] == 3 and (out / "scene.xml").exists()
    cut = Dataset(out).episode(1)  # what nobody decided about
    assert cut.info["recovered"] and cut.info["source"] == "teleop"
    assert cut["action"].tolist() == [[-0.5, 0, 0, 1]] * 2 and cut["next.done"].tolist()[-1]
    assert not check(out) and [p.name for p in tmp_path.iterdir()] == ["data"]


def test_words_of_the_field():
    assert parse_held("-") == {} == parse_held("")
    assert parse_held("w shift axis0:-0.53 axis1:7 pad9") == {
        "w": 1.0, "shift": 1.0, "axis0": -0.53, "axis1": 1.0, "pad9": 1.0,
    }  # fmt: skip


def test_a_tap_between_two_actions_counts_once():
    commands = Commands("ee_delta_pos")
    commands.hold({"w": 1.0})
    commands.hold({})
    assert commands.is_touched
    assert commands.action()[0] == 0.5 and commands.action()[0] == 0.0
    commands.hold({"space": 1.0})
    commands.hold({"space": 1.0, "w": 1.0})  # still held: no second toggle
    assert commands.action().tolist() == [0.5, 0, 0, -1]
    commands.begin(gripper=1.0)
    assert not commands.is_touched  # what is held over from before begins nothing
    assert commands.action()[3] == 1.0


def test_directions_follow_the_view():
    commands = Commands("ee_delta_pose", speed=1.0)
    commands.look(np.array([-1.0, 0.75, -0.6]))  # across the table at the arm
    commands.hold({"w": 1.0, "d": 1.0, "u": 1.0})
    assert commands.action().tolist() == [-1, 1, 0, 0, 0, 1, 1]
    commands.look(np.array([0.1, 1.0, 0.0]))
    assert commands.action().tolist() == [1, 1, 0, 0, 0, 1, 1]


def test_wishes_come_from_keys_and_buttons():
    commands = Commands("ee_delta_pos")
    commands.hold({"enter": 1.0})
    commands.hold({"enter": 1.0, "pad9": 1.0})
    assert [commands.take_wish(), commands.take_wish(), commands.take_wish()] == [
        "keep", "start", None,
    ]  # fmt: skip


def test_what_no_hand_can_drive():
    with pytest.raises(ConfigError, match=r"'joint_pos' cannot be driven by hand.*ee_delta_pos"):
        Commands("joint_pos")
