"""FrameStore: episodes as contiguous tensors, from which training draws windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from octoworld.core.errors import DatasetError

from .episode import Episode


class FrameStore:
    """All M steps of E episodes, one tensor a column; a window never crosses an episode's ends."""

    columns: dict[str, Tensor]
    """Column -> (M, ...): cameras (M, H, W, 3) uint8, the rest in the dtype of the recording."""
    start: Tensor
    """(E,) int64: first step of each episode."""
    length: Tensor
    """(E,) int64: steps of each episode."""
    episode: Tensor
    """(M,) int64: episode of each step."""
    instructions: list[str]
    """Distinct instructions."""
    instruction_id: Tensor
    """(E,) int64: index into `instructions`."""

    def __init__(self, episodes: Sequence[Episode], columns: Sequence[str] | None = None) -> None:
        """Copy the episodes together; `columns` None takes those of the first episode.

        Raises:
            DatasetError: there is no episode, or one lacks a column or has another shape.
        """
        if not episodes:
            raise DatasetError("a FrameStore needs at least one episode, got none")
        names = list(episodes[0].columns if columns is None else columns)
        for i, episode in enumerate(episodes):
            for name in names:
                if name not in episode.columns:
                    raise DatasetError(
                        f"episode {i} has no column {name!r}; it has {', '.join(episode.columns)}"
                    )
                shape, first = episode[name].shape[1:], episodes[0][name].shape[1:]
                if shape != first:
                    raise DatasetError(f"episode {i}: {name!r} is {shape}, the first one {first}")
        self.columns = {
            n: torch.from_numpy(np.concatenate([e[n] for e in episodes])) for n in names
        }
        self.length = torch.tensor([len(e) for e in episodes])
        self.start = self.length.cumsum(0) - self.length
        self.episode = torch.repeat_interleave(torch.arange(len(episodes)), self.length)
        self.instructions = sorted({e.instruction for e in episodes})
        ids = {text: i for i, text in enumerate(self.instructions)}
        self.instruction_id = torch.tensor([ids[e.instruction] for e in episodes])

    def __len__(self) -> int:
        return len(self.episode)

    def __getitem__(self, name: str) -> Tensor:
        return self.columns[name]

    @property
    def num_episodes(self) -> int:
        """E."""
        return len(self.length)

    def to(self, device: torch.device | str) -> FrameStore:
        """Move all tensors; the store itself is changed and returned."""
        self.columns = {k: v.to(device) for k, v in self.columns.items()}
        for name in ("start", "length", "episode", "instruction_id"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def windows(self, steps: Tensor, length: int, history: int = 0) -> tuple[Tensor, Tensor]:
        """Windows around steps, clamped at the ends of their episodes.

        Args:
            steps: (B,) indices into the M steps.
            length: T, rows of a window.
            history: rows before the step itself; row `history` is the step.

        Returns:
            Indices (B, T) and whether each was clamped, (B, T) bool.
        """
        steps = steps.to(self.episode.device)
        episode = self.episode[steps]
        first = self.start[episode].unsqueeze(1)
        last = first + self.length[episode].unsqueeze(1) - 1
        wanted = steps.unsqueeze(1) + torch.arange(length, device=steps.device) - history
        indices = torch.minimum(torch.maximum(wanted, first), last)
        return indices, indices != wanted

    def sample_windows(
        self,
        batch: int,
        length: int,
        generator: torch.Generator,
        history: int = 0,
        clamp: bool = True,
    ) -> Tensor:
        """Indices (B, T) of windows drawn uniformly over steps.

        Args:
            batch: B.
            length: T.
            generator: a CPU generator; the draw depends on nothing else.
            history: rows before the drawn step.
            clamp: False draws only windows that lie wholly inside an episode.

        Raises:
            DatasetError: with `clamp=False`, no episode is long enough.
        """
        if clamp:
            steps = torch.randint(len(self), (batch,), generator=generator)
            return self.windows(steps, length, history)[0]
        room = (self.length.cpu() - length + 1).clamp(min=0)
        ends = room.cumsum(0)
        if int(ends[-1]) == 0:
            raise DatasetError(
                f"no episode has {length} steps; the longest has {int(self.length.max())}"
            )
        draw = torch.randint(int(ends[-1]), (batch,), generator=generator)
        episode = torch.searchsorted(ends, draw, right=True)
        first = self.start.cpu()[episode] + draw - (ends - room)[episode]
        indices = first.unsqueeze(1) + torch.arange(length)
        return indices.to(self.episode.device)

    def gather(self, indices: Tensor, columns: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Columns at indices of any shape S: (*S, ...); None takes all."""
        names = list(self.columns if columns is None else columns)
        return {n: self.columns[n][indices] for n in names}

    def instructions_at(self, steps: Tensor) -> list[str]:
        """The instruction of each step of (B,)."""
        ids = self.instruction_id[self.episode[steps]]
        return [self.instructions[i] for i in ids.tolist()]

    def step_in_episode(self, indices: Tensor) -> Tensor:
        """Steps since the start of the episode, same shape as `indices`."""
        return indices - self.start[self.episode[indices]]
