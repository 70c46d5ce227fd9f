"""What a world model imagines of a recorded episode, from one step on, under its actions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from worldmodels.latent_model import LatentWorldModel
from worldmodels.model import Clip


def imagined_frames(
    model: LatentWorldModel,
    episode: Episode,
    start: int,
    steps: int,
    generator: torch.Generator,
) -> dict[str, NDArray[np.uint8]]:
    """Frames (steps + 1, H, W, 3) by camera; row 0 is the true one at `start`.

    The model sees the episode's frames up to `start`, and after that the actions alone.
    """
    rows = [0, *range(max(0, start - model.context_length + 1), start + 1)]
    clip = Clip(
        {
            c: torch.from_numpy(episode[f"observation.images.{c}"][rows])[None].to(model.device)
            for c in model.cameras
        },
        torch.from_numpy(episode["observation.state"][rows])[None].to(model.device),
        torch.from_numpy(episode["action"][rows])[None].to(model.device),
    )
    history = model.start(clip)
    drawn = {c: [clip.frames[c][0, -1:].cpu().numpy()] for c in model.cameras}
    actions = torch.from_numpy(episode["action"][None, start : start + steps]).to(model.device)
    for part in actions.split(model.max_chunk, 1):
        history, imagined = model.imagine(history, part, generator)
        for camera in model.cameras:
            drawn[camera].append(imagined.frames[camera][0].cpu().numpy())
    return {c: np.concatenate(frames) for c, frames in drawn.items()}
