"""The picture of a world model: true and imagined frames of the same actions, one task a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from octoworld.viewer.frames import contact_sheet
from worldmodels.flow import FlowWorldModel

from ..foreseen import imagined_frames
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
        generator = torch_generator(config.seed, "picture", int(episode.info["seed"]))
        true = episode[f"observation.images.{camera}"][start : start + STEPS + 1]
        sheets.append(
            contact_sheet(
                true, imagined_frames(model, episode, start, STEPS, generator)[camera],
                fps=episode.fps, columns=6,
            )
        )  # fmt: skip
    return np.concatenate(sheets)
