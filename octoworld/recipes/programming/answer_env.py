"""AnswerEnv: a batch of households in which one decision is a model's whole answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from sim.vec_env import ChunkResult
from tasks.household import Household
from tasks.household.splits import HouseholdSplit
from vla.programmer.adapters import ProgramEnv
from vla.programmer.agent import user_text
from vla.programmer.hf.model import IMAGES, SHOWN

from .lessons import view_of

MOST_PICTURES = 48
"""Places for pictures in an observation: no home has more furniture."""
PROGRESS = 0.3
"""Reward for the share of the goal that holds after a program without a failed call; success: 1
more."""


class AnswerEnv:
    """What `octoworld.rl` asks of a VecEnv; `reset(seed=s)` is instances s of a split.

    An episode is one answer. Worlds of one instance see the same, and equal answers come to the
    same, so that each is played once.
    """

    def __init__(
        self, split: HouseholdSplit, num_envs: int, read: Callable[[torch.Tensor], str],
        packing: str,
    ) -> None:  # fmt: skip
        """`read`: tokens (L,) of an answer -> its text, as `HfProgrammer.text`."""
        self.split, self.num_envs, self.packing, self._read = split, num_envs, packing, read
        self.instructions = [""] * num_envs
        self.true_episodes = self.true_steps = 0
        """Answers, and skill calls that were carried out for them."""
        self._rows: list[int] = []
        self._obs: dict[str, torch.Tensor] = {}
        self._env = ProgramEnv(
            self._household, strategy="single_turn",
            reward=lambda t: t["success"] + PROGRESS * t["progress"] * max(t["ran"], t["success"]),
        )  # fmt: skip

    def _household(self, index: int, packing: str = "blind") -> Household:
        return Household(self.split.instance(index), packing=packing)

    def reset(self, *, seed: Sequence[int], options: Any = None) -> tuple[dict, dict]:
        """Instances by number."""
        self._rows = [int(s) for s in seed]
        views = {row: view_of(self._household(row, self.packing)) for row in set(self._rows)}
        self.instructions = [user_text(views[row]) for row in self._rows]
        self._obs = stacked([list(views[row].images.values()) for row in self._rows])
        return self._obs, {}

    def step_chunk(self, actions: torch.Tensor) -> ChunkResult:
        """Play answers (N, 1, L)."""
        known: dict[tuple[int, str], tuple[float, bool]] = {}
        told: list[tuple[float, bool]] = []
        for row, tokens in zip(self._rows, actions[:, 0].long(), strict=True):
            key = row, self._read(tokens)
            if key not in known:
                self._env.reset(index=row)
                reward = self._env.step(key[1]).reward
                known[key] = reward, bool(self._env.reward_terms["success"])
                self.true_steps += self._env.calls
            told.append(known[key])
        self.true_episodes += len(told)
        ended = torch.ones(len(told), 1, dtype=torch.bool)
        return ChunkResult(
            obs=self._obs, observations=[], rewards=torch.tensor([[r] for r, _ in told]),
            terminated=ended, truncated=torch.zeros_like(ended), alive=ended.clone(),
            infos=[{"success": torch.tensor([s for _, s in told])}],
        )  # fmt: skip


def stacked(rows: list[list[np.ndarray]]) -> dict[str, torch.Tensor]:
    """Pictures (N, MOST_PICTURES, H, W, 3) of worlds, and how many each shows (N,)."""
    shown = torch.tensor([len(row) for row in rows])
    if not shown.any():
        return {SHOWN: shown}
    size = next(image.shape for row in rows for image in row)
    images = np.zeros((len(rows), MOST_PICTURES, *size), np.uint8)
    for some, row in zip(images, rows, strict=True):
        some[: len(row)] = row
    return {SHOWN: shown, IMAGES: torch.from_numpy(images)}
