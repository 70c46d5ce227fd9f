"""Household: homes with furniture, appliances and things, and skills that programs call."""

from .household import Household
from .result import SkillCall, SkillResult, Value
from .tasks import Instance, Task, all_tasks, task_named

__all__ = [
    "Household",
    "Instance",
    "SkillCall",
    "SkillResult",
    "Task",
    "Value",
    "all_tasks",
    "task_named",
]
__suite__ = "octoworld"
