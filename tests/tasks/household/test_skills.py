"""Skills: what they do, what they need, and that a failure changes nothing but the clock."""

from __future__ import annotations

import pytest

from tasks.household.skills import CODES, SKILLS, signature
from tasks.household.state import COLD, HOT


def test_put_the_mug_in_the_sink(bench):
    b = bench().put("mug_1", "on", "table_1")
    b.ok("go_to", "table_1")
    taken = b.ok("pick", "mug_1")
    assert taken.changed == {"mug_1": {"held": "robot"}}
    there = b.ok("go_to", "sink_1")
    assert there.changed == {"robot": {"at": "sink_1"}} and there.seconds > 2
    put = b.ok("place_in", "sink_1")
    assert put.changed == {"mug_1": {"in": "sink_1"}}
    assert put.as_dict()["ok"] and put.message == "mug_1 is in sink_1"


def test_things_are_named_by_kind_and_colour_where_that_is_enough(bench):
    b = bench().put("mug_1", "on", "table_1", "red").put("mug_2", "on", "table_1", "blue")
    b.ok("go_to", "the table")
    b.fails("AMBIGUOUS", "pick", "mug")
    b.ok("pick", "the blue mug")
    assert b.state.held == "mug_2"
    b.ok("place_on", "table")
    b.ok("pick", "mug_1")


def test_look_shows_what_is_open_to_view_and_nothing_else(bench):
    b = bench().put("mug_1", "on", "counter_1").put("milk_1", "in", "fridge_1")
    b.put("book_1", "on", "bed_1")
    b.ok("go_to", "kitchen")
    assert b.ok("look").value == ["mug_1"] and b.ok("where", "mug").value == "counter_1"
    assert b.ok("look", "fridge_1").value == []
    b.ok("go_to", "fridge_1")
    assert b.ok("look", "fridge_1").value == []
    b.ok("open", "fridge_1")
    assert b.ok("look", "fridge_1").value == ["milk_1"]
    b.fails("NOT_IN_SIGHT", "look", "bed_1")
    b.fails("NOT_IN_SIGHT", "check", "book_1", "red")
    assert b.ok("check", "milk_1", "drink").value is True
    assert b.ok("check", "fridge_1", "closed").value is False


def test_failures_never_tell_where_something_is(bench):
    b = bench().put("phone_1", "in", "drawer_1")
    b.ok("go_to", "table_1")
    for name, args in (
        ("pick", ("phone_1",)), ("check", ("phone_1", "red")), ("where", ("phone_1",)),
    ):  # fmt: skip
        assert "drawer" not in b.do(name, *args).message


def test_go_to_takes_furniture_and_rooms_only(bench):
    b = bench().put("mug_1", "on", "table_1")
    b.fails("NOT_POSSIBLE", "go_to", "mug_1")
    b.fails("UNKNOWN_NAME", "go_to", "balcony")
    assert "fridge_1" in b.fails("UNKNOWN_NAME", "go_to", "frigde_1").message
    b.ok("go_to", "bedroom")
    assert b.house.home.room_at(*b.state.base[:2]) == "bedroom"


def test_closed_things_are_opened_with_a_free_hand_first(bench):
    b = bench().put("mug_1", "on", "counter_1").put("milk_1", "in", "fridge_1")
    b.ok("go_to", "fridge_1")
    b.fails("NOT_IN_SIGHT", "pick", "milk_1")
    b.ok("go_to", "counter_1")
    b.ok("pick", "mug_1")
    b.ok("go_to", "fridge_1")
    b.fails("CLOSED", "place_in", "fridge_1")
    b.fails("HAND_FULL", "open", "fridge_1")
    b.fails("NOT_POSSIBLE", "place_on", "fridge_1")
    b.fails("HAND_FULL", "pick", "milk_1")
    b.ok("go_to", "counter_1")
    b.ok("place_on", "counter_1")
    b.fails("NOT_NEAR", "open", "fridge_1")
    b.ok("go_to", "fridge_1")
    b.ok("open", "fridge_1")
    b.fails("ALREADY", "open", "fridge_1")
    b.ok("pick", "milk_1")
    b.fails("HAND_FULL", "close", "fridge_1")


def test_the_soup_is_heated_in_the_closed_running_microwave(bench):
    b = bench().put("soup_1", "on", "table_1")
    b.ok("go_to", "microwave_1")
    b.ok("open", "microwave_1")
    b.ok("go_to", "table_1")
    b.ok("pick", "soup_1")
    b.fails("NEEDS", "heat", "soup_1")
    b.ok("go_to", "microwave_1")
    b.ok("place_in", "microwave_1")
    b.fails("NEEDS", "heat", "soup_1")  # open
    b.fails("NEEDS", "turn_on", "microwave_1")
    b.ok("close", "microwave_1")
    b.fails("NEEDS", "heat", "soup_1")  # off
    b.ok("turn_on", "microwave_1")
    heated = b.ok("heat", "soup_1")
    assert heated.seconds > 10 and heated.changed["soup_1"] == {"hot": True}
    assert b.state.temperature["soup_1"] >= HOT
    b.ok("turn_off", "microwave_1")
    b.ok("open", "microwave_1")
    b.ok("pick", "soup_1")


