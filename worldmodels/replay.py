"""Replay recorded actions through a world model: generated frames with labels, and drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .dataset import EpisodeDataset
from .latent_model import LatentWorldModel


@dataclass(frozen=True)
class ReplayConfig:
    """Which generated frames the reflector learns from."""

    clips: int = 600
    """Roll-outs generated."""
    chunks: int = 3
    """Length of a roll-out: short, since the recorded label holds only while imagination agrees."""
    trust_scale: float = 1.0
    """Error of the worst token [RMS change of a chunk] at which a frame counts half."""
    min_trust: float = 0.3
    """Frames trusted less than this are not used at all."""
    near_success: float = 0.5
    """Share of roll-outs that pass over a change of success, where such exist."""
    batch_size: int = 64
    """Worlds imagined together."""


@dataclass
class Replayed:
    """Imagined rows in the shape of a data set; row 0 of each episode is the recorded start."""

    dataset: EpisodeDataset
    """Latents and proprioception imagined, actions and `success` recorded; no images."""
    trust: torch.Tensor
    """(F,) in [0, 1]: how near the imagined row is to the recorded one."""


@torch.no_grad()
def replay(
    model: LatentWorldModel,
    dataset: EpisodeDataset,
    config: ReplayConfig,
    generator: torch.Generator,
) -> Replayed:
    """Imagine what followed from recorded starts under the recorded actions.

    The label of an imagined row is the recorded success of that step. Where imagination drifted
    off, that label may be false; `trust` falls with the distance from the recorded latents.
    """
    latents = dataset.need_latents()
    steps = config.chunks * model.max_chunk
    episode, time = dataset.sample_times(config.clips, steps, generator)
    _aim_at_success(dataset, episode, time, steps, config.near_success, generator)
    rows = start_rows(dataset, episode, time, model.context_length)
    future = dataset.windows(episode, time, 0, steps)
    seen, felt = [], []
    for part in torch.arange(config.clips).split(config.batch_size):
        history = model.start_latents(
            latents[rows[part]].to(model.device), dataset.proprio[rows[part]].to(model.device)
        )
        z, p = [history.latents[:, -1:]], [history.proprio[:, -1:]]
        for index in range(config.chunks):
            chunk = future[part, index * model.max_chunk :][:, : model.max_chunk]
            actions = dataset.actions[chunk].to(model.device)
            history, imagined = model.imagine(history, actions, generator, decode="none")
            assert imagined.latents is not None
            z.append(imagined.latents)
            p.append(imagined.proprio)
        seen.append(torch.cat(z, 1).cpu())
        felt.append(torch.cat(p, 1).cpu())
    imagined_latents, flat = torch.cat(seen), future.flatten()
    trust = _trust(imagined_latents, latents[future], model, config)
    count = steps + 1
    return Replayed(
        EpisodeDataset(
            frames={},
            proprio=torch.cat(felt).flatten(0, 1),
            actions=dataset.actions[flat],
            success=dataset.success[flat.numpy()],
            starts=np.arange(config.clips, dtype=np.int64) * count,
            lengths=np.full(config.clips, count, np.int64),
            episodes=[dataset.episodes[i] for i in episode],
            latents=imagined_latents.flatten(0, 1),
        ),
        trust.flatten(),
    )


def start_rows(
    dataset: EpisodeDataset, episode: np.ndarray, time: np.ndarray, context: int
) -> torch.Tensor:
    """Row numbers (B, 1 + context) for `WorldModel.start`: the first of the episode, the latest."""
    recent = dataset.windows(episode, time, context - 1, 0)
    anchor = torch.from_numpy(dataset.starts[episode])[:, None]
    return torch.cat([anchor, recent], 1)


def _trust(
    imagined: torch.Tensor, true: torch.Tensor, model: LatentWorldModel, config: ReplayConfig
) -> torch.Tensor:
    """(B, T): 1 / (1 + (error of the worst token / scale)^2), 0 under `min_trust`."""
    error = (imagined - true).pow(2).mean(-1).amax(-1).sqrt()
    # a token of a moved object changes several times more than the average token
    unit = 4 * float(model.residual_scale) * config.trust_scale
    trust = 1 / (1 + (error / unit).pow(2))
    return torch.where(trust < config.min_trust, 0.0, trust)


def _aim_at_success(
    dataset: EpisodeDataset,
    episode: np.ndarray,
    time: np.ndarray,
    steps: int,
    share: float,
    generator: torch.Generator,
) -> None:
    """Move a share of the (episode, time) pairs, in place, so that success comes up inside."""
    change = np.flatnonzero(~dataset.success[:-1] & dataset.success[1:]) + 1
    owner = np.searchsorted(dataset.starts, change, side="right") - 1
    inside = change > dataset.starts[owner]
    change, owner = change[inside], owner[inside]
    count = round(share * len(episode))
    if not len(change) or not count:
        return
    pick = torch.randint(len(change), (count,), generator=generator).numpy()
    back = torch.randint(1, steps, (count,), generator=generator).numpy()
    begin = change[pick] - dataset.starts[owner[pick]] - back
    latest = dataset.lengths[owner[pick]] - 1 - steps
    fits = latest >= 0
    episode[:count][fits] = owner[pick][fits]
    time[:count][fits] = np.clip(begin, 0, np.maximum(latest, 0))[fits]
