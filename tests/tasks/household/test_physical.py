"""Physical fidelity: things are carried by contact; what fails is so; every moment is exact."""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np
import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from tasks.household import Household, Instance, SkillCall, solve
from tasks.household.checker import Checker
from tasks.household.goals import text
from tasks.household.home import make_home
from tasks.household.objects import KINDS
from tasks.household.physical.grips import grips, lowest
from tasks.household.physical.machine import Machine
from tasks.household.physical.sync import openings, sync
from tasks.household.physical.tool import axis_of, compose, inverse, planar, pointing
from tasks.household.state import FLOOR, State

PUT = Instance("put_on:milk:stove", 20, 11)


def play(instance: Instance, **options) -> tuple[Household, list]:
    house = Household(instance, fidelity="physical", **options)
    return house, list(solve(Household(instance)).calls)


@pytest.fixture(scope="module")
def carried():
    """A carton of milk has been taken; also the moment before, and the world it led to."""
    house, calls = play(PUT)
    index = next(i for i, c in enumerate(calls) if c.name == "pick")
    for call in calls[:index]:
        assert house.execute(call).ok
    before = house.snapshot()
    assert house.execute(calls[index]).ok
    return house, calls[index:], before, house.snapshot()


def test_the_fingers_hold_a_thing_and_put_it_down(carried):
    house, calls, _, held = carried
    house.restore(held)
    machine, thing = house.motion.machine, house.state.held
    assert thing == calls[0].args[0] and 0.03 < machine.gap < 0.05  # a carton is 37 mm wide
    assert np.linalg.norm(machine.pose(thing)[:3] - machine.pose("tool")[:3]) < 0.2
    for call in calls[1:]:
        assert house.execute(call).ok, call
    assert house.success and not house.state.held
    checker = Checker(house.home, machine.world, house.state, loose=True)
    assert checker.success(text(house.goal))


def test_a_moment_has_the_same_future_to_the_bit(carried):
    house, calls, before, held = carried
    house.restore(before)
    assert house.execute(calls[0]).ok
    world = house.motion.machine.world
    np.testing.assert_array_equal(world.get_state(), held.motion.world.state)
    assert house.state == held.state


def test_a_program_has_the_same_end_every_time(carried):
    _, _, _, held = carried
    house, calls = play(PUT)
    while not house.state.held:
        assert house.execute(calls.pop(0)).ok
    motion: Any = house.motion
    np.testing.assert_array_equal(motion.machine.world.get_state(), held.motion.world.state)
    assert house.state == held.state


def test_nothing_but_friction_holds_a_thing(carried):
    house, _, _, held = carried
    house.restore(held)
    world = house.motion.machine.world
    # the only equality is that of the fingers, to each other: nothing is tied to the hand
    assert world.model.eq_type.tolist() == [mujoco.mjtEq.mjEQ_JOINT]  # type: ignore[attr-defined]
    house.motion.machine.rest(3.0)
    assert np.linalg.norm(held.motion.in_tool - _in_tool(house)) < 0.02
    house.motion.machine.grip(0.04, 0.3)
    assert np.linalg.norm(held.motion.in_tool - _in_tool(house)) > 0.02


def _in_tool(house: Household) -> np.ndarray:
    machine = house.motion.machine  # type: ignore[attr-defined]
    return compose(inverse(machine.pose("tool")), machine.pose(house.state.held))


def test_a_switch_is_pressed_with_a_full_hand(carried):
    house, calls, _, held = carried
    house.restore(held)
    for call in (calls[1], SkillCall("turn_on", ("stove",))):
        result = house.execute(call)
        assert result.ok, result
    assert house.state.held == calls[0].args[0]


def test_after_a_failure_the_state_is_what_the_world_shows(carried):
    house, calls, _, held = carried
    house.restore(held)
    house.motion.machine.grip(0.04, 0.4)
    assert not house.execute(calls[1]).ok
    read = house.state.copy()
    sync(house.motion.machine, read, "")
    assert read == house.state


