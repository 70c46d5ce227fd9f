"""Goals: read, printed, judged; every predicate can be true and can be false, by both judges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from octoworld.core.errors import ConfigError, UnknownNameError
from tasks.household.checker import Checker
from tasks.household.facts import StateFacts
from tasks.household.goals import PREDICATES, fraction, is_met, parse, text
from tasks.household.unmet import unmet

GOALS = (
    "(on mug_1 table_1)",
    "(and (exists ?f sink (in mug_1 ?f)) (forall ?x dish (clean ?x)))",
    "(count = 2 ?x apple (in ?x bowl_1))",
    "(imply (dirty mug_1) (not (or (on mug_1 table_1) (on mug_1 desk_1))))",
)


def judged(bench, goal: str) -> bool:
    """What evaluator and checker both say."""
    house = bench.house
    facts = is_met(parse(goal), StateFacts(house.state, house.home))
    views = house.views
    views.set_state(house.state)
    assert Checker(house.home, views.world, house.state).success(goal) == facts, goal
    return facts


@pytest.mark.parametrize("goal", GOALS)
def test_goals_are_printed_as_they_are_read(goal):
    assert text(parse(goal)) == goal


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        ("", "expected '('"), ("(on a b", "')' is missing"), ("(on a b) c", "after the end"),
        ("(on a)", "2 names after on"), ("(not (hot a) (hot b))", "(not goal ...)"),
        ("(count = x ?a apple (hot ?a))", "(count"), ("(forall x apple (hot x))", "(forall ?x"),
        ("((hot a))", "(word ...)"), ("(and hot)", "(and goal ...)"),
    ],
)  # fmt: skip
def test_what_is_no_goal_is_refused_with_the_place(goal, says):
    with pytest.raises(ConfigError, match=r"goal") as error:
        parse(goal)
    assert says in str(error.value)


def test_an_unknown_predicate_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"'haot'.*Known: .*hot"):
        parse("(haot mug_1)")


def in_sink(b):
    b.put("mug_1", "in", "sink_1")


def on_table(b):
    b.put("mug_1", "on", "table_1")


def changed(where: str, what: str, value: object) -> Callable:
    """A mug on the table with one thing about it changed."""

    def change(b):
        on_table(b)
        b.put("egg_1", "on", "table_1").put("apple_1", "on", "table_1")
        getattr(b.state, where)[what] = value

    return change


def cooked(seconds: float) -> Callable:
    return changed("cooking", "egg_1", seconds)


def sliced(value: bool) -> Callable:
    return changed("sliced", "apple_1", value)


def full_of(liquid: str) -> Callable:
    return changed("liquid", "mug_1", liquid)


def held(b):
    on_table(b)
    b.ok("go_to", "table_1")
    b.ok("pick", "mug_1")


def at_table(b):
    on_table(b)
    b.ok("go_to", "table_1")


def at(place: str) -> Callable:
    return lambda b: b.ok("go_to", place)


def said(answer: object) -> Callable:
    def say(b):
        b.ok("done", answer)

    return say


def two(first: str, second: str, parent: str = "table_1") -> Callable:
    def put(b):
        b.put("mug_1", "on", "table_1", first)
        b.put("mug_2", "on", parent, second)

    return put


CASES = {
    "on": ("(on mug_1 table_1)", on_table, in_sink),
    "in": ("(in mug_1 sink_1)", in_sink, on_table),
    "at": ("(at table_1)", at_table, on_table),
    "together": ("(together mug_1 mug_2)", two("red", "red"), two("red", "red", "desk_1")),
    "holding": ("(holding mug_1)", held, at_table),
    "hand_empty": ("(hand_empty)", at_table, held),
    "robot_in": ("(robot_in kitchen)", at("sink_1"), at("bed_1")),
    "in_room": ("(in_room mug_1 kitchen)", in_sink, lambda b: b.put("mug_1", "on", "bed_1")),
    "open": ("(open fridge_1)", changed("opened", "fridge_1", True), on_table),
    "closed": ("(closed fridge_1)", on_table, changed("opened", "fridge_1", True)),
    "switched_on": ("(switched_on tv_1)", changed("running", "tv_1", True), on_table),
    "switched_off": ("(switched_off tv_1)", on_table, changed("running", "tv_1", True)),
    "locked": ("(locked safe_1)", changed("locked", "safe_1", True), on_table),
    "unlocked": ("(unlocked safe_1)", on_table, changed("locked", "safe_1", True)),
    "hot": ("(hot mug_1)", changed("temperature", "mug_1", 60.0), on_table),
    "cold": ("(cold mug_1)", changed("temperature", "mug_1", 5.0), on_table),
    "cooked": ("(cooked egg_1)", cooked(60.0), cooked(5.0)),
    "raw": ("(raw egg_1)", cooked(5.0), cooked(60.0)),
    "dirty": ("(dirty mug_1)", changed("dirty", "mug_1", True), on_table),
    "clean": ("(clean mug_1)", on_table, changed("dirty", "mug_1", True)),
    "sliced": ("(sliced apple_1)", changed("sliced", "apple_1", True), on_table),
    "whole": ("(whole apple_1)", sliced(False), sliced(True)),
    "filled": ("(filled mug_1)", full_of("milk"), on_table),
    "filled_with": ("(filled_with mug_1 milk)", full_of("milk"), full_of("water")),
    "empty": ("(empty mug_1)", on_table, full_of("milk")),
    "color": ("(color mug_1 red)", two("red", "red"), two("blue", "red")),
    "same_color": ("(same_color mug_1 mug_2)", two("red", "red"), two("blue", "red")),
    "same_place": ("(same_place mug_1 mug_2)", two("red", "red"), two("red", "red", "desk_1")),
    "answered": ("(answered 3)", said(3), said(4)),
}  # fmt: skip


def test_every_predicate_has_a_case():
    assert set(CASES) == set(PREDICATES)


@pytest.mark.parametrize("name", PREDICATES)
def test_every_predicate_can_hold_and_can_fail(bench, name):
    goal, holds, fails = CASES[name]
    yes, no = bench(), bench()
    holds(yes)
    fails(no)
    assert judged(yes, goal) is True
    assert judged(no, goal) is False


@pytest.mark.parametrize(
    "name",
    ["hot", "cold", "cooked", "raw", "dirty", "clean", "sliced", "filled", "empty", "open",
     "closed", "locked", "switched_off"],
)  # fmt: skip
def test_what_cannot_be_in_a_state_is_not_in_it(bench, name):
    """A table is neither clean nor dirty, and something that is not there is nothing at all."""
    b = bench().put("book_1", "on", "table_1")
    assert not judged(b, f"({name} book_1)")
    assert not judged(b, f"({name} mug_3)")


def test_near_misses(bench):
    """Beside the plate is not on it, in a bowl in the sink is not in the sink, over is not on."""
    b = bench().put("plate_1", "on", "table_1").put("apple_1", "on", "table_1")
    b.put("bowl_1", "in", "sink_1").put("egg_1", "in", "bowl_1")
    assert not judged(b, "(on apple_1 plate_1)") and judged(b, "(on apple_1 table_1)")
    assert judged(b, "(in egg_1 bowl_1)") and not judged(b, "(in egg_1 sink_1)")
    assert not judged(b, "(on egg_1 bowl_1)") and not judged(b, "(in apple_1 plate_1)")
    x, y, z = b.state.spot["apple_1"]
    b.state.spot["apple_1"] = (x, y, z + 0.02)
    views = b.house.views
    views.set_state(b.state)
    checker = Checker(b.house.home, views.world, b.state)
    assert not checker.success("(on apple_1 table_1)")  # it floats


def test_quantifiers_and_parts(bench):
    b = (
        bench()
        .put("mug_1", "on", "table_1")
        .put("mug_2", "on", "table_1")
        .put("mug_3", "on", "desk_1")
    )
    b.state.dirty["mug_2"] = True
    assert judged(b, "(count = 2 ?x mug (on ?x table_1))")
    assert judged(b, "(count >= 1 ?x mug (dirty ?x))") and judged(
        b, "(count <= 1 ?x dish (dirty ?x))"
    )
    assert not judged(b, "(forall ?x mug (clean ?x))")
    assert judged(b, "(forall ?x mug (imply (on ?x desk_1) (clean ?x)))")
    assert judged(b, "(forall ?x toy (on ?x desk_1))")  # there are none
    assert not judged(b, "(exists ?x toy (on ?x desk_1))")
    assert judged(b, "(forall ?x openable (closed ?x))")
    goal = parse("(and (on mug_1 table_1) (clean mug_2) (on mug_3 bed_1) (clean mug_1))")
    assert fraction(goal, StateFacts(b.state, b.house.home)) == 0.5


def told(bench, goal: str) -> list[str]:
    """What is said not to hold."""
    state = bench.state
    return unmet(parse(goal), StateFacts(state, bench.house.home), state)


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_hold_is_told_and_nothing_else(bench, name):
    goal, holds, fails = CASES[name]
    for arrange, count in ((holds, 0), (fails, 1)):
        b = bench()
        arrange(b)
        sentences = told(b, goal)
        assert len(sentences) == count
        words = goal.strip("()").split()
        named = [word for word in words if word.endswith(("_1", "_2"))]
        assert all(a in sentences[0] for a in named if count)


def test_parts_and_quantifiers_are_told(bench):
    b = bench().put("mug_1", "on", "table_1", "red").put("mug_2", "on", "table_1", "blue")
    b.state.dirty["mug_2"] = True
    assert told(b, "(and (on mug_1 desk_1) (clean mug_2) (on mug_2 table_1))") == [
        "mug_1 (red) is not on desk_1", "mug_2 (blue) is not clean",
    ]  # fmt: skip
    assert told(b, "(forall ?x mug (clean ?x))") == ["mug_2 (blue) is not clean"]
    assert told(b, "(not (on mug_1 table_1))") == ["mug_1 (red) is on table_1"]
    assert told(b, "(or (on mug_1 desk_1) (dirty mug_1))") == [
        "mug_1 (red) is not on desk_1 or mug_1 (red) is not dirty"
    ]
    assert told(b, "(count = 1 ?x mug (on ?x table_1))") == [
        "too many of: mug on table_1 (2, expected = 1)"
    ]
    assert told(b, "(exists ?x sink (in mug_1 ?x))") == [
        "too few of: sink in mug_1 (red) (0, expected >= 1)"
    ]
    assert told(b, "(imply (dirty mug_2) (on mug_2 desk_1))") == ["mug_2 (blue) is not on desk_1"]


def test_a_household_that_verifies_lets_one_go_on_until_the_goal_holds(bench):
    b = bench()
    on_table(b)
    b.house.goal, b.house.verifies = parse("(open fridge_1)"), True
    result = b.do("done")
    assert (result.ok, result.code) == (False, "NOT_DONE")
    assert result.message == "not done: fridge_1 is not open"
    assert not b.house.finished
    b.ok("go_to", "fridge_1")
    b.ok("open", "fridge_1")
    b.ok("done")
    assert b.house.finished and b.house.success