def test_a_dirty_plate_is_washed_under_running_water(bench):
    b = bench().put("plate_1", "on", "counter_1")
    b.state.dirty["plate_1"] = True
    b.ok("go_to", "counter_1")
    b.ok("pick", "plate_1")
    b.fails("NOT_NEAR", "wash", "plate_1")
    b.ok("go_to", "sink_1")
    b.fails("NEEDS", "wash", "plate_1")
    b.ok("turn_on", "sink_1")
    assert b.ok("wash", "plate_1").changed == {"plate_1": {"dirty": False}}
    b.fails("ALREADY", "wash", "plate_1")


def test_the_dishwasher_washes_by_itself_while_time_passes(bench):
    b = bench().put("bowl_1", "in", "dishwasher_1")
    b.state.dirty["bowl_1"] = True
    b.ok("go_to", "dishwasher_1")
    b.ok("turn_on", "dishwasher_1")
    b.ok("wait", 30)
    assert b.state.dirty["bowl_1"]
    assert b.ok("wash", "bowl_1").seconds < 31
    assert not b.state.dirty["bowl_1"]


def test_cold_drinks_come_from_the_fridge(bench):
    b = bench().put("juice_1", "in", "fridge_1")
    b.ok("go_to", "fridge_1")
    b.ok("cool", "juice_1")
    assert b.state.temperature["juice_1"] <= COLD


def test_an_egg_is_cooked_on_the_stove_and_stays_so(bench):
    b = bench().put("pan_1", "on", "stove_1").put("egg_1", "in", "pan_1")
    b.ok("go_to", "stove_1")
    b.fails("NEEDS", "cook", "egg_1")
    b.ok("turn_on", "stove_1")
    b.fails("NOT_POSSIBLE", "cook", "pan_1")
    assert b.ok("cook", "egg_1").changed["egg_1"]["cooked"] is True
    b.fails("ALREADY", "cook", "egg_1")


def test_an_apple_is_sliced_with_the_knife(bench):
    b = bench().put("apple_1", "on", "counter_1").put("knife_1", "on", "counter_1")
    b.ok("go_to", "counter_1")
    b.fails("NEEDS", "slice", "apple_1")
    b.ok("pick", "knife_1")
    b.fails("NOT_POSSIBLE", "slice", "knife_1")
    b.ok("slice", "apple_1")
    b.fails("ALREADY", "slice", "apple_1")


def test_water_is_filled_and_poured(bench):
    b = bench().put("glass_1", "on", "counter_1").put("vase_1", "on", "table_1")
    b.ok("go_to", "counter_1")
    b.ok("pick", "glass_1")
    b.fails("NEEDS", "pour", "sink_1")
    b.ok("go_to", "sink_1")
    b.fails("NEEDS", "fill")
    b.ok("turn_on", "sink_1")
    b.ok("fill")
    b.fails("ALREADY", "fill")
    b.ok("go_to", "table_1")
    assert b.ok("pour", "vase_1").changed == {
        "glass_1": {"filled": ""}, "vase_1": {"filled": "water"},
    }  # fmt: skip


def test_coffee_comes_hot_from_the_machine(bench):
    b = bench().put("mug_1", "on", "coffee_machine_1")
    b.ok("go_to", "coffee_machine_1")
    b.fails("NEEDS", "brew", "mug_1")
    b.ok("turn_on", "coffee_machine_1")
    assert b.ok("brew", "mug_1").changed["mug_1"] == {"filled": "coffee", "hot": True}


def test_the_safe_opens_with_the_key_only(bench):
    b = bench().put("book_1", "in", "safe_1").put("key_1", "on", "desk_1")
    b.state.locked["safe_1"] = True
    b.ok("go_to", "safe_1")
    b.fails("LOCKED", "open", "safe_1")
    b.fails("NEEDS", "unlock", "safe_1")
    b.ok("go_to", "desk_1")
    b.ok("pick", "key_1")
    b.ok("go_to", "safe_1")
    b.ok("unlock", "safe_1")
    b.fails("HAND_FULL", "open", "safe_1")


def test_plates_carry_what_is_on_them(bench):
    b = bench().put("plate_1", "on", "counter_1").put("bread_1", "on", "plate_1")
    b.put("apple_1", "on", "counter_1")
    b.ok("go_to", "counter_1")
    b.ok("pick", "plate_1")
    b.fails("NOT_POSSIBLE", "place_on", "bread_1")
    b.ok("go_to", "table_1")
    b.ok("place_on", "table_1")
    assert b.state.place["bread_1"] == ("on", "plate_1") and b.state.root("bread_1") == "table_1"
    b.ok("go_to", "counter_1")
    b.ok("pick", "apple_1")
    b.ok("go_to", "table_1")
    b.fails("NO_SPACE", "place_on", "plate_1")
    b.ok("place_on", "table_1")


