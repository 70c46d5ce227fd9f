"""Household: homes with furniture, appliances and things, and skills that programs call.

    house = Household(household_split("train").instance(0))
    print(house.instruction, house.skills["pick"])
    result = house.execute(SkillCall("go_to", ("kitchen",)))
    branch = house.snapshot()
    images = house.observe("separate").images
    print(result.message, solve(house).program, house.success)
    house.restore(branch)

An episode is a function of its instance and of the calls; pictures are one of its state.
"""

from .explore import IMPERFECT, PERFECT, Attempt, Teacher, explore
from .household import Household, HouseholdSnapshot
from .oracle import Solution, solve
from .result import SkillCall, SkillResult, Value
from .splits import SPLITS, household_split
from .tasks import Instance, Task, all_tasks, task_named

__all__ = [
    "IMPERFECT",
    "PERFECT",
    "SPLITS",
    "Attempt",
    "Household",
    "HouseholdSnapshot",
    "Instance",
    "SkillCall",
    "SkillResult",
    "Solution",
    "Task",
    "Teacher",
    "Value",
    "all_tasks",
    "explore",
    "household_split",
    "solve",
    "task_named",
]
__suite__ = "octoworld"
