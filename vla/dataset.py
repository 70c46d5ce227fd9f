"""Demonstrations as rows in memory: what was seen and felt, and the actions that followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode

PRIVILEGED_COLUMNS = ("privileged", "observation.environment_state")
"""Names under which an episode may hold the true state; the first one found is used."""


@dataclass(frozen=True)
class SftDataset:
    """All frames of some episodes, in memory: F rows, each with the chunk that followed it."""

    images: dict[str, torch.Tensor]
    """camera -> (F, H, W, 3) uint8."""
    state: torch.Tensor
    """(F, P) float32."""
    actions: torch.Tensor
    """(F, K, A) float32; rows past the episode's end are zero."""
    mask: torch.Tensor
    """(F, K) bool, False past the episode's end."""
    instruction: torch.Tensor
    """(F,) int64, which of `instructions`."""
    instructions: tuple[str, ...]
    """The distinct instructions."""
    first: torch.Tensor
    """(F,) int64, row of the first frame of the same episode."""
    privileged: torch.Tensor | None = None
    """(F, D) float32 true state, if every episode recorded it."""

    def __len__(self) -> int:
        return len(self.state)

    def frames(self, rows: torch.Tensor, back: Sequence[int]) -> torch.Tensor:
        """(B, T) rows that lie `back` steps before `rows` (B,), never before the episode's first.

        So an episode begins as if its first frame had always been seen.
        """
        steps = torch.tensor(back, device=rows.device)
        return torch.maximum(rows[:, None] - steps, self.first[rows][:, None])

    def to(self, device: torch.device | str) -> SftDataset:
        """The same on another device."""
        return replace(
            self,
            images={k: v.to(device) for k, v in self.images.items()},
            state=self.state.to(device),
            actions=self.actions.to(device),
            mask=self.mask.to(device),
            instruction=self.instruction.to(device),
            first=self.first.to(device),
            privileged=None if self.privileged is None else self.privileged.to(device),
        )


def build_dataset(
    episodes: Sequence[Episode],
    chunk_size: int,
    cameras: Sequence[str] = ("front",),
    stop_at_success: bool = True,
) -> SftDataset:
    """Frames of all episodes and the `chunk_size` actions from each on.

    Raises:
        DatasetError: no episodes; a column is missing, not finite or of another shape than in the
            first episode; the episodes are of several robots or control modes.
    """
    if not episodes:
        raise DatasetError("no episodes to learn from")
    for name in ("robot", "control_mode"):
        found = {str(e.info.get(name, "")) for e in episodes}
        if len(found) > 1:
            raise DatasetError(f"episodes of several {name}s: {', '.join(sorted(found))}")
    names = [f"observation.images.{camera}" for camera in cameras]
    names += ["observation.state", "action"]
    column = next((c for c in PRIVILEGED_COLUMNS if all(c in e.columns for e in episodes)), None)
    if column:
        names.append(column)
    own = ("mask", "instruction", "first")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*names, *own)}
    instructions: dict[str, int] = {}
    begin = 0
    for number, episode in enumerate(episodes):
        length = demonstrated_steps(episode) if stop_at_success else len(episode)
        for name in names:
            values = _checked(episode, name, episodes[0], number)[:length]
            parts[name].append(_chunks(values, chunk_size) if name == "action" else values)
        rows = np.arange(length)[:, None] + np.arange(chunk_size)
        parts["mask"].append(rows < length)
        index = instructions.setdefault(episode.instruction, len(instructions))
        parts["instruction"].append(np.full(length, index))
        parts["first"].append(np.full(length, begin))
        begin += length
    joined = {name: torch.from_numpy(np.concatenate(part)) for name, part in parts.items()}
    return SftDataset(
        images={camera: joined[f"observation.images.{camera}"] for camera in cameras},
        state=joined["observation.state"].float(),
        actions=joined["action"].float(),
        mask=joined["mask"],
        instruction=joined["instruction"],
        instructions=tuple(instructions),
        first=joined["first"],
        privileged=joined[column].float() if column else None,
    )


def demonstrated_steps(episode: Episode) -> int:
    """Rows up to and with the action that first succeeded; all where success must be kept."""
    if not episode.info.get("ends_on_success", True):
        return len(episode)
    success = np.asarray(episode.columns.get("next.success", np.zeros(len(episode), bool)))
    return int(success.argmax()) + 1 if success.any() else len(episode)


def _checked(episode: Episode, name: str, first: Episode, number: int) -> np.ndarray:
    if name not in episode.columns:
        raise DatasetError(
            f"episode {number} has no column {name!r}; it has: {', '.join(sorted(episode.columns))}"
        )
    values = np.asarray(episode[name])
    if values.shape[1:] != np.asarray(first[name]).shape[1:]:
        raise DatasetError(
            f"episode {number}: {name} has rows of shape {values.shape[1:]}, "
            f"episode 0 of {np.asarray(first[name]).shape[1:]}"
        )
    if name.startswith("observation.images."):
        if values.dtype != np.uint8:
            raise DatasetError(f"episode {number}: {name} is {values.dtype}, expected uint8")
    elif not np.isfinite(values).all():
        raise DatasetError(f"episode {number}: {name} is not finite everywhere")
    return values


def _chunks(actions: np.ndarray, size: int) -> np.ndarray:
    """(T, A) -> (T, size, A): the actions from each row on, zeros past the end."""
    padded = np.concatenate([actions, np.zeros((size - 1, *actions.shape[1:]), actions.dtype)])
    return np.stack([padded[k : k + len(actions)] for k in range(size)], axis=1)
