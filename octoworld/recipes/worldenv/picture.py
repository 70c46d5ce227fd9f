"""The picture of a world model: true and imagined frames of the same actions, one task a row."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from octoworld.viewer.frames import contact_sheet
from worldmodels.flow import FlowWorldModel
from worldmodels.model import Clip

from .config import WorldEnvConfig

STEPS = 20
"""Imagined in one go, from true frames before and the actions alone [control steps]."""


def imagined_sheet(
    model: FlowWorldModel, episodes: list[Episode], config: WorldEnvConfig
) -> NDArray[np.uint8]:
    """The first success of each task among `episodes` (its first episode if there is none).

    Imagination starts at most `STEPS` - 2 steps before the success, so that something is moved.
    """
    sheets = []
    for task in config.tasks:
        of_task = [e for e in episodes if e.info["task"] == task and len(e) > STEPS]
        won = [e for e in of_task if e.info["first_success"] >= 0]
        if not of_task:
            continue
        episode = (won or of_task)[0]
        success = episode.info["first_success"] if won else len(episode) - 1
        start = min(max(0, success - STEPS + 2), len(episode) - STEPS - 1)
        camera = config.cameras[0]
        true = episode[f"observation.images.{camera}"][start : start + STEPS + 1]
        sheets.append(
            contact_sheet(
                true, imagined_frames(model, episode, start, config.seed)[camera],
                fps=episode.fps, columns=6,
            )
        )  # fmt: skip
    return np.concatenate(sheets)


def imagined_frames(
    model: FlowWorldModel, episode: Episode, start: int, seed: int
) -> dict[str, NDArray[np.uint8]]:
    """Frames (STEPS + 1, H, W, 3) by camera; row 0 is the true one at `start`."""
    rows = [0, *range(max(0, start - model.context_length + 1), start + 1)]
    clip = Clip(
        {
            c: torch.from_numpy(episode[f"observation.images.{c}"][rows])[None]
            for c in model.cameras
        },
        torch.from_numpy(episode["observation.state"][rows])[None],
        torch.from_numpy(episode["action"][rows])[None],
    )
    history = model.start(clip)
    generator = torch_generator(seed, "picture", int(episode.info["seed"]))
    drawn = {c: [clip.frames[c][0, -1:].numpy()] for c in model.cameras}
    actions = torch.from_numpy(episode["action"][None, start : start + STEPS])
    for part in actions.split(model.max_chunk, 1):
        history, imagined = model.imagine(history, part, generator)
        for camera in model.cameras:
            drawn[camera].append(imagined.frames[camera][0].numpy())
    return {c: np.concatenate(frames) for c, frames in drawn.items()}
