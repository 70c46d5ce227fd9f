"""Steering: what a person at the live page wants: orders, keys and sticks, a place to go to."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from octoworld.viewer.controls import Order
from octoworld.viewer.held import Held

from ..teleop.commands import Commands

ORDERS = {"pad9": Order("reset"), "pad3": Order("record")}
"""Buttons of a gamepad (start, Y) beside the page's own buttons and keys."""
SAID = (
    ("p / t", "pause or go on / one step"),
    ("n", "new start"),
    ("r", "record, or stop"),
    ("g", "push"),
)
"""Of the page's keys, see `viewer.controls.HOTKEYS`."""


class Steering:
    """The page's `Player`: its threads write, the session reads once a step."""

    def __init__(self, commands: Commands | None) -> None:
        """Of a robot that `commands` drive; None: a person cannot drive it, only give orders."""
        self.commands = commands
        self.view = np.array([-1.0, 0.0, 0.0])
        """Direction (3,) in which the person looks."""
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._held: Held = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of all keys that drive."""
        return () if self.commands is None else tuple(self.commands.keys)

    @property
    def legend(self) -> str:
        """What they do, in Markdown."""
        if self.commands is None:
            lines = [f"| `{keys}` | {says} |" for keys, says in SAID]
            return "\n".join(["| key | what it does |", "|---|---|", *lines])
        return self.commands.legend(SAID, "Start starts anew, Y records")

    # what the page says

    def tell(self, order: Order) -> None:
        """See `viewer.live.Player`."""
        self._orders.put(order)

    def hold(self, held: Held) -> None:
        """See `viewer.live.Player`."""
        pressed = [name for name in held if name not in self._held]
        self._held = dict(held)
        for name in pressed:
            if name in ORDERS:
                self.tell(ORDERS[name])
        if self.commands is not None:
            self.commands.hold(held)

    def look(self, direction: NDArray) -> None:
        """See `viewer.live.Player`."""
        self.view = np.asarray(direction, float)
        if self.commands is not None:
            self.commands.look(direction)

    # what the session reads

    def take(self, timeout: float = 0.0) -> Iterator[Order]:
        """Orders that nobody has taken, the oldest first; waits up to `timeout` [s] for one."""
        try:
            yield self._orders.get(timeout > 0, timeout or None)
            while True:
                yield self._orders.get(False)
        except queue.Empty:
            return
