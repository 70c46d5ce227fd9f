"""Replay recorded actions through a world model: generated frames with labels, and drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .dataset import EpisodeDataset
from .latent_model import LatentWorldModel


@dataclass(frozen=True)
class ReplayConfig:
    """Which generated frames the reflector learns from."""

    clips: int = 600
    """Roll-outs generated."""
    chunks: int = 10
    """Longest roll-out: as long as episodes are imagined in post-training. It ends where the
    recording does."""
    first_share: float = 0.5
    """Share of roll-outs that begin at an episode's first frame."""
    trust_scale: float = 1.0
    """Error of the worst token [RMS change of a chunk] at which a frame counts half."""
    min_trust: float = 0.3
    """Frames trusted less than this are not used at all."""
    near_success: float = 0.5
    """Share of the other roll-outs that pass over a change of success, where such exist."""
    batch_size: int = 64
    """Worlds imagined together."""


@dataclass
class Replayed:
    """Imagined rows in the shape of a data set; row 0 of each episode is the recorded start."""

    dataset: EpisodeDataset
    """Latents, proprioception and believed objects imagined, actions and `success` recorded; no
    images."""
    trust: torch.Tensor
    """(F,) in [0, 1]: how near the imagined row is to the recorded one."""
    rows: list[NDArray[np.int64]]
    """For each imagined episode its recorded rows."""
    episode: NDArray[np.int64]
    """(E,) the recorded episode of each."""


@torch.no_grad()
def replay(
    model: LatentWorldModel,
    dataset: EpisodeDataset,
    config: ReplayConfig,
    generator: torch.Generator,
    starts: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Replayed:
    """Imagine what followed from recorded starts under the recorded actions.

    `starts` (episode, time) of each roll-out; None draws `config.clips` of them.

    The recorded success of a step is the label of an imagined row only while imagination has not
    drifted off; `trust` falls with the distance from the recorded latents.
    """
    latents = dataset.need_latents()
    steps = config.chunks * model.max_chunk
    episode, time = starts or _starts(dataset, config, steps, generator)
    lengths = np.minimum(dataset.lengths[episode] - time, steps + 1)
    seen = start_rows(dataset, episode, time, model.context_length)
    # past the end of a recording its last action is repeated, and what follows is cut off
    last = (dataset.starts + dataset.lengths - 1)[episode]
    future = np.minimum((dataset.starts[episode] + time)[:, None] + np.arange(steps + 1),
                        last[:, None])  # fmt: skip
    future = torch.from_numpy(future)
    parts: list[list[torch.Tensor]] = []
    # those of one length together, so that little is imagined in vain
    order = np.argsort(-lengths, kind="stable")
    for part in torch.from_numpy(order).split(config.batch_size):
        chunks = -(-(int(lengths[part].max()) - 1) // model.max_chunk)
        history = model.start_latents(
            latents[seen[part]].to(model.device), dataset.proprio[seen[part]].to(model.device)
        )
        z, p, o = ([x[:, -1:]] for x in (history.latents, history.proprio, history.objects))
        for index in range(chunks):
            chunk = future[part, index * model.max_chunk :][:, : model.max_chunk]
            actions = dataset.actions[chunk].to(model.device)
            history, imagined = model.imagine(history, actions, generator, decode="none")
            assert imagined.latents is not None and imagined.objects is not None
            for whole, new in zip(
                (z, p, o), (imagined.latents, imagined.proprio, imagined.objects), strict=True
            ):
                whole.append(new)
        joined = [torch.cat(x, 1).cpu() for x in (z, p, o)]
        for row, number in enumerate(part.tolist()):
            parts.append([x[row, : lengths[number]] for x in joined])
    parts = [parts[i] for i in np.argsort(order, kind="stable")]
    made = [torch.cat(column) for column in zip(*parts, strict=True)]
    rows = [future[i, :length].numpy() for i, length in enumerate(lengths)]
    flat = torch.from_numpy(np.concatenate(rows))
    return Replayed(
        EpisodeDataset(
            frames={},
            proprio=made[1],
            actions=dataset.actions[flat],
            success=dataset.success[flat.numpy()],
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            episodes=[dataset.episodes[i] for i in episode],
            latents=made[0],
            objects=made[2],
            anchors=dataset.first_latents(episode),
        ),
        _trust(made[0], latents[flat], model, config),
        rows,
        episode,
    )


@torch.no_grad()
def objects_seen(
    model: LatentWorldModel, data: EpisodeDataset, batch_size: int = 512
) -> torch.Tensor:
    """Objects (F, O) that the model's eyes find in frames, whatever it believed.

    The eyes learned from recorded frames alone: they read what a picture shows.
    """
    owner, found = np.repeat(np.arange(len(data)), data.lengths), []
    for rows in torch.arange(data.num_rows).split(batch_size):
        given = (
            data.first_latents(owner[rows.numpy()]), data.need_latents()[rows], data.proprio[rows]
        )  # fmt: skip
        found.append(model.find_objects(*(x.to(model.device) for x in given)).cpu())
    return torch.cat(found)


def _starts(
    dataset: EpisodeDataset, config: ReplayConfig, steps: int, generator: torch.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(episode, time) of each roll-out."""
    first = round(config.first_share * config.clips)
    episode, time = dataset.sample_times(config.clips, 4, generator)
    long = np.flatnonzero(dataset.lengths > 4)
    episode[:first] = long[torch.randint(len(long), (first,), generator=generator).numpy()]
    time[:first] = 0
    later = slice(first, None)
    rest, when = episode[later], time[later]  # views: written in place
    _aim_at_success(dataset, rest, when, steps, config.near_success, generator)
    return episode, time


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
    """(F,): 1 / (1 + (error of the worst token / scale)^2), 0 under `min_trust`."""
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
    episode[:count] = owner[pick]
    time[:count] = np.maximum(begin, 0)
