"""EpisodeRecorder: imagined steps kept as latents, exported as Episodes with frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from octoworld.data.episode import Episode

from .dataset import IMAGE, STATE


@dataclass
class Track:
    """An imagined episode of T steps."""

    instruction: str
    """What the robot was told."""
    facts: dict[str, Any]
    """Where it began: `start_episode`, `start_time`."""
    latents: list[torch.Tensor]
    """T + 1 frames (S, C)."""
    proprio: list[torch.Tensor]
    """T + 1 times (P,)."""
    number: int = 0
    """How many episodes had begun before it: those that begin together are numbered by world."""
    actions: list[np.ndarray] = field(default_factory=list)
    """T times (A,)."""
    rewards: list[float] = field(default_factory=list)
    """T."""
    success: list[bool] = field(default_factory=list)
    """T."""
    done: list[bool] = field(default_factory=list)
    """T."""


class EpisodeRecorder:
    """Keeps what N imagined worlds went through, as latents: a sixth of an image's memory."""

    def __init__(self, num_worlds: int, fps: float) -> None:
        self._running: list[Track | None] = [None] * num_worlds
        self._ended: list[Track] = []
        self._begun = 0
        self._fps = round(fps)

    def begin(
        self,
        world: int,
        instruction: str,
        facts: dict[str, Any],
        latents: torch.Tensor,
        proprio: torch.Tensor,
    ) -> None:
        """A new episode of `world`, which shows `latents` (S, C) and feels `proprio` (P,)."""
        self._close(world)
        self._running[world] = Track(
            instruction, facts, [latents.cpu()], [proprio.cpu()], self._begun
        )
        self._begun += 1

    def step(
        self,
        world: int,
        action: np.ndarray,
        reward: float,
        success: bool,
        done: bool,
        latents: torch.Tensor,
        proprio: torch.Tensor,
    ) -> None:
        """One step of `world` and what was seen after it."""
        track = self._running[world]
        if track is None:
            raise RuntimeError(f"world {world} steps before it began")
        track.actions.append(np.array(action, np.float32))
        track.rewards.append(reward)
        track.success.append(success)
        track.done.append(done)
        track.latents.append(latents.cpu())
        track.proprio.append(proprio.cpu())
        if done:
            self._close(world)

    def export(self, decode: Callable[[torch.Tensor], dict[str, torch.Tensor]]) -> list[Episode]:
        """Episodes with at least one step; then forgets them (running ones stay)."""
        return [self._episode(t, decode) for t in self.take()]

    def take(self) -> list[Track]:
        """The same as they were kept, with the frame after the last action."""
        tracks = self._ended + [t for t in self._running if t is not None and t.actions]
        self._ended = []
        return tracks

    def _close(self, world: int) -> None:
        track = self._running[world]
        if track is not None and track.actions:
            self._ended.append(track)
        self._running[world] = None

    def _episode(
        self, track: Track, decode: Callable[[torch.Tensor], dict[str, torch.Tensor]]
    ) -> Episode:
        images = decode(torch.stack(track.latents[:-1]))
        columns = {IMAGE + camera: x.numpy() for camera, x in images.items()}
        columns |= {
            STATE: torch.stack(track.proprio[:-1]).numpy().astype(np.float32),
            "action": np.stack(track.actions),
            "next.reward": np.asarray(track.rewards, np.float32),
            "next.success": np.asarray(track.success, bool),
            "next.done": np.asarray(track.done, bool),
        }
        info = {"source": "imagination", **track.facts}
        return Episode(columns, track.instruction, self._fps, info)
