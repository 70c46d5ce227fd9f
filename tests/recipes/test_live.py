"""A live session without a browser: who acts, what is dreamt, what is recorded and restores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from octoworld.core.errors import CheckpointError, ConfigError, UnknownNameError
from octoworld.data.check import check
from octoworld.data.reader import Dataset
from octoworld.recipes.live import LiveConfig, play_live
from octoworld.recipes.rollouts import RolloutConfig, recording_env
from octoworld.viewer.controls import Order

WORLD = Path(__file__).resolve().parents[2] / "assets/checkpoints/tabletop"


class Script:
    """A clock that never waits, and does what is planned for each step in its place."""

    def __init__(self, plan, while_paused=()):
        self.plan, self.while_paused = plan, list(while_paused)
        self.seen, self.ticks = [], 0

    def restart(self):
        pass

    def tick(self):
        self.ticks += 1
        for order in self.plan.get(self.ticks, ()):
            if isinstance(order, Order):
                self.session.steering.tell(order)
            else:
                self.session.steering.hold(order)

    def watch(self, page, session):
        self.page, self.session, show = page, session, page.show

        def look(now):
            self.seen.append(now)
            show(now)
            if now.is_paused and self.while_paused:
                session.steering.tell(self.while_paused.pop(0))

        page.show = look


def play(task, out, plan, most_steps, config=None, while_paused=(), **options):
    """What the script saw, and what the job says."""
    script = Script(plan, while_paused)
    config = config or LiveConfig(7, seconds=60.0, port=18680)
    facts = play_live(
        task, out, config, clock=script, on_open=script.watch, most_steps=most_steps, **options
    )
    return script, facts


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """The expert of PickUp begins, a person takes over and pushes things about; a dream beside."""
    out = tmp_path_factory.mktemp("live") / "data"
    plan = {
        1: [Order("record")],
        5: [{"w": 1.0}],
        9: [{}],
        11: [Order("push", 1.0), Order("dial", ("mass", 2.0))],
        14: [Order("target", np.array([0.5, 0.0, 0.25]))],
        26: [Order("wake"), Order("driver", "nobody")],
        28: [Order("reset", 9), Order("driver", "random"), Order("eyes", "dream")],
    }
    return out, *play("PickUp", out, plan, 34, world_model=WORLD)


def test_what_is_recorded_fits_and_restores(arm):
    out, _, facts = arm
    assert facts["episodes"] == 2 and not check(out)
    first, second = (Dataset(out).episode(i) for i in range(2))
    assert (len(first), len(second)) == (27, 6)
    assert first.info["from_step"] == 1 and first.info["start_seed"] == 7
    assert second.info["from_step"] == 0 and second.info["seed"] == 9
    assert [what for _, what, _ in first.info["orders"]] == ["push", "dial"]
    assert second.info["dials"] == {"mass": 2.0} and (out / "scene.xml").exists()
    env = recording_env("PickUp", 1, RolloutConfig(1, cameras=("front",)))
    states = np.concatenate([first["sim_state"], first["task_memory"]], axis=1)
    env.restore_worlds(np.ones(1, bool), states[:1])
    for row in range(9):  # until the push
        env.step(first["action"][row][None])
        state = env.world.get_state()[0]  # less the parameters, which are as built here
        assert np.array_equal(state, first["sim_state"][row + 1, : len(state)])
    env.close()


def test_a_person_takes_over(arm):
    out, script, _ = arm
    first = Dataset(out).episode(0)
    acted = first["is_intervention"].ravel()
    assert not acted[:4].any() and acted[4:].all()
    assert script.seen[3].driver == "expert" and script.seen[20].driver == "you"
    assert np.linalg.norm(first["action"][5, :2]) == 0.5
    tool = first["observation.state"][:, :3]
    assert np.linalg.norm(tool[-1] - (0.5, 0.0, 0.25)) < 0.02  # dragged there
    assert any("nobody" in line for now in script.seen for line in now.lines)


def test_the_dream_agrees_at_first_and_strays(arm):
    out, script, _ = arm
    first = Dataset(out).episode(0)
    imagined, true = (
        first[f"observation.images.{name}"].astype(float) for name in ("imagined.front", "front")
    )
    away = np.abs(imagined - true).mean(axis=(1, 2, 3))
    assert 0 < away[0] < 12 and away[25] == 0.0  # row 25 is where it woke
    told = [now.values for now in script.seen if now.values]
    title = next(name for name in told[0] if name.startswith("told"))
    gap = np.array([values[title]["tool"] for values in told])
    assert gap[0] < 0.02 and np.isfinite(gap).all()
    assert {"tool", "block", "drawer"} == set(told[0][title])
    assert script.seen[0].dreamt is not None


def test_pause_and_step(tmp_path):
    then = [Order("step"), Order("step"), Order("pause")]
    script, _ = play("Reach", tmp_path / "none", {2: [Order("pause")]}, 9, while_paused=then)
    paused = [round(now.seconds * 10) for now in script.seen if now.is_paused]
    assert paused[0] == 2 and max(paused) == 4  # two steps, one by one
    assert script.ticks > 4 and not script.seen[-1].is_paused
    assert not (tmp_path / "none").exists()  # nothing was recorded


def test_a_drone_flies_where_its_goal_is_dragged(tmp_path):
    goal = np.array([0.4, -0.3, 1.4])
    plan = {2: [Order("target", goal)], 140: [Order("push", 1.0), Order("dial", ("mass", 1.3))]}
    config = LiveConfig(7, seconds=60.0, cameras=(), driver="you", port=18680)
    script, _ = play("Hover", tmp_path / "none", plan, 160, config)
    env, flown = script.session.env, script.seen
    assert np.allclose(flown[10].handle, goal) and flown[10].driver == "you"
    # at the 140th step it was there, and the gust then moved it
    position = np.array([now.row[1:4] for now in flown])
    assert np.linalg.norm(position[141] - goal) < 0.1
    assert np.linalg.norm(position[-1] - position[141]) > 0.1
    assert env.task.name == "Hover"


def test_what_does_not_fit_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="holds no world model"):
        play("PickUp", tmp_path / "d", {}, 1, world_model=tmp_path)
    with pytest.raises(ConfigError, match="was trained on 8 numbers of proprioception"):
        play("Hover", tmp_path / "d", {}, 1, world_model=WORLD)
    with pytest.raises(UnknownNameError, match="driver"):
        play("Reach", tmp_path / "d", {}, 1, LiveConfig(driver="policy", port=18680))
