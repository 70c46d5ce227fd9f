"""ProgramEnv: a batch of household scenes in which one decision is a whole program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch

from sim.vec_env import ChunkResult
from vla.programmer.tiny import Line

from .after import Onlooker, looks
from .episodes import GRAMMAR_TABLES, Outcome, carry_out, household
from .scenes import Scenes

PROGRESS = 0.3
"""Reward for the share of the goal that holds after a program without a failed call; success: 1
more. Here it is the environment's own judgement, in `judged` what a judge makes of it."""
Key: TypeAlias = tuple[int, tuple[Line, ...]]
"""A program, as the calls that it makes, in a scene."""


class ProgramEnv:
    """What `octoworld.rl` asks of a VecEnv; world i of `reset(seed=s)` is scene s[i].

    Programs of one scene run as a tree: what several begin with is carried out once, and where they
    part the household is taken back to a snapshot. What a program came to is remembered, since the
    same program from the same scene comes to the same.
    """

    def __init__(
        self,
        scenes: Scenes,
        num_envs: int,
        *,
        keep: int = 200_000,
        onlooker: Onlooker | None = None,
        is_clean: bool = False,
    ) -> None:
        """A batch of `num_envs` worlds.

        Args:
            scenes: what `reset` counts.
            num_envs: programs at a time.
            keep: most outcomes that are remembered.
            onlooker: sees what programs leave behind.
            is_clean: success counts only where no call failed; `done` fails where it is too early.
        """
        self.scenes, self.num_envs, self.keep = scenes, num_envs, keep
        self.onlooker, self.is_clean = onlooker, is_clean
        self.instructions = [""] * num_envs
        self.true_episodes = self.true_steps = 0
        """Programs, and calls that were carried out for them."""
        self._rows: list[int] = []
        self._known: dict[Key, Outcome] = {}

    def reset(self, *, seed: Sequence[int], options: Any = None) -> tuple[dict, dict]:
        """Scenes by number."""
        self._rows = [int(s) for s in seed]
        return self.scenes.obs(torch.tensor(self._rows)), {}

    def step_chunk(self, actions: torch.Tensor) -> ChunkResult:
        """Run programs (N, 1, L)."""
        reward, success = self.judged(self._rows, actions[:, 0].long())
        ended = torch.ones(len(reward), 1, dtype=torch.bool)
        return ChunkResult(
            obs=self.scenes.obs(torch.tensor(self._rows)), observations=[],
            rewards=reward[:, None], terminated=ended,
            truncated=torch.zeros_like(ended), alive=ended.clone(), infos=[{"success": success}],
        )  # fmt: skip

    def judged(
        self, rows: Sequence[int], tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Reward (N,) float32 and success (N,) bool of programs (N, L) in scenes `rows` (N,)."""
        found = self.outcomes(rows, tokens)
        success = [o.success and (o.ok or not self.is_clean) for o in found]
        reward = [
            float(s) + PROGRESS * o.progress * float(o.ok or s)
            for o, s in zip(found, success, strict=True)
        ]
        return torch.tensor(reward), torch.tensor(success)

    def keys(self, rows: Sequence[int], tokens: torch.Tensor) -> list[Key]:
        """Programs (N, L) in scenes `rows` (N,) as the calls that they make."""
        programs: list[Key] = []
        at = self.scenes.columns["at"]
        for row, line in zip(rows, tokens.tolist(), strict=True):
            places = self.scenes.places(row)
            here = places[int(at[row])] if at[row] >= 0 else ""
            programs.append((row, tuple(GRAMMAR_TABLES.lines(line, places, here))))
        return programs

    def outcomes(self, rows: Sequence[int], tokens: torch.Tensor) -> list[Outcome]:
        """What programs (N, L) come to in scenes `rows` (N,)."""
        wanted: dict[int, list[tuple[Line, ...]]] = {}
        programs = self.keys(rows, tokens)
        for row, program in programs:
            if (row, program) not in self._known:
                wanted.setdefault(row, []).append(program)
        if len(self._known) > self.keep:
            self._known = {key: self._known[key] for key in programs if key in self._known}
        for row, several in wanted.items():
            for program, outcome in self._run(row, sorted(set(several))).items():
                self._known[row, program] = outcome
        self.true_episodes += len(programs)
        return [self._known[key] for key in programs]

    def _run(self, row: int, programs: list[tuple[Line, ...]]) -> dict[tuple[Line, ...], Outcome]:
        house = household(self.scenes.instances[row], verifies=self.is_clean)
        turn = self.scenes.turns[row]
        for before in turn.before if turn is not None else ():
            carry_out(house, before)
        house.begin_program("")  # what was said of earlier programs is no feedback of these
        before = looks(house) if self.onlooker is not None else {}
        found: dict[tuple[Line, ...], Outcome] = {}

        def seen(outcome: Outcome, program: tuple[Line, ...]) -> Outcome:
            if self.onlooker is None:
                return outcome
            return replace(outcome, after=self.onlooker.after(house, before, program))

        def branch(shared: int, several: list[tuple[Line, ...]]) -> None:
            """Programs that are alike up to `shared` calls, which have been carried out."""
            common = _common(several, shared)
            outcome = carry_out(house, several[0][shared:common])
            self.true_steps += outcome.calls
            if not outcome.ok or house.finished or len(several) == 1:
                found.update(dict.fromkeys(several, seen(outcome, several[0])))
                return
            by_next: dict[Line | None, list[tuple[Line, ...]]] = {}
            for program in several:
                by_next.setdefault(program[common] if len(program) > common else None, []).append(
                    program
                )
            moment = house.snapshot()
            for line, some in by_next.items():
                house.restore(moment)
                if line is None:
                    found.update(dict.fromkeys(some, seen(outcome, some[0])))
                else:
                    branch(common, some)

        branch(0, programs)
        return found


def _common(programs: list[tuple[Line, ...]], start: int) -> int:
    """How many calls all have in common, at least `start`."""
    shortest = min(len(p) for p in programs)
    for i in range(start, shortest):
        if any(p[i] != programs[0][i] for p in programs):
            return i
    return shortest
