"""Tape: what the worlds of an env do, step by step, as columns of Episodes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from octoworld.data.journal import RECORDING, Journal, Unfinished
from tasks.env import TaskEnv

from .actors import EXPERT_ACTION
from .scene_rows import SceneRows

STEPS = "steps"
"""Kind of the journals of tapes."""


class Tape:
    """Steps of all worlds from now on, and the episodes that they are.

    Each step calls `before` with what is about to be done, steps the env, and calls `after` with
    what came of it. What is recorded restores: `sim_state` and `task_memory` together are what
    `TaskEnv.restore_worlds` takes.
    """

    def __init__(
        self,
        env: TaskEnv,
        seeds: Sequence[int],
        facts: Mapping[str, Any] | None = None,
        open_journal: Callable[[Mapping[str, Any]], Journal] | None = None,
    ) -> None:
        """Worlds that were started from `seeds`, one each.

        Args:
            env: the worlds.
            seeds: of their starts.
            facts: further ones of each episode. With a `from_step` above 0 the seed is that of a
                start some time before: `start_seed`.
            open_journal: header -> a journal in which each step is, until `forget`.
        """
        self._env = env
        self._header: dict[str, Any] = {
            "kind": STEPS, "fps": round(env.fps), "names": element_names(env),
            "episodes": _facts(env, seeds, dict(facts or {})),
        }  # fmt: skip
        self._rows: list[dict[str, NDArray]] = []
        self._row: dict[str, Any] = {}
        self._looks = SceneRows(env.world)
        self._has_looks = self._looks.is_needed
        self.first_success = np.full(env.num_envs, -1)
        """(N,) step of the first success, -1 while there was none."""
        self.journal = None if open_journal is None else open_journal(self._header)
        """Of these episodes, if one is kept."""
        if self.journal is not None:
            self._header[RECORDING] = self.journal.id

    def __len__(self) -> int:
        return len(self._rows)

    def before(
        self,
        obs: Mapping[str, NDArray],
        action: NDArray[np.float32],
        notes: Mapping[str, NDArray] | None = None,
    ) -> None:
        """Note observation and `action` (N, A) of a step, and further columns (N, ...)."""
        env, row = self._env, dict(obs) | {"action": action} | dict(notes or {})
        # apart, so that who knows the scene but no task (the viewer) can read the first;
        # joined, in this order, they are what `TaskEnv.restore_worlds` takes
        row |= {"sim_state": env.world.get_state(), "task_memory": env.memory_rows()}
        if self._has_looks:
            row["scene_state"] = self._looks()
        row["observation.environment_state"] = env.task.observe(env.world)["privileged"]
        self._row = row

    def after(self, reward: NDArray, success: NDArray) -> None:
        """Note how the step was judged, (N,) each."""
        success = np.asarray(success, bool)
        row = self._row | {"next.reward": reward.copy(), "next.success": success}
        self.first_success[success & (self.first_success < 0)] = len(self._rows)
        self._rows.append({k: np.array(v) for k, v in row.items()})
        if self.journal is not None:
            self.journal.row(self._rows[-1])

    def order(self, what: str, value: Any) -> None:
        """Somebody does something beside actions, from the next row on: `info["orders"]`."""
        order = [len(self), what, value]
        for _, info in self._header["episodes"]:
            info.setdefault("orders", []).append(order)
        if self.journal is not None:
            self.journal.note({"order": order})

    def forget(self) -> None:
        """The episodes are in their data set, or nobody wants them: the journal goes."""
        if self.journal is not None:
            self.journal.remove()

    def episodes(self, lengths: Sequence[int] | NDArray | None = None) -> list[Episode]:
        """One episode a world, cut to `lengths` (None: whole); none when nothing was done."""
        return _episodes(self._header, self._rows, lengths)


def taken_up(found: Unfinished) -> list[Episode]:
    """The episodes of a journal that a Tape has left, as far as they came."""
    for note in found.notes:
        for _, info in found.header["episodes"]:
            info.setdefault("orders", []).append(note["order"])
    return _episodes(found.header, found.rows)


def _episodes(
    header: Mapping[str, Any],
    rows: Sequence[Mapping[str, NDArray]],
    lengths: Sequence[int] | NDArray | None = None,
) -> list[Episode]:
    """What a Tape with this header and these rows, of (N, ...) each, has recorded."""
    if not rows:
        return []
    stacked = {k: np.stack([r[k] for r in rows], axis=1) for k in rows[0]}
    names = {column: tuple(told) for column, told in header["names"].items()}
    episodes = []
    for world, (instruction, info) in enumerate(header["episodes"]):
        length = len(rows) if lengths is None else lengths[world]
        hits = np.flatnonzero(stacked["next.success"][world])
        info = info | {"first_success": int(hits[0]) if len(hits) else -1}
        if RECORDING in header:
            info[RECORDING] = header[RECORDING]
        columns = {k: v[world, :length] for k, v in stacked.items()}
        episodes.append(Episode(_finished(columns), instruction, header["fps"], info, names))
    return episodes


def element_names(env: TaskEnv) -> dict[str, tuple[str, ...]]:
    """What the numbers of recorded columns are called, as far as task and drive say it."""
    acted, felt = env.drive.action_names, env.task.state_names
    names = {"action": acted, EXPERT_ACTION: acted, "observation.state": felt}
    return {column: told for column, told in names.items() if told}


def _facts(
    env: TaskEnv, seeds: Sequence[int], further: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Instruction and info of each world, as episodes begin."""
    randomizer = getattr(env.task, "randomizer", None)
    physics = randomizer.sampled() if randomizer is not None else {}
    facts = []
    for world, instruction in enumerate(list(env.instructions)):
        info: dict[str, Any] = {
            "task": env.task.name,
            "robot": env.task.robot,
            "control_mode": env.drive.name,
            "seed": int(seeds[world]),
            "ends_on_success": env.task.ends_on_success,
        }
        if physics:
            info["randomized"] = {k: v[world].tolist() for k, v in physics.items()}
        info |= copy.deepcopy(dict(further))
        if info.get("from_step"):  # the seed does not lead to the first row
            info["start_seed"] = info.pop("seed")
        facts.append((instruction, info))
    return facts


def _finished(columns: dict[str, NDArray]) -> dict[str, NDArray]:
    """The columns (T, ...) of one episode in the types that they are stored in, and its end."""
    length = len(columns["action"])
    columns = columns | {"next.done": np.arange(length) == length - 1}
    for name in ("action", "next.reward", "observation.environment_state"):
        columns[name] = columns[name].astype(np.float32)
    return columns
