"""Strategies: how often an agent is asked, what it is told, and how much it may do at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from octoworld.core.errors import UnknownNameError


@dataclass(frozen=True)
class Strategy:
    """One way of letting a model act."""

    name: str
    turns: int
    """Programs at most."""
    goes_on: Literal["after_error", "until_finished"]
    """When there is another turn: after something went wrong, or until the scene is finished."""
    calls_per_turn: int | None = None
    """Skill calls of one program; None: what the episode has left."""
    is_told: bool = True
    """Whether the agent reads what its last program did."""
    plans_first: bool = False
    """Whether the plan is asked for before, and apart from, the first program."""
    advice: str = ""
    """What the model is told about it."""


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            "single_turn",
            turns=1,
            goes_on="after_error",
            advice="You have one program for the whole task.",
        ),
        Strategy(
            "retry",
            turns=3,
            goes_on="after_error",
            advice="When a program stops with an error you are told what happened and can write "
            "another one; what was done stays done.",
        ),
        Strategy(
            "retry_untold",  # the control of `retry`: the same turns without the feedback
            turns=3,
            goes_on="after_error",
            is_told=False,
            advice="When a program stops with an error you can write another one; what was done "
            "stays done.",
        ),
        Strategy(  # Yao et al. 2023, arXiv 2210.03629
            "react",
            turns=30,
            goes_on="until_finished",
            calls_per_turn=1,
            advice="Think about what you see, then write a program with ONE skill call. You are "
            "told what it did, and go on until the task is done.",
        ),
        Strategy(  # Wang et al. 2023, arXiv 2305.04091
            "plan_and_solve",
            turns=3,
            goes_on="after_error",
            plans_first=True,
            advice="You make a plan first, and write the program from it afterwards.",
        ),
    )
}


def get_strategy(strategy: Strategy | str) -> Strategy:
    """A strategy by name. Raises UnknownNameError with the choices."""
    if isinstance(strategy, Strategy):
        return strategy
    if strategy not in STRATEGIES:
        raise UnknownNameError("strategy", strategy, STRATEGIES)
    return STRATEGIES[strategy]
