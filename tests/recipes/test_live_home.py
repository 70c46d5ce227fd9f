"""A household that is live, without a browser: calls by hand, programs, drivers, what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from octoworld.cli import main as cli
from octoworld.core.errors import DatasetError, UnknownNameError
from octoworld.data.check import check
from octoworld.data.programs import PROGRAM, moment_of
from octoworld.data.reader import Dataset
from octoworld.recipes.live.home import HomeConfig, play_home
from octoworld.recipes.live.home_cast import slots_of
from octoworld.recipes.unfinished import recover
from octoworld.viewer.controls import Order
from tasks.household import Household, Instance, SkillCall, solve
from vla.programmer import make_runner, replay_programs

from .killed import run_killed

TASK, SEED, PORT = "put_away:mug:cabinet", 3, 18820
LOOP = "for piece in ['counter_1', 'counter_2']:\n    go_to(piece)\n    print(look(piece))\n"


class Person:
    """Says the next thing whenever nothing moves; a clock that never waits."""

    def __init__(self, says):
        self.says, self.seen = list(says), []

    def restart(self):
        pass

    tick = restart

    def watch(self, page, session):
        show = page.show

        def look(now):
            show(now)
            self.seen.append(now)
            rests = now.headline.startswith(("Your turn", "Over")) or now.is_paused
            if rests and self.says:
                session.steering.tell(self.says.pop(0))

        page.show = look


def play(out, says, **options):
    """What the person saw, and what the job says."""
    person = Person([*says, Order("finish")])
    config = HomeConfig(first_seed=SEED, port=PORT, **options)
    facts = play_home(TASK, out, config, clock=person, on_open=person.watch, most_rounds=300)
    return person.seen, facts


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A person calls skills, one in vain, types a program, and leaves the rest to the oracle."""
    out = tmp_path_factory.mktemp("home") / "data"
    says = [
        Order("record"),
        Order("call", ("go_to", ("fridge_1",))),
        Order("call", ("pick", ("moon",))),
        Order("program", LOOP),
        Order("program", "go_to("),
        Order("suggest"),
        Order("driver", "nobody"),
        Order("driver", "expert"),
        Order("driver", "you"),
        Order("reset", 9),
        Order("call", ("open", ("fridge_1",))),
    ]
    return out, *play(out, says)


def test_what_is_recorded_is_what_was_done(played):
    out, _, facts = played
    assert facts == {"episodes": 2, "dataset": str(out)} and not check(out)
    episode, second = Dataset(out).episode(0), Dataset(out).episode(1)
    turns = episode.info[PROGRAM]["turns"]
    hand, loop, broken, oracle = turns
    assert hand["program"] == "go_to('fridge_1')\npick('moon')\n"
    assert [call["ok"] for call in hand["calls"]] == [True, False]
    assert hand["error"].startswith("line 2: skill: there is no 'moon'")
    assert [call["line"] for call in loop["calls"]] == [2, 3, 2, 3] and loop["program"] == LOOP
    assert loop["output"] == "['tomato_1']\n[]\n" and not broken["calls"]
    assert broken["error"].startswith("line 1: syntax")
    assert oracle["calls"][-1]["skill"] == "done" and episode.success
    assert any("mug_1" in call["changed"] for call in oracle["calls"])
    assert len(episode) == sum(len(turn["calls"]) + 1 for turn in turns)
    assert moment_of(episode, 1).line == 2 and episode.info["seed"] == SEED
    assert second.info["seed"] == 9 and not second.success
    assert episode["next.reward"].sum() == pytest.approx(1.0) and (out / "scene.xml").exists()


def test_recorded_programs_lead_to_the_same_end(played):
    episode = Dataset(played[0]).episode(0)
    house = Household(Instance(TASK, 0, SEED))
    turns = episode.info[PROGRAM]["turns"]
    runs = replay_programs(house, make_runner(), [turn["program"] for turn in turns])
    assert house.success
    for run, turn in zip(runs, turns, strict=True):
        assert [done.message for done in run.calls] == [call["message"] for call in turn["calls"]]
    base = episode["observation.state"][-1]
    assert np.allclose(base[:3], house.state.base, atol=1e-5) and base[4] > 0


