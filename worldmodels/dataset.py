"""EpisodeDataset: recorded episodes as flat arrays in memory, with rows drawn by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode

from .model import Clip

IMAGE = "observation.images."
STATE = "observation.state"


@dataclass
class EpisodeDataset:
    """E episodes, F rows in all. Row r shows the world before its action.

    A row's `success` says whether *what the row shows* is success, so it is the recorded
    `next.success` one row later; the first row of an episode counts as no success.
    """

    frames: dict[str, torch.Tensor]
    """camera -> (F, H, W, 3) uint8."""
    proprio: torch.Tensor
    """(F, P) float32."""
    actions: torch.Tensor
    """(F, A) float32."""
    success: NDArray[np.bool_]
    """(F,)."""
    starts: NDArray[np.int64]
    """(E,) first row of each episode."""
    lengths: NDArray[np.int64]
    """(E,) rows of each episode."""
    episodes: list[Episode]
    """The episodes joined: instructions and facts are read from them."""
    latents: torch.Tensor | None = None
    """(F, S, C) float32 standardised, once an autoencoder has seen the images."""
    objects: torch.Tensor | None = None
    """(F, O) float32 where the objects are, if the recordings tell (simulation does)."""
    anchors: torch.Tensor | None = None
    """(E, S, C) latents of the frame that each episode began with, where its rows do not."""

    @classmethod
    def from_episodes(
        cls, episodes: Sequence[Episode], cameras: Sequence[str] | None = None
    ) -> EpisodeDataset:
        """Join episodes of one robot; `cameras` None are the first's, () leaves pictures out.

        Raises:
            DatasetError: columns are missing.
        """
        if not episodes:
            raise DatasetError("no episodes given")
        if cameras is None and not episodes[0].cameras:
            raise DatasetError("the episodes hold no images (`observation.images.<camera>`)")
        cameras = episodes[0].cameras if cameras is None else list(cameras)
        wanted = [IMAGE + c for c in cameras] + [STATE, "action", "next.success"]
        for number, episode in enumerate(episodes):
            missing = [name for name in wanted if name not in episode.columns]
            if missing:
                raise DatasetError(
                    f"episode {number} lacks {', '.join(missing)}; it has "
                    f"{', '.join(episode.columns)}"
                )
        lengths = np.array([len(e) for e in episodes], np.int64)
        shown = [np.r_[False, e["next.success"][:-1].astype(bool)] for e in episodes]
        return cls(
            frames={
                c: torch.from_numpy(np.concatenate([e[IMAGE + c] for e in episodes]))
                for c in cameras
            },
            proprio=_join(episodes, STATE),
            actions=_join(episodes, "action"),
            success=np.concatenate(shown),
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            episodes=list(episodes),
        )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def num_rows(self) -> int:
        """F, rows of all episodes."""
        return len(self.success)

    def subset(self, indices: ArrayLike) -> EpisodeDataset:
        """The episodes at `indices`, as a dataset of their own (latents kept)."""
        indices = np.asarray(indices, np.int64)
        rows = np.concatenate([self.rows(i) for i in indices])
        pick = torch.from_numpy(rows)
        lengths = self.lengths[indices]
        return EpisodeDataset(
            frames={c: x[pick] for c, x in self.frames.items()},
            proprio=self.proprio[pick],
            actions=self.actions[pick],
            success=self.success[rows],
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            episodes=[self.episodes[i] for i in indices],
            latents=None if self.latents is None else self.latents[pick],
            objects=None if self.objects is None else self.objects[pick],
            anchors=None if self.anchors is None else self.anchors[torch.from_numpy(indices)],
        )

    def rows(self, episode: int) -> NDArray[np.int64]:
        """Row numbers of one episode."""
        return self.starts[episode] + np.arange(self.lengths[episode])

    def instruction(self, episode: int) -> str:
        """What the robot was told in this episode."""
        return self.episodes[episode].instruction

    def windows(self, episode: ArrayLike, time: ArrayLike, before: int, after: int) -> torch.Tensor:
        """Row numbers (B, before+1+after) around `time`; times before the first repeat it.

        Raises:
            DatasetError: a window runs past the end of its episode.
        """
        episode, time = np.asarray(episode, np.int64), np.asarray(time, np.int64)
        if (time + after >= self.lengths[episode]).any():
            bad = int(np.flatnonzero(time + after >= self.lengths[episode])[0])
            raise DatasetError(
                f"step {int(time[bad])} + {after} is past the end of episode {int(episode[bad])} "
                f"({int(self.lengths[episode[bad]])} rows)"
            )
        offsets = np.arange(-before, after + 1)
        steps = np.maximum(time[:, None] + offsets, 0)
        return torch.from_numpy(self.starts[episode][:, None] + steps)

    def sample_times(
        self, count: int, after: int, generator: torch.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`count` (episode, time) pairs, uniform over rows that have `after` rows behind them."""
        free = np.maximum(self.lengths - after, 0)
        total = int(free.sum())
        if total == 0:
            raise DatasetError(
                f"no episode is longer than {after} steps (longest: {int(self.lengths.max())})"
            )
        ends = np.cumsum(free)
        draw = torch.randint(total, (count,), generator=generator).numpy()
        episode = np.searchsorted(ends, draw, side="right")
        return episode, draw - (ends[episode] - free[episode])

    def clip(self, rows: torch.Tensor) -> Clip:
        """The Clip at row numbers (B, T)."""
        return Clip(
            frames={c: x[rows] for c, x in self.frames.items()},
            proprio=self.proprio[rows],
            actions=self.actions[rows],
            objects=None if self.objects is None else self.objects[rows],
        )

    @property
    def state(self) -> torch.Tensor:
        """(F, P + O): proprioception, then the objects where known."""
        return self.proprio if self.objects is None else torch.cat([self.proprio, self.objects], 1)

    def first_latents(self, episodes: ArrayLike) -> torch.Tensor:
        """Latents (n, S, C) of the frames that n episodes began with."""
        episodes = np.asarray(episodes, np.int64)
        if self.anchors is not None:
            return self.anchors[torch.from_numpy(episodes)]
        return self.need_latents()[torch.from_numpy(self.starts[episodes])]

    def need_latents(self) -> torch.Tensor:
        """Latents (F, S, C); raises DatasetError before `encode_dataset`."""
        if self.latents is None:
            raise DatasetError("the dataset has no latents yet; call encode_dataset first")
        return self.latents


def _join(episodes: Sequence[Episode], column: str) -> torch.Tensor:
    joined = np.concatenate([e[column] for e in episodes]).astype(np.float32)
    return torch.from_numpy(joined)


def images_of(
    frames: Mapping[str, torch.Tensor], rows: torch.Tensor, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """The images at `rows` for every camera, on `device`."""
    return {camera: images[rows].to(device) for camera, images in frames.items()}
