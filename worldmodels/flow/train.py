"""Train a FlowWorldModel on the latents of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed

from ..autoencoder import FrameAutoencoder, encode_dataset
from ..dataset import EpisodeDataset
from ..surprise import surprise
from .carry import Sight
from .config import FlowConfig
from .model import FlowWorldModel, LatentClip
from .sampling import gaussian


@dataclass(frozen=True)
class FlowTrainConfig:
    """A flow world model and its training."""

    model: FlowConfig = field(default_factory=FlowConfig)
    """Sizes and loss."""
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
    picture_weight: float = 40.0
    """Weight of the decoded picture: a lost block, small in latents, weighs there as an arm."""
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


def train_flow(
    dataset: EpisodeDataset,
    autoencoder: FrameAutoencoder,
    config: FlowTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
    initial: FlowWorldModel | None = None,
    stills: EpisodeDataset | None = None,
    sight: Sight | None = None,
) -> tuple[FlowWorldModel, dict[str, float]]:
    """A trained model on `device` (weights, also the autoencoder's, in `folder`), last metrics.

    Each phase resumes from its own state: `folder`/state, `folder`/eyes, `folder` and
    `folder`/polish. `initial`, a model on the same autoencoder, is trained further (its sizes and
    scales stay). `stills`, encoded pictures with known objects, are more to train the eyes on;
    `sight` says where cameras see them, so that old frames' things are carried to where they are.
    """
    if dataset.latents is None:
        encode_dataset(autoencoder, dataset)
    torch.manual_seed(derive_seed(seed, "flow", "init"))
    known = 0 if dataset.objects is None else dataset.objects.shape[1]
    model = FlowWorldModel.build(
        autoencoder, config.model, dataset.proprio.shape[1], dataset.actions.shape[1], known, sight
    )
    if initial is None:
        measure(model, dataset)
    else:
        _check_initial(initial, autoencoder, known, sight)
        model = initial
    model.to(device)  # type: ignore[arg-type]
    sampler = ClipSampler(dataset, model, config.contact_share)
    metrics = _learn_state(model, sampler, config, Path(folder), seed)
    if model.eyes is not None:
        metrics |= _learn_eyes(
            model, [dataset, *([stills] if stills else [])], config, folder, seed
        )
    begin = config.self_forcing_start * config.fit.steps

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        chunks = 0
        if step >= begin and torch.rand((), generator=generator) < config.self_forcing_share:
            chunks = int(torch.randint(1, config.self_forcing_chunks + 1, (), generator=generator))
        clip = sampler.draw(config.fit.batch_size, 1 + chunks, generator)
        return model.latent_loss(clip, generator, chunks, config.picture_weight)

    def polish_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        chunks = int(torch.randint(config.polish_chunks + 1, (), generator=generator))
        clip = sampler.draw(config.polish.batch_size, 1 + chunks, generator)
        return model.latent_loss(clip, generator, chunks, config.picture_weight)

    for part in (model.dynamics, model.eyes):
        if part is not None:
            part.requires_grad_(False)
    metrics |= fit(model, loss_fn, config.fit, folder, seed=seed, label="flow")
    if config.polish.steps:
        polish = Path(folder) / "polish"
        metrics |= fit(model, polish_fn, config.polish, polish, seed=seed, label="polish")
    model.eval().save_pretrained(str(folder))
    return model, metrics


def _learn_state(
    model: FlowWorldModel, sampler: ClipSampler, config: FlowTrainConfig, folder: Path, seed: int
) -> dict[str, float]:
    """What follows from a state and actions, on roll-outs of `state_chunks` chunks."""
    size = model.max_chunk * config.state_chunks
    told = config.model.context_noise

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        now = sampler.rows(config.state.batch_size, config.state_chunks, generator)
        states = sampler.state[now[:, None] + torch.arange(size + 1)]
        actions = sampler.dataset.actions[now[:, None] + torch.arange(size)]
        latents = sampler.dataset.need_latents()[now]
        latents = latents + told * gaussian(latents.shape, generator, latents)
        given = (x.to(model.device) for x in (states, actions, latents))
        return {"loss": model.state_loss(*given)}

    model.dynamics.requires_grad_(True)
    return fit(model.dynamics, loss_fn, config.state, folder / "state", seed=seed, label="state")


def _learn_eyes(
    model: FlowWorldModel,
    datasets: Sequence[EpisodeDataset],
    config: FlowTrainConfig,
    folder: Path | str,
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
        noise = config.model.context_noise
        one, now = (x + noise * gaussian(x.shape, generator, x) for x in (one, now))
        given = (x.to(model.device) for x in (one, now, state))
        return {"loss": model.eyes_loss(*given)}

    model.eyes.requires_grad_(True)
    return fit(model.eyes, loss_fn, config.eyes, Path(folder) / "eyes", seed=seed, label="eyes")


def _check_initial(
    model: FlowWorldModel, autoencoder: FrameAutoencoder, known: int, sight: Sight | None
) -> None:
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
    own, given = model.autoencoder.state_dict(), autoencoder.state_dict()
    if own.keys() != given.keys() or not all(
        torch.equal(own[k].cpu(), given[k].cpu()) for k in own
    ):
        raise ConfigError(
            "the world model to be trained further was made on another autoencoder: its latents "
            "mean other things; train from nothing, or give the autoencoder that it carries"
        )


def measure(model: FlowWorldModel, dataset: EpisodeDataset) -> None:
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


class ClipSampler:
    """Draws LatentClips: half evenly, half by how unusual the change after the row is."""

    def __init__(
        self, dataset: EpisodeDataset, model: FlowWorldModel, contact_share: float
    ) -> None:
        self.dataset, self.model, self.share = dataset, model, contact_share
        self.surprise, self.state = surprise(dataset, model.max_chunk), dataset.state

    def rows(self, count: int, chunks: int, generator: torch.Generator) -> torch.Tensor:
        """`count` rows with `chunks` chunks behind them; DatasetError if no episode is so long."""
        after = chunks * self.model.max_chunk
        free = self._allowed(after)
        even = count - round(count * self.share)
        rows = free[torch.randint(len(free), (even,), generator=generator)]
        # look for surprise in the chunk that is learned, the last one
        weight = self.surprise[free + after - self.model.max_chunk]
        chosen = torch.multinomial(weight, count - even, replacement=True, generator=generator)
        return torch.cat([rows, free[chosen]])

    def draw(self, count: int, chunks: int, generator: torch.Generator) -> LatentClip:
        """`count` clips of such rows, their context before them."""
        context, after = self.model.context_length, chunks * self.model.max_chunk
        now = self.rows(count, chunks, generator)
        first = self._first[now]
        offsets = torch.arange(-context + 1, after + 1)
        window = torch.maximum(now[:, None] + offsets, first[:, None])
        window = torch.cat([first[:, None], window], 1)
        device = self.model.device
        return LatentClip(
            self.dataset.need_latents()[window].to(device),
            self.state[window].to(device),
            self.dataset.actions[window[:, context:-1]].to(device),
        )

    def _allowed(self, after: int) -> torch.Tensor:
        """Rows that have `after` rows behind them in their episode."""
        cache = self.__dict__.setdefault("_cache", {})
        if after not in cache:
            starts, lengths = (
                torch.from_numpy(x) for x in (self.dataset.starts, self.dataset.lengths)
            )
            self._first = starts.repeat_interleave(lengths)
            last = (starts + lengths - 1).repeat_interleave(lengths)
            rows = torch.arange(self.dataset.num_rows)
            cache[after] = rows[rows + after <= last]
        if not len(cache[after]):
            raise DatasetError(
                f"no episode is longer than {after} steps "
                f"(longest: {int(self.dataset.lengths.max())})"
            )
        return cache[after]