def test_oven_doors_stay_shut():
    home = make_home(7)
    machine = Machine(home, ())
    state = State(base=home.start)
    machine.reset(state)
    machine.rest(40.0)  # by then, friction that creeps has let them fall open
    for piece in home.pieces:
        if piece.kind.openable:
            assert float(openings(machine, piece).max()) < 0.001, piece.name


def test_a_door_beside_a_wall_is_pulled_and_then_pushed():
    """The hand does not fit between the open door and the wall."""
    house = Household(Instance("combine:egg:pot", 18, 4000163), fidelity="physical")
    for call in (SkillCall("go_to", ("cabinet_2",)), SkillCall("open", ("cabinet_2",))):
        result = house.execute(call)
        assert result.ok, result
    motion: Any = house.motion
    assert openings(motion.machine, house.home.by_name["cabinet_2"]).min() > 0.8


def test_what_falls_lies_below_and_is_told(carried):
    house, calls, _, held = carried
    house.restore(held)
    house.motion.machine.grip(0.04, 0.4)
    result = house.execute(SkillCall("go_to", (house.home.pieces[0].name,)))
    assert not result.ok and result.code == "DROPPED"
    thing = calls[0].args[0]
    assert not house.state.held and house.state.root(thing) != "robot"
    assert house.state.place[thing] == ("on", FLOOR)
    assert house.motion.machine.pose(thing)[2] < 0.45  # on the floor, or on the robot's own deck
    again = house.execute(SkillCall("place_on", ("stove",)))
    assert again.code in ("HAND_EMPTY", "NOT_NEAR")
    house.restore(held)
    assert house.state.held == thing


def test_drawers_are_opened_and_closed_by_their_bars():
    house, calls = play(Instance("open:dresser", 3, 1))
    for call in calls:
        assert house.execute(call).ok, call
    dresser = calls[0].args[0]
    motion: Any = house.motion
    share = motion.machine.joints(f"{dresser}_joint")[0] / 0.28
    assert house.success and share > 0.8
    assert motion.shown().joints[f"{dresser}_joint"] == pytest.approx(share * 0.28)


def test_who_executes_skills_must_be_able_to():
    with pytest.raises(ConfigError, match="not 'kinematic'"):
        Household(PUT, executors={"pick": object()})  # type: ignore[dict-item]
    with pytest.raises(UnknownNameError, match="pick"):
        Household(PUT, fidelity="physical", executors={"heat": object()})  # type: ignore[dict-item]


def test_the_hand_points_where_its_angles_say():
    for heading in (0.0, 1.0, -2.5):
        for pitch in (0.0, 0.6, math.pi / 2):
            quat = pointing(heading, pitch)
            points = axis_of(quat, 2)
            assert points[2] == pytest.approx(-math.cos(pitch))
            assert axis_of(quat, 1)[2] == pytest.approx(0.0, abs=1e-12)
            assert axis_of(pointing(heading, pitch, math.pi / 2), 2) == pytest.approx(points)
    frame = compose(planar(1.0, -2.0, 0.7, 0.3), np.array([0.1, 0.2, 0.3, *pointing(1.0, 0.6)]))
    np.testing.assert_allclose(compose(inverse(frame), frame), [0, 0, 0, 1, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_everything_can_be_taken(name):
    """Upright, and on its side: the fingers open wide enough, and stay off what it stands on."""
    kind = KINDS[name]
    standing = planar(0.0, 0.0, math.pi / 2, 0.8)
    found = list(grips(kind, standing, math.pi / 2))  # its long side points away from the robot
    assert len(found) > 2
    for grip in found:
        assert grip.width < 0.078
        assert grip.tool[2] - 0.8 >= lowest(grip.pitch) - 1e-9
    fallen = np.array([0.0, 0.0, 0.8 + kind.radius, math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0])
    assert list(grips(kind, fallen, 0.0))
