"""Tape: what the worlds of an env do, step by step, as columns of Episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from tasks.env import TaskEnv

from .actors import EXPERT_ACTION
from .scene_rows import SceneRows


class Tape:
    """Steps of all worlds from now on, and the episodes that they are.

    Each step calls `before` with what is about to be done, steps the env, and calls `after` with
    what came of it. What is recorded restores: `sim_state` and `task_memory` together are what
    `TaskEnv.restore_worlds` takes.
    """

    def __init__(self, env: TaskEnv, seeds: Sequence[int]) -> None:
        """Worlds that were started from `seeds`, one each."""
        self._env, self._facts = env, _facts(env, seeds)
        self._rows: list[dict[str, NDArray]] = []
        self._row: dict[str, Any] = {}
        self._looks = SceneRows(env.world)
        self._has_looks = self._looks.is_needed
        self.first_success = np.full(env.num_envs, -1)
        """(N,) step of the first success, -1 while there was none."""

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

    def episodes(self, lengths: Sequence[int] | NDArray | None = None) -> list[Episode]:
        """One episode a world, cut to `lengths` (None: whole); none when nothing was done."""
        if not self._rows:
            return []
        cuts = [len(self._rows)] * self._env.num_envs if lengths is None else lengths
        stacked = {k: np.stack([r[k] for r in self._rows], axis=1) for k in self._rows[0]}
        names, fps = element_names(self._env), round(self._env.fps)
        episodes = []
        for world, (instruction, info) in enumerate(self._facts):
            info = info | {"first_success": int(self.first_success[world])}
            columns = {k: v[world, : cuts[world]] for k, v in stacked.items()}
            episodes.append(Episode(_finished(columns), instruction, fps, info, names))
        return episodes


def element_names(env: TaskEnv) -> dict[str, tuple[str, ...]]:
    """What the numbers of recorded columns are called, as far as task and drive say it."""
    acted, felt = env.drive.action_names, env.task.state_names
    names = {"action": acted, EXPERT_ACTION: acted, "observation.state": felt}
    return {column: told for column, told in names.items() if told}


def _facts(env: TaskEnv, seeds: Sequence[int]) -> list[tuple[str, dict[str, Any]]]:
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
        facts.append((instruction, info))
    return facts


def _finished(columns: dict[str, NDArray]) -> dict[str, NDArray]:
    """The columns (T, ...) of one episode in the types that they are stored in, and its end."""
    length = len(columns["action"])
    columns = columns | {"next.done": np.arange(length) == length - 1}
    for name in ("action", "next.reward", "observation.environment_state"):
        columns[name] = columns[name].astype(np.float32)
    return columns
