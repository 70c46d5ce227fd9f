"""What a world model is trained and examined on: LeRobot data sets of one robot, as it sees them.

Any robot will do whose recordings hold images, `observation.state` and `action`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from worldmodels.dataset import IMAGE, STATE, EpisodeDataset

SUCCESS = "next.success"
BATCH = 512
"""Images resized at a time."""


@dataclass(frozen=True)
class RobotFacts:
    """What a model is made for: recordings of anything else are refused."""

    robot: str
    """Robot, as its recordings name it."""
    control_mode: str
    """What its actions mean; "" where recordings do not say."""
    action_dim: int
    """A."""
    state_dim: int
    """P."""
    fps: int
    """Steps a second."""
    cameras: tuple[str, ...]
    """Cameras that the model draws."""
    frame_sizes: tuple[tuple[int, int], ...]
    """Height and width of each camera's frames as recorded [pixel]."""
    image_size: int
    """Side of the squares to which they are brought [pixel]."""


def open_datasets(folders: Sequence[Path]) -> list[Dataset]:
    """Data sets of one robot, opened.

    Raises:
        ConfigError: no folder.
        DatasetError: one is missing or damaged, or they are not of one robot.
    """
    if not folders:
        raise ConfigError("dataset: expected at least one folder")
    datasets = [Dataset(folder) for folder in folders]
    first = datasets[0]
    for other in datasets[1:]:
        for what in ("robot", "fps"):
            mine, theirs = getattr(first, what), getattr(other, what)
            if mine != theirs:
                raise DatasetError(
                    f"{other.folder} has {what} {theirs!r}, {first.folder} has {mine!r}; a world "
                    "model is of one robot at one rate"
                )
    return datasets


def facts_of(dataset: Dataset, cameras: Sequence[str], image_size: int) -> RobotFacts:
    """What a model of this data set is made for; no `cameras`: all that were recorded.

    Raises:
        DatasetError: images, state, actions or a camera are missing.
    """
    chosen = tuple(cameras) or tuple(dataset.cameras)
    missing = [c for c in (STATE, "action") if c not in dataset.features]
    if missing or not chosen:
        lacks = ", ".join(missing) or "images (`observation.images.<camera>`)"
        raise DatasetError(f"{dataset.folder} lacks {lacks}; a world model needs them")
    for camera in chosen:
        if camera not in dataset.cameras:
            raise DatasetError(
                f"camera {camera!r} is not in {dataset.folder}; it has "
                f"{', '.join(dataset.cameras) or 'none'}"
            )
    sizes = [tuple(dataset.features[IMAGE + c]["shape"][:2]) for c in chosen]
    return RobotFacts(
        robot=dataset.robot,
        control_mode=str(dataset.extra_meta.get("control_mode", "")),
        action_dim=int(dataset.features["action"]["shape"][0]),
        state_dim=int(dataset.features[STATE]["shape"][0]),
        fps=dataset.fps,
        cameras=chosen,
        frame_sizes=tuple((int(h), int(w)) for h, w in sizes),
        image_size=image_size,
    )


def check_same(facts: RobotFacts, dataset: Dataset) -> None:
    """DatasetError, naming what differs, where a data set is not what `facts` say."""
    other = facts_of(dataset, facts.cameras, facts.image_size)
    for what, told in (
        ("robot", "robot"),
        ("control_mode", "control mode"),
        ("action_dim", "length of actions"),
        ("state_dim", "length of proprioception"),
        ("fps", "rate"),
        ("frame_sizes", "frame sizes"),
    ):
        mine, theirs = getattr(facts, what), getattr(other, what)
        if mine != theirs and "" not in (mine, theirs):
            raise DatasetError(
                f"{dataset.folder} has {told} {theirs!r}, the world model is made for {mine!r}"
            )


def load_episodes(datasets: Sequence[Dataset], facts: RobotFacts) -> EpisodeDataset:
    """All episodes, their frames brought to squares of `image_size` pixels.

    Raises:
        DatasetError: a data set is not what `facts` say.
    """
    episodes: list[Episode] = []
    for dataset in datasets:
        check_same(facts, dataset)
        columns = [c for c in (STATE, "action", SUCCESS) if c in dataset.features]
        for index in range(len(dataset)):
            # one by one: frames of cameras are larger than what the model sees
            episode = dataset.episode(index, columns, facts.cameras)
            for camera in facts.cameras:
                key = IMAGE + camera
                episode.columns[key] = resized(episode[key], facts.image_size)
            # other writers judge nothing
            episode.columns.setdefault(SUCCESS, np.zeros(len(episode), bool))
            episodes.append(episode)
    if not episodes:
        raise DatasetError(f"{datasets[0].folder} has no episodes")
    return EpisodeDataset.from_episodes(episodes, facts.cameras)


def resized(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3) uint8 stretched to (T, size, size, 3); averaged where they shrink."""
    if frames.shape[1:3] == (size, size):
        return frames
    parts = []
    for part in torch.from_numpy(frames).split(BATCH):
        pixels = part.movedim(-1, 1).float()
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
        parts.append(pixels.round().clamp(0, 255).byte().movedim(1, -1))
    return torch.cat(parts).contiguous().numpy()
