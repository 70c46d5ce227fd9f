"""Finder: the choosers of data set and episode, with filters and order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import viser

from .catalogue import ANY_TASK, ORDERS, OUTCOMES, Entry, Wanted, select

MOST = 300
"""Episodes that the chooser lists; a browser is slow with thousands."""
NO_EPISODE: tuple[str, ...] = ("-",)
EVERY_TASK: tuple[str, ...] = (ANY_TASK,)
NOTCHES = 100
"""Positions of the return's slider."""


class Finder:
    """The GUI of what is looked for; tells the number of the episode that was chosen."""

    def __init__(
        self, gui: viser.GuiApi, datasets: Sequence[str], on_dataset: Callable[[str], None],
        on_episode: Callable[[int], None],
    ) -> None:  # fmt: skip
        """Add the controls to the GUI container that is open."""
        self.entries: list[Entry] = []
        """Of the data set."""
        self.shown: list[Entry] = []
        """Those that are listed."""
        self._on_episode, self._current = on_episode, -1
        self._is_filling = False
        self.dataset: viser.GuiDropdownHandle[str] = gui.add_dropdown(
            "Data set", datasets, initial_value=datasets[0]
        )
        self.episode: viser.GuiDropdownHandle[str] = gui.add_dropdown("Episode", NO_EPISODE)
        self.note = gui.add_markdown("")
        with gui.add_folder("Find", expand_by_default=False):
            self.task: viser.GuiDropdownHandle[str] = gui.add_dropdown("Task", EVERY_TASK)
            self.outcome = gui.add_dropdown("End", OUTCOMES, initial_value=OUTCOMES[0])
            self.order = gui.add_dropdown("Order", ORDERS, initial_value=ORDERS[0])
            self.total = gui.add_multi_slider(
                "Return", 0, NOTCHES, 1, (0, NOTCHES), hint="Least and most, in hundredths of "
                "the way from the worst to the best episode."
            )  # fmt: skip
            self.follow = gui.add_checkbox(
                "Show new episodes", False, hint="As a running job writes them."
            )
        self.dataset.on_update(lambda _: on_dataset(self.dataset.value))
        self.episode.on_update(lambda _: self._chosen())
        for handle in (self.task, self.outcome, self.order, self.total):
            handle.on_update(lambda _: None if self._is_filling else self.find())

    def open(self, name: str, entries: list[Entry]) -> None:
        """List the episodes of another data set, without filters."""
        self._is_filling = True
        try:
            self.entries, self._current = entries, -1
            self.dataset.value = name
            tasks = sorted({entry.task for entry in entries})
            self.task.options = (ANY_TASK, *tasks)
            self.task.value, self.outcome.value = ANY_TASK, OUTCOMES[0]
            self.order.value, self.total.value = ORDERS[0], (0, NOTCHES)
            self.total.visible = len(self._totals()) > 1
        finally:
            self._is_filling = False
        self.find()

    def offer(self, datasets: Sequence[str]) -> None:
        """There are other data sets; the one that is shown stays."""
        chosen = self.dataset.value
        self.dataset.options = tuple(datasets)
        if chosen in datasets:
            self.dataset.value = chosen

    def grow(self, entries: list[Entry]) -> None:
        """The data set has more episodes; filters stay."""
        self.entries = entries
        self.find()

    def find(self) -> None:
        """List what the filters let through; the episode that is shown stays."""
        self.shown = select(self.entries, self.wanted())
        count = len(self.shown)
        self.note.content = (
            "" if count == len(self.entries) <= MOST
            else f"{count} of {len(self.entries)} episodes"
            + (f", the first {MOST} are listed" if count > MOST else "")
        )  # fmt: skip
        listed = self.shown[:MOST]
        current = next((e for e in self.entries if e.index == self._current), None)
        if current is not None and current not in listed:
            listed = [current, *listed]
        self._is_filling = True
        try:
            self.episode.options = tuple(e.label for e in listed) or NO_EPISODE
            self.episode.value = current.label if current else self.episode.options[0]
        finally:
            self._is_filling = False

    def wanted(self) -> Wanted:
        """What the filters say."""
        low, high = -math.inf, math.inf
        totals = self._totals()
        if len(totals) > 1:
            a, b = (float(np.interp(k, (0, NOTCHES), (totals[0], totals[-1])))
                    for k in self.total.value)  # fmt: skip
            low = a if self.total.value[0] > 0 else low
            high = b if self.total.value[1] < NOTCHES else high
        return Wanted(self.task.value, self.outcome.value, low, high, self.order.value)

    def mark(self, index: int) -> None:
        """The episode of this number is shown now."""
        self._current = index
        label = next(e.label for e in self.entries if e.index == index)
        if label not in self.episode.options:
            self.find()
        elif self.episode.value != label:
            self._is_filling = True
            try:
                self.episode.value = label
            finally:
                self._is_filling = False

    def neighbour(self, by: int) -> int | None:
        """Number of the episode `by` places on in the list, or None at its ends."""
        numbers = [entry.index for entry in self.shown]
        if self._current not in numbers:
            return numbers[0] if numbers else None
        at = numbers.index(self._current) + by
        return numbers[at] if 0 <= at < len(numbers) else None

    def _totals(self) -> list[float]:
        totals = {e.total for e in self.entries if e.total is not None and math.isfinite(e.total)}
        return sorted(totals)

    def _chosen(self) -> None:
        if self._is_filling or self.episode.value in NO_EPISODE:
            return
        index = int(self.episode.value.split(" ", 1)[0])
        if index != self._current:
            self._on_episode(index)
