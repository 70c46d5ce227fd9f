"""LiveRecorder: one button; each episode that ends while it is on is on disk at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.env import TaskEnv

from ..tape import Tape
from ..unfinished import Keeper


class LiveRecorder:
    """Records the one world of an env into a data set that grows by whole episodes.

    A recording that begins in the midst of an episode holds it from there on (`info["from_step"]`)
    and starts from its first row's `sim_state`, not from the seed. What a person did beside
    actions (pushes, dials) is in `info["orders"]`, with the row at which it was done, and in
    `info["dials"]` as the episode began: the actions alone do not lead to the same end.
    Each step is in a journal at once, see `Keeper`.
    """

    def __init__(self, env: TaskEnv, out: Path, scene: str) -> None:
        """Write into `out`, with the MJCF `scene` beside."""
        self.keeper = Keeper(out, scene)
        self.is_on = False
        self._env = env
        self._tape: Tape | None = None
        self._dials: dict[str, float] = {}

    @property
    def saved(self) -> int:
        """Episodes saved."""
        return self.keeper.saved

    @property
    def lines(self) -> list[str]:
        """What is to be said about it at the page."""
        tape = self._tape
        trouble = "" if tape is None or tape.journal is None else tape.journal.trouble
        return self.keeper.lines(self.is_on) + ([trouble] if trouble else [])

    def toggle(self, seed: int, step: int) -> None:
        """Start to record from here, `step` steps after the start of `seed`; or stop and save."""
        self.is_on = not self.is_on
        if self.is_on:
            self.begin(seed, step)
        else:
            self.end()

    def begin(self, seed: int, step: int = 0) -> None:
        """An episode begins, or is joined; recorded if recording is on."""
        self.end()
        if not self.is_on:
            return
        facts = {"source": "live", "from_step": step, "dials": dict(self._dials), "orders": []}
        self._tape = Tape(self._env, [seed], facts, self.keeper.journal)

    def before(
        self,
        obs: Mapping[str, NDArray],
        action: NDArray[np.float32],
        notes: Mapping[str, NDArray],
    ) -> None:
        """See `Tape.before`."""
        if self._tape is not None:
            self._tape.before(obs, action, notes)

    def after(self, reward: NDArray, success: NDArray) -> None:
        """See `Tape.after`."""
        if self._tape is not None:
            self._tape.after(reward, success)

    def turned(self, name: str, share: float) -> None:
        """A dial stands elsewhere from the next row on, and in all episodes to come."""
        self._dials[name] = share
        self.note("dial", [name, share])

    def note(self, what: str, value: Any) -> None:
        """A push acts from the next row on."""
        if self._tape is not None:
            self._tape.order(what, value)

    def end(self) -> None:
        """The episode is over: save it. What cannot be saved is kept, and tried again next time."""
        tape, self._tape = self._tape, None
        if tape is not None:
            self.keeper.keep(tape.episodes(), tape.journal)
        self.keeper.save()