def test_the_page_is_told_everything(played):
    seen = played[1]
    assert seen[0].headline == "Your turn: call a skill" and not any(seen[0].goal.values())
    assert set(seen[0].images) == {"ego", "above", "house"}
    failed = next(now for now in seen if now.turn and now.turn["error"])
    assert failed.num_done == 2 and failed.turn["calls"][1]["code"] == "UNKNOWN_NAME"
    runs = [now for now in seen if now.headline == "The program runs"]
    # the call that comes is known, and with it the line that is marked
    assert [now.turn["calls"][now.num_done]["line"] for now in runs] == [3, 2, 3]
    assert "in: kitchen" in runs[-1].known
    assert any("go_to('" in now.suggested for now in seen)
    assert any("driver 'nobody'" in line for now in seen for line in now.lines)
    over = next(now for now in seen if now.headline.startswith("Over"))
    assert over.headline == "Over: the goal holds" and all(over.goal.values())
    assert seen[-1].seed == 9 and seen[-1].turn is not None


@pytest.mark.parametrize("driver", ["programmer", "teacher", "random"])
def test_others_act_until_it_is_over(driver, tmp_path):
    says = [Order("record")]
    seen, facts = play(tmp_path / "data", says, driver=driver)
    assert seen[-2].headline.startswith("Over") and seen[0].driver == driver
    calls = [call for now in seen if now.turn for call in now.turn["calls"][: now.num_done]]
    assert {call["skill"] for call in calls} >= {"go_to", "done"}
    assert facts["episodes"] == 0  # it was over before anybody wanted it recorded
    assert not (tmp_path / "data").exists()


def test_pause_and_one_call(tmp_path):
    says = [Order("pause"), Order("program", LOOP), Order("step"), Order("step"), Order("pause")]
    seen, _ = play(tmp_path / "none", says)
    paused = [now.num_done for now in seen if now.is_paused]
    assert max(paused) == 2 and seen[-1].num_done == 4 and not seen[-1].is_paused


def test_every_name_that_is_offered_exists():
    house = Household(Instance(TASK, 0, SEED))
    slots = slots_of(house)
    assert set(slots) == set(house.skills) and max(map(len, slots.values())) == 2
    start = house.snapshot()
    for skill, its in slots.items():
        if any(not slot.choices and not slot.is_optional for slot in its):
            continue  # words and numbers are typed
        for choice in its[0].choices if its else ():
            rest = [slot.choices[0] for slot in its[1:] if not slot.is_optional]
            result = house.execute(SkillCall(skill, (choice, *rest)))
            assert result.code not in ("UNKNOWN_NAME", "AMBIGUOUS", "BAD_ARGUMENT"), result
            house.restore(start)


KILLED = f"""
from octoworld.recipes.live.home import HomeConfig, play_home

def record(page, session):
    session.steering.tell(Order("record"))
    session.steering.tell(Order("driver", "expert"))

config = HomeConfig(first_seed={SEED}, port={PORT})
play_home("{TASK}", out, config, clock=Fatal(3), on_open=record)
"""


def test_a_killed_server_loses_no_call(tmp_path):
    out = tmp_path / "data"
    run_killed(KILLED, out)
    assert not out.exists()
    (line,) = recover(out)
    assert line == f"recovered an unfinished recording of 4 steps into {out}"
    episode = Dataset(out).episode(0)
    (turn,) = episode.info[PROGRAM]["turns"]
    house = Household(Instance(TASK, 0, SEED))
    for call, done in zip(solve(house).calls, turn["calls"], strict=False):
        result = house.execute(call)
        assert (call.name, result.message) == (done["skill"], done["message"])
    assert len(turn["calls"]) == 3 and episode.info[PROGRAM]["ended"] == "killed"
    assert np.allclose(episode["observation.state"][-1][:3], house.state.base, atol=1e-5)
    assert episode.info["recovered"] and not check(out) and (out / "scene.xml").exists()


def test_what_does_not_fit_is_said(played, tmp_path, capsys):
    with pytest.raises(DatasetError, match="home of layout 0, not 1"):
        play_home(TASK, played[0], HomeConfig(layout=1, port=PORT))
    with pytest.raises(UnknownNameError, match="driver 'policy'"):
        play_home(TASK, tmp_path / "d", HomeConfig(driver="policy", port=PORT))
    assert cli.main(["play", "put_away:mug:cabinett"]) == 2
    assert "put_away:mug:cabinet" in capsys.readouterr().err
    assert cli.main(["play", TASK, "--no-live"]) == 2
    assert "octoworld collect" in capsys.readouterr().err
