"""Programs as text, one call of a skill a line, and their straight execution."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .result import SkillCall, SkillResult

if TYPE_CHECKING:
    from .household import Household


def straight(calls: Iterable[SkillCall]) -> str:
    """Calls one after another, without conditions."""
    return "".join(f"{call}\n" for call in calls)


def run(household: Household, calls: Iterable[SkillCall]) -> list[SkillResult]:
    """Carry calls out in order, up to the first that fails (as a program would stop there)."""
    results = []
    for call in calls:
        results.append(household.execute(call))
        if not results[-1].ok:
            break
    return results
