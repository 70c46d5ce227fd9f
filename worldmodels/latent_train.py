"""Training in phases that latent world models share: state, eyes, frames, and a polish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.parallel import Share
from octoworld.core.precision import autocast

from .autoencoder import FrameAutoencoder
from .carry import Sight
from .clips import ClipSampler
from .conditioning import gaussian
from .dataset import EpisodeDataset
from .latent_model import LatentClip, LatentWorldModel

ClipLoss = Callable[[LatentClip, torch.Generator, int], Mapping[str, torch.Tensor]]
"""(clip, generator, chunks to be imagined first) -> named losses."""


@dataclass(frozen=True)
class LatentTrainConfig:
    """How long each phase lasts, and what is drawn."""

    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=6000, batch_size=32, learning_rate=1e-3, ema_decay=0.995, checkpoint_every=500
        )
    )
    """Optimisation; a batch is clips."""
    self_forcing_share: float = 0.3
    """Share of batches whose context is the model's own roll-out."""
    self_forcing_start: float = 0.4
    """Part of training after which such batches come."""
    self_forcing_chunks: int = 2
    """Longest roll-out before the chunk that is learned."""
    polish: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=3000, batch_size=32, learning_rate=4e-4, ema_decay=0.995, checkpoint_every=250
        )
    )
    """Second phase, `steps=0` for none: every context is the model's own roll-out of 0 to
    `polish_chunks` chunks."""
    polish_chunks: int = 4
    """Longest roll-out of the second phase."""
    contact_share: float = 0.5
    """Share of clips drawn by surprise: how much latents change beyond what is usual at that
    place, so that moved objects, which are rare, are seen often."""
    state: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=5000,
            batch_size=192,
            learning_rate=1e-3,
            weight_decay=1e-3,
            ema_decay=0.998,
            checkpoint_every=500,
        )
    )
    """Training of the state model, before the frames'."""
    state_chunks: int = 3
    """Chunks that it foresees without being told anything in between."""
    eyes: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=2000, batch_size=96, learning_rate=2e-3, ema_decay=0.995, checkpoint_every=500
        )
    )
    """Training of the eyes that find objects, where recordings tell where those are."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: the network by automatic mixed precision, on CUDA only; weights stay float32."""
    compiled: bool = False
    """Compile the transformer's training pass (`torch.compile`), on CUDA only."""


def check_device(config: LatentTrainConfig, device: str | torch.device) -> None:
    """ConfigError where bfloat16 or compilation is asked for without CUDA."""
    autocast(config.precision, device)
    if config.compiled and torch.device(device).type != "cuda":
        raise ConfigError(f"compiled = True needs a CUDA device, not {device}; use False")


def train_latent(
    model: LatentWorldModel,
    dataset: EpisodeDataset,
    loss: ClipLoss,
    config: LatentTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    label: str,
    stills: EpisodeDataset | None = None,
    seen: EpisodeDataset | None = None,
    motion: EpisodeDataset | None = None,
) -> dict[str, float]:
    """All phases, in place; the last metrics.

    Each resumes from its own state: `folder`/state, `folder`/eyes, `folder`, `folder`/polish. Under
    `torchrun` each process computes its share of every batch, and process 0 writes the files.
    `stills`, encoded pictures with known objects, are more to train the eyes on; `seen` is the data
    set with latents as the model sees them, where those are not the recorded ones; `motion` are
    further recordings with known objects, pictures or not, for the state model.
    """
    folder, seen, share = Path(folder), seen or dataset, Share.current()
    for batch in (config.fit, config.polish, config.state):
        share.rows(batch.batch_size)
    check_device(config, model.device)
    width = model.proprio_dim + model.object_dim
    if motion is not None and (model.dynamics.reads_scene or motion.state.shape[1] != width):
        raise ConfigError(
            f"motion: recordings of {motion.state.shape[1]} numbers of state cannot teach a state "
            f"model of {width}{', which reads pictures' if model.dynamics.reads_scene else ''}"
        )
    if config.compiled:
        model.get_submodule("transformer").compile()
    sampler = ClipSampler(dataset, model, config.contact_share)
    looks = sampler if seen is dataset else ClipSampler(seen, model, config.contact_share)
    moves = [looks, *([ClipSampler(motion, model, config.contact_share)] if motion else [])]
    metrics = _learn_state(model, moves, config, folder, seed)
    if model.eyes is not None:
        shown = [seen, *([stills] if stills else [])]
        metrics |= _learn_eyes(model, shown, config, folder, seed)
    begin = config.self_forcing_start * config.fit.steps

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        chunks = 0
        if step >= begin and torch.rand((), generator=generator) < config.self_forcing_share:
            chunks = int(torch.randint(1, config.self_forcing_chunks + 1, (), generator=generator))
        clip = sampler.draw(config.fit.batch_size, 1 + chunks, generator, share)
        with autocast(config.precision, model.device):
            return loss(clip, share.stream(generator), chunks)

    def polish_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        chunks = int(torch.randint(config.polish_chunks + 1, (), generator=generator))
        clip = sampler.draw(config.polish.batch_size, 1 + chunks, generator, share)
        with autocast(config.precision, model.device):
            return loss(clip, share.stream(generator), chunks)

    for part in (model.dynamics, model.eyes):
        if part is not None:
            part.requires_grad_(False)
    metrics |= fit(model, loss_fn, config.fit, folder, seed=seed, label=label)
    if config.polish.steps:
        polish = folder / "polish"
        metrics |= fit(model, polish_fn, config.polish, polish, seed=seed, label="polish")
    model.eval()
    if share.rank == 0:
        model.save_pretrained(str(folder))
    share.wait()
    return metrics


