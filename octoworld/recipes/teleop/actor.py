"""TeleopActor: an Actor of `roll_out` whose actions come from a person, in real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from octoworld.viewer.driving import Phase, Wish
from tasks.env import TaskEnv

from .commands import Commands

WAIT = 0.05
"""Between two looks at whether the person has begun [s]."""

Show = Callable[[TaskEnv, Mapping[str, NDArray], int, Phase], None]
"""Shows the world: (env, observation or nothing, steps done, phase)."""


class Clock(Protocol):
    """Says when the next action is due."""

    def restart(self) -> None:
        """The first action is due now."""
        ...

    def tick(self) -> None:
        """Come back when the next one is."""
        ...


class RealTime:
    """A clock of the real world; lateness is forgiven, not made up for."""

    def __init__(self, period: float) -> None:
        """Tick every `period` [s]."""
        self._period, self._due = period, 0.0

    def restart(self) -> None:
        """The first tick is a period from now."""
        self._due = time.monotonic() + self._period

    def tick(self) -> None:
        """Sleep until the next action is due."""
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = max(self._due + self._period, time.monotonic())


class TeleopActor:
    """Acts as the person commands, once a tick; what they wish for ends the episode.

    The clock stands still until they ask to start or touch anything that drives.
    """

    def __init__(self, commands: Commands, clock: Clock, show: Show, *, at_once: bool) -> None:
        """One episode in one world; with `at_once` the clock does not wait for the person."""
        self._commands, self._clock, self._show = commands, clock, show
        self._at_once = at_once
        self.wish: Wish | None = None
        """What the person asked for to end the episode; None while they did not."""

    def act(self, env: TaskEnv, obs: dict[str, NDArray], step: int) -> NDArray[np.float32] | None:
        """One action, (1, 1, A), when it is due; None when the person ended the episode."""
        if step == 0:
            self._commands.begin(float(env.task.memory.get("gripper", [1.0])[0]))
            if not (self._at_once or self._begun(env, obs)):
                return None
            self._clock.restart()
            self._show(env, obs, step, "driving")
        else:
            self._show(env, obs, step, "driving")
            self._clock.tick()
            self.wish = self._commands.take_wish()
            if self.wish is not None:
                return None
        return self._commands.action()[None, None]

    def _begun(self, env: TaskEnv, obs: dict[str, NDArray]) -> bool:
        """Wait for the first movement or a wish; whether the episode begins."""
        while True:
            self._show(env, obs, 0, "waiting")
            wish = self._commands.take_wish(WAIT)
            if wish in ("discard", "finish"):
                self.wish = wish
                return False
            if wish == "start" or self._commands.is_touched:
                return True
