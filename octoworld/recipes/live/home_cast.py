"""Who can act in a live household beside the person, and what its skills can be called with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from octoworld.core.paths import asset
from octoworld.core.rng import derive_seed
from octoworld.viewer.homepage import Slot
from tasks.household import IMPERFECT, Household, SkillCall, solve
from tasks.household.explore import forgetful
from tasks.household.senses import SEEN_STATES, things_in_view
from tasks.language import COLOR_NAMES
from vla.programmer import Answer, Skill, View
from vla.programmer.tiny import TinyAgent, TinyProgrammer

from ..household_checker import random_calls
from .cast import EXPERT, RANDOM, YOU

TEACHER, PROGRAMMER = "teacher", "programmer"

Planner = Callable[[Household, int], tuple[SkillCall, ...]]
"""(household, number) -> what to call next, one after another; the number is another each time.

The expert raises OracleError where it knows no way.
"""
PLANNERS: dict[str, Planner] = {
    EXPERT: lambda house, number: solve(house).calls,
    TEACHER: lambda house, number: forgetful(
        solve(house).calls, IMPERFECT, house, _random(house, "teacher", number)
    ),
    RANDOM: lambda house, number: tuple(random_calls(house, _random(house, "random", number))),
}
PLANS = {
    YOU: "Calls by hand.",
    EXPERT: "The oracle's way from here.",
    PROGRAMMER: "What the shipped network wrote, which is shown pictures and the feedback.",
    TEACHER: "The way of a teacher who forgets.",
    RANDOM: "Calls at random.",
}
"""Who acts -> what is noted as the plan of a turn."""
TYPED = "A program that was typed."


def write_program(house: Household, feedback: str) -> Answer:
    """The shipped network's next program, in the light of what was told of earlier ones."""
    agent = _programmer()
    agent.reset(house.skills)
    seen = house.observe("album")
    return agent.act(View(house.instruction, seen.text, seen.images, feedback))


@cache
def _programmer() -> TinyAgent:
    """See its `card.json`."""
    return TinyAgent(TinyProgrammer.from_pretrained(asset("checkpoints", "programmer", "policy")))


def slots_of(house: Household) -> dict[str, tuple[Slot, ...]]:
    """Skill -> its arguments, with the names that exist; what is in sight comes first."""
    home, state = house.home, house.state
    seen = things_in_view(state, home)
    things = (*seen, *(t for t in state.place if t not in seen))
    near = tuple(sorted(home.by_name, key=lambda name: name != state.at))
    fitting = {
        "open": [n for n in near if home.by_name[n].kind.openable],
        "turn_on": [n for n in near if home.by_name[n].kind.switch],
        "unlock": [n for n in near if home.by_name[n].kind.lockable],
    }
    fitting |= {"close": fitting["open"], "turn_off": fitting["turn_on"]}
    names = {
        "place": (*home.rooms, *home.by_name),
        "thing": things,
        "vessel": things,
        "target": (*near, *things),
        "name": (*things, *near),
        "state": (*SEEN_STATES, *COLOR_NAMES),
    }
    found = {}
    for name, text in house.skills.items():
        skill = Skill.parse(text)
        places = {"look": {"place": near}, **{k: {"piece": tuple(v)} for k, v in fitting.items()}}
        known = names | places.get(name, {})
        found[name] = tuple(
            Slot(parameter, known.get(parameter, ()), k >= skill.required)
            for k, parameter in enumerate(skill.parameters)
        )
    return found


def _random(house: Household, who: str, number: int) -> np.random.Generator:
    return np.random.default_rng(derive_seed(7, house.instance.key, who, number))