def measure(model: LatentWorldModel, dataset: EpisodeDataset) -> None:
    """Set the model's scales from the data."""
    latents = dataset.need_latents()
    inside = torch.ones(dataset.num_rows, dtype=torch.bool)
    inside[torch.from_numpy(dataset.starts)] = False
    now = torch.nonzero(inside)[:, 0]
    state = dataset.state
    step = latents[now] - latents[now - 1]
    # over a chunk the change grows about with the square root of its steps
    chunk = step.pow(2).mean().sqrt().item() * model.max_chunk**0.5
    model.set_statistics(state, state[now] - state[now - 1], chunk)


def check_initial(
    model: LatentWorldModel, autoencoder: FrameAutoencoder, known: int, sight: Sight | None
) -> None:
    """ConfigError where a model to be trained further does not fit what is given."""
    points = 0 if sight is None else sight.num_points
    if model.config["num_points"] != points:
        raise ConfigError(
            f"the world model to be trained further carries {model.config['num_points']} points, "
            f"`sight` tells of {points}; give the same, or train from nothing"
        )
    if model.object_dim != known:
        raise ConfigError(
            f"the world model to be trained further knows {model.object_dim} numbers of objects, "
            f"the recordings tell {known}; train from nothing"
        )
    if not same_weights(model.autoencoder, autoencoder):
        raise ConfigError(
            "the world model to be trained further was made on another autoencoder: its latents "
            "mean other things; train from nothing, or give the autoencoder that it carries"
        )


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Whether two networks are equal to the bit."""
    mine, theirs = a.state_dict(), b.state_dict()
    return mine.keys() == theirs.keys() and all(
        mine[k].shape == theirs[k].shape and torch.equal(mine[k].cpu(), theirs[k].cpu())
        for k in mine
    )


def _learn_state(
    model: LatentWorldModel,
    samplers: Sequence[ClipSampler],
    config: LatentTrainConfig,
    folder: Path,
    seed: int,
) -> dict[str, float]:
    """What follows from a state and actions, on roll-outs of `state_chunks` chunks.

    Each row of all data sets together is as likely as any other.
    """
    size = model.max_chunk * config.state_chunks
    told, share = model.settings.context_noise, Share.current()
    counts = torch.tensor([float(s.dataset.num_rows) for s in samplers])
    no_picture = torch.zeros(config.state.batch_size, 0, 0)

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        which = 0
        if len(samplers) > 1:
            which = int(torch.multinomial(counts, 1, generator=generator))
        sampler = samplers[which]
        now = sampler.rows(config.state.batch_size, config.state_chunks, generator)
        now, generator = now[share.rows(len(now))], share.stream(generator)
        states = sampler.state[now[:, None] + torch.arange(size + 1)]
        actions = sampler.dataset.actions[now[:, None] + torch.arange(size)]
        latents = no_picture[: len(now)]
        if model.dynamics.reads_scene:
            latents = sampler.dataset.need_latents()[now]
            latents = latents + told * gaussian(latents.shape, generator, latents)
        given = (x.to(model.device) for x in (states, actions, latents))
        return {"loss": model.state_loss(*given)}

    model.dynamics.requires_grad_(True)
    return fit(model.dynamics, loss_fn, config.state, folder / "state", seed=seed, label="state")


def _learn_eyes(
    model: LatentWorldModel,
    datasets: Sequence[EpisodeDataset],
    config: LatentTrainConfig,
    folder: Path,
    seed: int,
) -> dict[str, float]:
    """Where objects are in a frame; each data set has an equal share of a batch."""
    assert model.eyes is not None
    share = max(1, config.eyes.batch_size // len(datasets))
    states = [d.state for d in datasets]
    firsts = [
        torch.from_numpy(d.starts).repeat_interleave(torch.from_numpy(d.lengths)) for d in datasets
    ]

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        parts = []
        for data, state, first in zip(datasets, states, firsts, strict=True):
            rows = torch.randint(data.num_rows, (share,), generator=generator)
            latents = data.need_latents()
            parts.append((latents[first[rows]], latents[rows], state[rows]))
        one, now, state = (torch.cat(x) for x in zip(*parts, strict=True))
        noise = model.settings.context_noise
        one, now = (x + noise * gaussian(x.shape, generator, x) for x in (one, now))
        given = (x.to(model.device) for x in (one, now, state))
        return {"loss": model.eyes_loss(*given)}

    model.eyes.requires_grad_(True)
    return fit(model.eyes, loss_fn, config.eyes, folder / "eyes", seed=seed, label="eyes")
