"""Recovered actions: what a network that reads motion says of frames that were imagined."""

from __future__ import annotations

import numpy as np
import torch

from octoworld.data.episode import Episode
from worldmodels.inverse_dynamics import InverseDynamics
from worldmodels.inverse_dynamics.bins import bin_centres

RECOVERED, IS_READ = "recovered.action", "recovered.is_read"
"""Columns, see `add_recovered`."""


def can_read(reader: InverseDynamics, episode: Episode) -> bool:
    """Whether the reader was made for such pictures, and for a robot with such actions."""
    settings = reader.settings
    size = (settings.image_size, settings.image_size, 3)
    shown = [episode.columns.get(f"observation.images.imagined.{c}") for c in reader.cameras]
    return (
        episode.names.get("action") == settings.action_names
        and len(episode) > settings.stride
        and all(x is not None and x.shape[1:] == size for x in shown)
    )


def add_recovered(episode: Episode, reader: InverseDynamics) -> None:
    """Add what `reader` reads off the imagined frames; nothing to an episode that it cannot read.

    `recovered.action` (T, K): the bin that is expected of each of the K dimensions that it reads,
    by its centre in [-1, 1], the units of `action`. `recovered.is_read` (T,): False where the
    reader refuses the frames as spoiled, and in the last rows, which no later frame tells of;
    these repeat the row before.
    """
    if not can_read(reader, episode):
        return
    settings, steps = reader.settings, len(episode)
    covered = (steps - 1) // settings.stride * settings.stride
    frames = {
        c: torch.from_numpy(episode[f"observation.images.imagined.{c}"][None, : covered + 1])
        for c in reader.cameras
    }
    reading = reader.read(frames)
    centres = bin_centres(settings.num_bins, reading.logits)
    expected = (reading.logits[0].softmax(-1) @ centres).cpu().numpy()
    is_read = ~reading.refused[0].cpu().numpy()
    # the step t stands for is one of `stride` that a reading is the mean of
    rows = np.minimum(np.arange(steps) // settings.stride, len(expected) - 1)
    episode.columns[RECOVERED] = expected[rows].astype(np.float32)
    episode.columns[IS_READ] = is_read[rows] & (np.arange(steps) < covered)
    episode.names[RECOVERED] = settings.read_dimensions
