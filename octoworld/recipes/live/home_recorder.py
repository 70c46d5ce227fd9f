"""HomeRecorder: one button; each call that is made while it is on is on disk at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octoworld.core.errors import DatasetError
from octoworld.data.reader import Dataset
from tasks.household import Household

from ..program_recording import ROBOT, instance_facts, look
from ..program_tape import LIVE, ProgramTape
from ..recording import check_fits
from ..unfinished import Keeper


class HomeRecorder:
    """Records a household into a data set of programs, which `octoworld view` shows as such.

    A recording that begins in the midst of an episode holds it from there on
    (`info["from_step"]`: calls before).
    """

    def __init__(self, out: Path, scene: str) -> None:
        """Write into `out`, with the MJCF `scene` of the home beside."""
        self.keeper = Keeper(out, scene)
        self.is_on = False
        self._tape: ProgramTape | None = None

    @property
    def lines(self) -> list[str]:
        """What is to be said about it at the page."""
        tape = self._tape
        trouble = "" if tape is None or tape.journal is None else tape.journal.trouble
        return self.keeper.lines(self.is_on) + ([trouble] if trouble else [])

    def begin(self, house: Household) -> None:
        """An episode begins, or is joined; recorded if recording is on."""
        if not self.is_on:
            return
        info = instance_facts(house.instance, LIVE) | {"from_step": house.num_calls}
        if house.num_calls:  # the seed does not lead to the first row
            info["start_seed"] = info.pop("seed")
        self._tape = ProgramTape(house.instruction, info, look(house), self.keeper.journal)

    def turn(self, plan: str, program: str) -> None:
        """See `ProgramTape.begin`."""
        if self._tape is not None:
            self._tape.begin(plan, program)

    def call(self, house: Household, done: Mapping[str, Any]) -> None:
        """See `ProgramTape.call`."""
        if self._tape is not None:
            self._tape.call(done, house.progress, house.success, look(house))

    def turn_ended(self, **told: str) -> None:
        """See `ProgramTape.end`."""
        if self._tape is not None:
            self._tape.end(**told)

    def end(self, ended: str) -> None:
        """The episode is over: save it."""
        tape, self._tape = self._tape, None
        if tape is not None:
            self.keeper.keep(tape.episodes(ended), tape.journal)
        self.keeper.save()


def check_home(out: Path, layout: int) -> None:
    """Whether programs in the home of this seed can be recorded into `out`, if it is there.

    Raises:
        DatasetError: it holds something else, or another home: it has one 3D scene.
    """
    check_fits(out, ROBOT, "programs")
    metas = Dataset(out).episodes if out.exists() else []
    for meta in metas:
        if meta.info.get("layout", layout) != layout:
            raise DatasetError(
                f"{out} was recorded in the home of layout {meta.info['layout']}, not {layout}; "
                "one data set has one home: choose another folder"
            )
