"""Splits: starts that training never shows, one named axis at a time, after LIBERO-plus.

Without a split a task draws from everything. `train` leaves out one part of the places, of the
colour pairs and of the sentences; a test split takes its part from what was left out on its own
axis, and is like `train` on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import UnknownNameError

from .language import COLOR_NAMES

CELL = 0.06
"""Edge of a square of the table whose places go together [m]."""
Axis = Literal["", "positions", "pairs", "paraphrases"]


@dataclass(frozen=True)
class Split:
    """What one split draws from."""

    name: str
    says: str
    """What differs from training, in words."""
    axis: Axis = ""
    """Axis on which the part is taken that training leaves out."""
    randomize: str = ""
    """Preset of `sim.randomize` that is laid over the worlds."""
    distractors: int = 0
    """Further things on the table, or as many as the scene has."""

    def places(self, xy: NDArray, cell: float = CELL) -> NDArray[np.bool_]:
        """Whether things (..., 2) [m] may stand there, on a table of squares of edge `cell` [m]."""
        return is_held_out_place(xy, cell) == (self.axis == "positions")

    def pairs(self) -> NDArray[np.int64]:
        """Colours (P, 2) that the first two slots may have; they differ."""
        count = len(COLOR_NAMES)
        every = np.array([(a, b) for a in range(count) for b in range(count) if a != b])
        return every[is_held_out_pair(every[:, 0], every[:, 1]) == (self.axis == "pairs")]

    def colors(self) -> NDArray[np.int64]:
        """Colours that a lone thing may have; the last one is for tests."""
        every = np.arange(len(COLOR_NAMES))
        return every[-1:] if self.axis == "pairs" else every[:-1]

    def wordings(self, count: int) -> NDArray[np.int64]:
        """Which of `count` paraphrases may be said; the last of several is for tests."""
        kept = np.arange(max(count - 1, 1))
        return np.array([count - 1]) if self.axis == "paraphrases" else kept


def square_of(xy: NDArray, cell: float = CELL) -> NDArray[np.int64]:
    """Column and row (..., 2) of the square of edge `cell` [m] that things (..., 2) [m] are in."""
    return np.floor(np.asarray(xy) / cell).astype(np.int64)


def is_held_out_place(xy: NDArray, cell: float = CELL) -> NDArray[np.bool_]:
    """A quarter of the table's squares, spread over it."""
    square = square_of(xy, cell)
    return (square[..., 0] + 2 * square[..., 1]) % 4 == 0


def is_held_out_pair(first: Any, second: Any) -> Any:
    """One pair for each colour of the first thing but one, whose pair would be of equals."""
    return (np.asarray(first) + 2 * np.asarray(second)) % len(COLOR_NAMES) == 0


SPLITS: dict[str, Split] = {
    s.name: s
    for s in (
        Split("train", "what training may show"),
        Split("positions", "places that training leaves out", axis="positions"),
        Split("pairs", "colours of two things that training never shows together", axis="pairs"),
        Split("paraphrases", "sentences that training never says", axis="paraphrases"),
        Split("camera", "a front camera that has been moved", randomize="camera"),
        Split("light", "other light and other surfaces", randomize="light"),
        Split("physics", "other masses, friction and servos", randomize="arm"),
        Split("distractors", "up to three things that nobody asks for", distractors=3),
    )
}


def split_named(name: str) -> Split:
    """The split `name`; UnknownNameError lists the choices."""
    if name not in SPLITS:
        raise UnknownNameError("split", name, SPLITS)
    return SPLITS[name]
