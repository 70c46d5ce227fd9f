"""Unfinished recordings: what is recorded reaches the data set, even if a kill comes between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from octoworld.core.errors import DatasetError, OctoworldError
from octoworld.core.io import write_text
from octoworld.data.episode import Episode
from octoworld.data.journal import (
    RECORDING,
    UNFINISHED,
    Journal,
    Unfinished,
    left_journals,
    read_journal,
    set_aside,
)
from octoworld.data.reader import Dataset

from . import program_tape, tape
from .recording import write_dataset

READERS: dict[str, Callable[[Unfinished], list[Episode]]] = {
    tape.STEPS: tape.taken_up, program_tape.CALLS: program_tape.taken_up
}  # fmt: skip
"""Kind of a journal -> the episodes in it."""
RECOVERED = "recovered"
"""First word about a recording that is saved now."""
SCENE = "scene"
"""Key of a journal's header: the world as MJCF, for the viewer's 3D replay."""


class Keeper:
    """Brings episodes into the data set of a live session, each one once.

    While an episode is recorded it is in a journal (`octoworld.data.journal`), which is removed
    when the episode is on disk. What cannot be saved is kept, and tried again the next time.
    """

    def __init__(self, out: Path, scene: str) -> None:
        """Into the data set at `out`, with the MJCF `scene` beside."""
        self.out, self.saved, self.trouble = out, 0, ""
        """Where to; episodes saved; why the last ones could not be."""
        self._scene = scene
        self._found: list[str] = []
        self._waiting: list[tuple[list[Episode], Journal | None]] = []

    def recover(self) -> None:
        """Take up what sessions that were killed have left, and say so."""
        self._found = recover(self.out, self._scene)
        for line in self._found:
            print(line, flush=True)

    def journal(self, header: Mapping[str, Any]) -> Journal:
        """A journal of a recording that begins."""
        return Journal(self.out, {**header, SCENE: self._scene})

    def keep(self, episodes: list[Episode], journal: Journal | None) -> None:
        """Save these with the next `save`."""
        self._waiting.append((episodes, journal))

    def save(self) -> None:
        """Put all that waits on disk."""
        while self._waiting:
            episodes, journal = self._waiting[0]
            try:
                if episodes:
                    write_dataset(self.out, episodes, append=True, commit_each=True)
                    write_text(self.out / "scene.xml", self._scene)
            except (OctoworldError, OSError) as error:
                self.trouble = f"not saved yet: {error}"
                return
            if journal is not None:
                journal.remove()
            self._waiting.pop(0)
            self.saved += len(episodes)
        self.trouble = ""

    def lines(self, is_on: bool) -> list[str]:
        """What is to be said about it at a page."""
        lines = list(self._found)
        if is_on or self.saved:
            lines.append(f"recording into `{self.out}`: {self.saved} episodes saved")
        return lines + ([self.trouble] if self.trouble else [])


def recover(out: Path, scene: str = "") -> list[str]:
    """Append what killed sessions have left beside the data set at `out`; what there is to say.

    Recovered episodes say so (`info["recovered"]`), and end where the session was killed. A journal
    that cannot be read is set aside, one that does not fit the data set stays where it is; nothing
    is deleted but what is in the data set. `scene` (MJCF) is written beside a data set that has
    none.
    """
    return [said for path in left_journals(out) if (said := _recover(path, out, scene))]


def recover_all(folder: Path) -> list[str]:
    """`recover` for a data set's folder, or for all data sets of a run; what there is to say."""
    beside = [p for p in (folder / "episodes").glob(f"*{UNFINISHED}*") if p.is_file()]
    names = dict.fromkeys(p.name.rpartition(UNFINISHED)[0] for p in sorted(beside))
    places = [folder, *(folder / "episodes" / name for name in names)]
    return [said for place in places for said in recover(place)]


def _recover(path: Path, out: Path, scene: str) -> str:
    try:
        found = read_journal(path)
        episodes = [] if found is None else _episodes(path, found)
    except (DatasetError, OSError) as error:
        return f"an unfinished recording cannot be read: {error}; set aside as {set_aside(path)}"
    if found is None or not episodes:
        path.unlink()  # it had only begun
        return ""
    for episode in episodes:
        episode.info["recovered"] = True
    try:
        if _is_there(out, found.header[RECORDING]):  # the kill came after it was saved
            path.unlink()
            return ""
        write_dataset(out, episodes, append=True, commit_each=True)
        scene = found.header.get(SCENE) or scene
        if scene and not (out / "scene.xml").exists():
            write_text(out / "scene.xml", scene)
    except (OctoworldError, OSError) as error:
        return f"the unfinished recording {path} cannot join {out}: {error}"
    path.unlink()
    return f"{RECOVERED} an unfinished recording of {len(episodes[0])} steps into {out}"


def _episodes(path: Path, found: Unfinished) -> list[Episode]:
    kind = found.header.get("kind")
    if kind not in READERS:
        raise DatasetError(f"{path} is of kind {kind!r}, expected one of {', '.join(READERS)}")
    try:
        return READERS[kind](found)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DatasetError(f"{path} is damaged: {type(error).__name__}: {error}") from None


def _is_there(out: Path, recording: str) -> bool:
    """Whether an episode of the data set is this recording."""
    metas = Dataset(out).episodes if out.exists() else []
    return any(meta.info.get(RECORDING) == recording for meta in metas)
