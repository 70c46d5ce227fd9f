"""Train a FlowWorldModel on the latents of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed

from ..autoencoder import FrameAutoencoder, encode_dataset
from ..dataset import EpisodeDataset
from ..surprise import surprise
from .config import FlowConfig
from .model import FlowWorldModel, LatentClip


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


def train_flow(
    dataset: EpisodeDataset,
    autoencoder: FrameAutoencoder,
    config: FlowTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
    initial: FlowWorldModel | None = None,
) -> tuple[FlowWorldModel, dict[str, float]]:
    """A trained model on `device` (weights, also the autoencoder's, in `folder`), last metrics.

    Each of the two phases resumes from its own state: `folder` and `folder`/polish. `initial`, a
    model on the same autoencoder, is trained further (its sizes and scales stay).
    """
    if dataset.latents is None:
        encode_dataset(autoencoder, dataset)
    torch.manual_seed(derive_seed(seed, "flow", "init"))
    model = FlowWorldModel.build(
        autoencoder, config.model, dataset.proprio.shape[1], dataset.actions.shape[1]
    )
    if initial is None:
        measure(model, dataset)
    else:
        _check_autoencoder(initial, autoencoder)
        model = initial
    model.to(device)  # type: ignore[arg-type]
    sampler = ClipSampler(dataset, model, config.contact_share)
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

    metrics = fit(model, loss_fn, config.fit, folder, seed=seed, label="flow")
    if config.polish.steps:
        polish = Path(folder) / "polish"
        metrics |= fit(model, polish_fn, config.polish, polish, seed=seed, label="polish")
    model.eval().save_pretrained(str(folder))
    return model, metrics


def _check_autoencoder(model: FlowWorldModel, autoencoder: FrameAutoencoder) -> None:
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
    change = dataset.proprio[now] - dataset.proprio[now - 1]
    step = latents[now] - latents[now - 1]
    # over a chunk the change grows about with the square root of its steps
    chunk = step.pow(2).mean().sqrt().item() * model.max_chunk**0.5
    model.set_statistics(dataset.proprio, change, chunk)


class ClipSampler:
    """Draws LatentClips: half evenly, half by how unusual the change after the row is."""

    def __init__(
        self, dataset: EpisodeDataset, model: FlowWorldModel, contact_share: float
    ) -> None:
        self.dataset, self.model, self.share = dataset, model, contact_share
        self.surprise = surprise(dataset, model.max_chunk)

    def draw(self, count: int, chunks: int, generator: torch.Generator) -> LatentClip:
        """`count` clips with `chunks` chunks of future; raises DatasetError if none is so long."""
        context, after = self.model.context_length, chunks * self.model.max_chunk
        free = self._allowed(after)
        even = count - round(count * self.share)
        rows = free[torch.randint(len(free), (even,), generator=generator)]
        # look for surprise in the chunk that is learned, the last one
        weight = self.surprise[free + after - self.model.max_chunk]
        chosen = torch.multinomial(weight, count - even, replacement=True, generator=generator)
        now = torch.cat([rows, free[chosen]])
        first = self._first[now]
        offsets = torch.arange(-context + 1, after + 1)
        window = torch.maximum(now[:, None] + offsets, first[:, None])
        window = torch.cat([first[:, None], window], 1)
        device = self.model.device
        return LatentClip(
            self.dataset.need_latents()[window].to(device),
            self.dataset.proprio[window].to(device),
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
