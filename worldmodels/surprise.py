"""How unusual is what happens next: contacts and moved objects stand out."""

from __future__ import annotations

import torch

from .dataset import EpisodeDataset


def surprise(dataset: EpisodeDataset, horizon: int) -> torch.Tensor:
    """(F,) how much the next `horizon` rows change where change is rare.

    A token's change counts relative to its own mean change over the data set: the arm sweeps the
    same places always, a block is moved seldom. Without pictures the numbers of the state count.
    """
    if dataset.latents is None and not dataset.frames:
        latents = dataset.state[..., None]
    else:
        latents = dataset.need_latents()
    rows = torch.arange(dataset.num_rows)
    lengths = torch.from_numpy(dataset.lengths)
    last = torch.from_numpy(dataset.starts + dataset.lengths - 1).repeat_interleave(lengths)
    later = torch.minimum(rows + horizon, last)
    change = torch.cat([(latents[a] - latents[b]).pow(2).mean(-1) for a, b in _pairs(later, rows)])
    return (change / (change.mean(0) + 1e-6)).mean(-1).clamp(min=1e-3)


def _pairs(a: torch.Tensor, b: torch.Tensor, size: int = 4096):
    return zip(a.split(size), b.split(size), strict=True)
