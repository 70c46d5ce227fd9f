"""LiveRecorder: one button; each episode that ends while it is on is on disk at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import OctoworldError
from octoworld.core.io import write_text
from octoworld.data.episode import Episode
from tasks.env import TaskEnv

from ..recording import write_dataset
from ..tape import Tape


class LiveRecorder:
    """Records the one world of an env into a data set that grows by whole episodes.

    A recording that begins in the midst of an episode holds it from there on (`info["from_step"]`)
    and starts from its first row's `sim_state`, not from the seed. What a person did beside
    actions (pushes, dials) is in `info["orders"]`, with the row at which it was done, and in
    `info["dials"]` as the episode began: the actions alone do not lead to the same end.
    """

    def __init__(self, env: TaskEnv, out: Path, scene: str) -> None:
        """Write into `out`, with the MJCF `scene` beside."""
        self.out, self.saved, self.trouble = out, 0, ""
        """Where to; episodes saved; why the last one could not be."""
        self.is_on = False
        self._env, self._scene = env, scene
        self._tape: Tape | None = None
        self._facts: dict[str, Any] = {}
        self._dials: dict[str, float] = {}
        self._waiting: list[Episode] = []

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
        self._tape = Tape(self._env, [seed])
        self._facts = {
            "source": "live", "from_step": step, "dials": dict(self._dials), "orders": []
        }  # fmt: skip

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
            self._facts["orders"].append([len(self._tape), what, value])

    def end(self) -> None:
        """The episode is over: save it. What cannot be saved is kept, and tried again next time."""
        tape, self._tape = self._tape, None
        if tape is not None:
            for episode in tape.episodes():
                facts = dict(self._facts)
                if facts["from_step"]:  # the seed does not lead to the first row
                    facts["start_seed"] = episode.info.pop("seed")
                episode.info |= facts
                self._waiting.append(episode)
        if self._waiting:
            self._save()

    def _save(self) -> None:
        try:
            write_dataset(self.out, self._waiting, append=True, commit_each=True)
            write_text(self.out / "scene.xml", self._scene)
        except (OctoworldError, OSError) as error:
            self.trouble = f"not saved yet: {error}"
            return
        self.saved += len(self._waiting)
        self._waiting, self.trouble = [], ""