def test_a_drawer_is_too_low_for_a_bottle(bench):
    b = bench().put("bottle_1", "on", "counter_1")
    b.ok("go_to", "drawer_1")
    b.ok("open", "drawer_1")
    b.ok("go_to", "counter_1")
    b.ok("pick", "bottle_1")
    b.ok("go_to", "drawer_1")
    b.fails("NO_SPACE", "place_in", "drawer_1")


def test_things_far_back_are_out_of_reach_and_the_robot_blocks_its_own_door(bench):
    b = bench().put("apple_1", "on", "bed_1")
    b.ok("go_to", "bed_1")
    b.state.spot["apple_1"] = (0.8, 0.4, 0.5)
    b.fails("OUT_OF_REACH", "pick", "apple_1")
    b.ok("go_to", "fridge_1")
    x, y, yaw = b.state.base
    piece = b.house.home.by_name["fridge_1"]
    b.state.base = (*piece.to_world(0.25, -piece.kind.size[1] / 2 - 0.3), yaw)
    b.fails("BLOCKED", "open", "fridge_1")
    b.state.base = (x, y, yaw)
    b.ok("open", "fridge_1")


def test_no_way_leads_through_an_open_door(bench):
    b = bench()
    b.ok("go_to", "fridge_1")
    piece = b.house.home.by_name["fridge_1"]
    b.ok("open", "fridge_1")
    inside = (*piece.to_world(0.29, -piece.kind.size[1] / 2 - 0.1), 0.0)
    assert b.house.motion.planner.way(b.state.base[:2], inside, frozenset({"fridge_1"})) is None


def test_asking_and_the_end(bench):
    b = bench()
    b.house.setup.answers["mug"] = "mine is the red one"
    assert b.ok("ask", "Which mug is yours?").value == "mine is the red one"
    assert b.ok("ask", "what now?").value == "I do not know."
    b.fails("HAND_EMPTY", "place_on", "table_1")
    b.ok("done", 3)
    assert b.state.finished and b.state.answer == 3
    b.fails("FINISHED", "look")
    b.house.setup.answers.clear()


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("fly", (), "UNKNOWN_SKILL"), ("__class__", (), "UNKNOWN_SKILL"),
        ("pick", (), "BAD_ARGUMENT"), ("pick", (1,), "BAD_ARGUMENT"),
        ("pick", (None,), "BAD_ARGUMENT"), ("pick", ("",), "BAD_ARGUMENT"),
        ("pick", ("a", "b"), "BAD_ARGUMENT"), ("pick", ([],), "BAD_ARGUMENT"),
        ("pick", ("x" * 1000,), "BAD_ARGUMENT"), ("look", ({},), "BAD_ARGUMENT"),
        ("wait", (-1,), "BAD_ARGUMENT"), ("wait", ("10",), "BAD_ARGUMENT"),
        ("wait", (float("nan"),), "BAD_ARGUMENT"), ("wait", (1e9,), "BAD_ARGUMENT"),
        ("wait", (True,), "BAD_ARGUMENT"), ("ask", (7,), "BAD_ARGUMENT"),
        ("done", ([1],), "BAD_ARGUMENT"), ("done", ("x" * 999,), "BAD_ARGUMENT"),
        ("check", ("table_1", "happy"), "NOT_IN_SIGHT"), ("pick", ("unicorn",), "UNKNOWN_NAME"),
    ],
)  # fmt: skip
def test_bad_calls_are_answered_not_raised(bench, name, args, code):
    bench().fails(code, name, *args)


NONSENSE = (
    None, True, -1, 10**5000, float("inf"), float("nan"), "", " ", "mug_1", "sink_1", "\x00",
    "a" * 10**6, [], [[]], (), {}, {"mug_1": 1}, ["mug_1"], "kitchen", "the", "{0.__class__}",
)  # fmt: skip


@pytest.mark.parametrize("name", SKILLS)
def test_no_argument_makes_a_skill_raise(bench, name):
    """Whatever a program passes, the answer is a result that can be written as JSON."""
    import json

    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    for count in (0, 1, 2):
        for value in (*NONSENSE, nested):
            b = bench().put("mug_1", "on", "counter_1")
            b.ok("go_to", "counter_1")
            result = b.do(name, *[value] * count)
            assert len(json.dumps(result.as_dict())) < 2000
            assert isinstance(b.house.success, bool)


def test_every_skill_says_how_it_is_called():
    assert {"go_to", "look", "open", "close", "pick", "place_on", "place_in", "turn_on", "turn_off",
            "heat", "cool", "wash", "slice", "pour", "ask", "done"} <= set(SKILLS)  # fmt: skip
    for name in SKILLS:
        assert signature(name).startswith(f"{name}(") and len(signature(name)) > 20
    assert signature("look").startswith("look(place=None): Names of the things in sight")


def test_all_codes_are_documented():
    """Codes in use are those of CODES, by the sources of the skills themselves."""
    import re
    from pathlib import Path

    import tasks.household as package

    folder = Path(package.__file__).parent
    used = {
        code
        for path in folder.rglob("*.py")
        for code in re.findall(r'SkillFailureError\(\s*"([A-Z_]+)"', path.read_text())
    }
    assert used == set(CODES)
