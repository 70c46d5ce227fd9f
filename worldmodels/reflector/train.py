"""Train a Reflector on real and imagined rows, then calibrate it on validation episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import functional as F

from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed
from octoworld.data.words import build_vocabulary

from ..autoencoder import FrameAutoencoder, encode_dataset
from ..dataset import EpisodeDataset
from ..replay import Replayed
from .calibrate import calibrate
from .model import Reflector, ReflectorConfig
from .sampler import WindowConfig, Windows, WindowSampler


@dataclass(frozen=True)
class ReflectorTrainConfig:
    """A reflector and its training."""

    model: ReflectorConfig = field(default_factory=ReflectorConfig)
    """Sizes."""
    windows: WindowConfig = field(default_factory=WindowConfig)
    """What it is shown."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=1500, batch_size=48, learning_rate=6e-4, weight_decay=1e-2, ema_decay=0.995
        )
    )
    """Optimisation; a batch is windows."""
    progress_weight: float = 0.2
    """Weight of the progress loss."""


def train_reflector(
    dataset: EpisodeDataset,
    autoencoder: FrameAutoencoder,
    config: ReflectorTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    generated: Sequence[Replayed] = (),
    validation: EpisodeDataset | None = None,
    device: str = "cpu",
) -> tuple[Reflector, dict[str, float]]:
    """A trained reflector (weights also in `folder`) and its last training metrics.

    Args:
        dataset: recorded episodes, successes and failures.
        autoencoder: the one whose latents world model and reflector speak.
        config: sizes, windows, optimisation.
        folder: run folder of `fit`.
        seed: root of all random streams.
        generated: imagined rows from `replay`.
        validation: other episodes, on which temperature and threshold are set; without them they
            stay 1 and 0.5.
        device: where it is trained and stays.
    """
    for data in [dataset] + ([validation] if validation else []):
        if data.latents is None:
            encode_dataset(autoencoder, data)
    torch.manual_seed(derive_seed(seed, "reflector", "init"))
    vocabulary = build_vocabulary([e.instruction for e in dataset.episodes])
    reflector = Reflector.build(autoencoder, config.model, vocabulary, dataset.proprio)
    reflector.to(device)  # type: ignore[arg-type]
    sources = [(dataset, None)] + [(g.dataset, g.trust) for g in generated]
    sampler = WindowSampler(sources, config.windows)

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return window_loss(
            reflector, sampler.draw(config.fit.batch_size, generator), config, generator
        )

    metrics = fit(reflector, loss_fn, config.fit, folder, seed=seed, label="reflector")
    if validation is not None:
        calibrate(reflector, validation)
    reflector.eval().save_pretrained(str(folder))
    return reflector, metrics


def window_loss(
    reflector: Reflector,
    windows: Windows,
    config: ReflectorTrainConfig,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Trust-weighted cross-entropy of success per step, plus L1 of progress where it is known."""
    device, noise = reflector.device, config.windows
    latents, proprio = windows.latents.to(device), windows.proprio.to(device)
    latents = latents + noise.latent_noise * _like(latents, generator)
    proprio = proprio + noise.proprio_noise * reflector.proprio_std * _like(proprio, generator)
    words = reflector.tokenize(windows.instructions).to(device)
    logit, progress = reflector(latents, proprio, words)
    target, weight = windows.target.to(device), windows.weight.to(device)
    entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    success = (weight * entropy).sum() / weight.sum().clamp(min=1e-6)
    wanted = windows.progress.to(device)
    known = torch.isfinite(wanted)
    distance = (progress - wanted.nan_to_num()).abs() * known * weight
    distance = distance.sum() / (known * weight).sum().clamp(min=1e-6)
    right = ((logit > 0) == (target > 0.5)).float().mean()
    return {
        "loss": success + config.progress_weight * distance,
        "success": success,
        "progress": distance,
        "accuracy": right,
    }


def _like(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)
