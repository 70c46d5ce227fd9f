"""Train a Reflector on real and imagined rows, then calibrate it on validation episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from octoworld.core.early_stop import Check
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed, torch_generator
from octoworld.data.words import build_vocabulary

from ..autoencoder import FrameAutoencoder, encode_dataset
from ..dataset import EpisodeDataset
from ..latent_model import LatentWorldModel
from .calibrate import calibrate
from .model import Reflector, ReflectorConfig
from .questions import Questions, recorded_questions
from .sampler import WindowConfig, Windows, WindowSampler

Asked = tuple[EpisodeDataset, Questions]
"""Rows, and what is asked about them."""


@dataclass(frozen=True)
class ReflectorTrainConfig:
    """A reflector and its training."""

    model: ReflectorConfig = field(default_factory=ReflectorConfig)
    """Sizes."""
    windows: WindowConfig = field(default_factory=WindowConfig)
    """What it is shown."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=4000, batch_size=48, learning_rate=2e-3, weight_decay=1e-2, ema_decay=0.995
        )
    )
    """Optimisation; a batch is windows."""
    progress_weight: float = 0.2
    """Weight of the progress loss."""
    told_weight: float = 0.5
    """Weight of the loss of what it is to read off frames, where recordings tell it."""
    validation_windows: int = 512
    """Windows of validation on which it is looked at while it learns."""
    check_every: int = 250
    """Steps between these looks; the best weights are kept."""
    check_patience: int = 6
    """Looks without a better one after which training ends."""


def train_reflector(
    dataset: EpisodeDataset,
    autoencoder: FrameAutoencoder,
    config: ReflectorTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    questions: Questions | None = None,
    generated: Sequence[Asked] = (),
    validation: Sequence[Asked] = (),
    lender: LatentWorldModel | None = None,
    device: str = "cpu",
) -> tuple[Reflector, dict[str, float]]:
    """A trained reflector (weights also in `folder`) and its last training metrics.

    Args:
        dataset: recorded episodes, successes and failures.
        autoencoder: the one whose latents world model and reflector speak.
        config: sizes, windows, optimisation.
        folder: run folder of `fit`.
        seed: root of all random streams.
        questions: what is asked about `dataset`; None takes what recordings alone tell.
        generated: imagined rows and what their pictures answer.
        validation: other episodes, real and imagined, by which training ends and on which
            temperature, bias and threshold are set; without them it takes all its steps, and these
            stay 1, 0 and 0.5.
        lender: a world model of the same latents whose eyes it borrows.
        device: where it is trained and stays.

    Raises:
        DatasetError: questions do not fit the episodes, or nothing shows success.
    """
    for data in [dataset, *(d for d, _ in validation)]:
        if data.latents is None:
            encode_dataset(autoencoder, data)
    if questions is None:
        questions = recorded_questions(dataset, near_steps=config.windows.near_steps)
    torch.manual_seed(derive_seed(seed, "reflector", "init"))
    texts = {t for asked in questions for question in asked for t in question.texts}
    vocabulary = build_vocabulary(sorted(texts | {e.instruction for e in dataset.episodes}))
    told = told_numbers(questions)
    reflector = Reflector.build(
        autoencoder, config.model, vocabulary, dataset.proprio, told, lender
    )
    reflector.to(device)  # type: ignore[arg-type]
    told_dim = 0 if told is None else told.shape[1]

    def look(data: EpisodeDataset) -> torch.Tensor:
        return look_at(reflector, data)

    sampler = WindowSampler([(dataset, questions), *generated], config.windows, told_dim, look)

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        windows = sampler.draw(config.fit.batch_size, generator)
        return window_loss(reflector, windows, config, generator)

    check = None
    if validation:
        shown = WindowSampler(validation, config.windows, told_dim, look)
        generator = torch_generator(seed, "reflector", "validation")
        held = shown.draw(config.validation_windows, generator)
        check = Check(
            lambda: validation_score(reflector, held, config),
            config.check_every,
            config.check_patience,
        )
    metrics = fit(reflector, loss_fn, config.fit, folder, seed=seed, label="reflector", check=check)
    if validation:
        calibrate(reflector, validation)
    reflector.eval().save_pretrained(str(folder))
    return reflector, metrics


@torch.no_grad()
def look_at(reflector: Reflector, data: EpisodeDataset, batch_size: int = 512) -> torch.Tensor:
    """What borrowed eyes find in each row (F, O), once for all: they do not learn."""
    if reflector.eyes is None:
        return data.proprio[:, :0]
    reflector.eval()
    owner, found = np.repeat(np.arange(len(data)), data.lengths), []
    for rows in torch.arange(data.num_rows).split(batch_size):
        given = (
            data.need_latents()[rows], data.proprio[rows], data.first_latents(owner[rows.numpy()])
        )  # fmt: skip
        found.append(reflector.look(*(x.to(reflector.device) for x in given)).cpu())
    return torch.cat(found)


def told_numbers(questions: Questions) -> torch.Tensor | None:
    """Rows (F', D) of all that is fully told, for their scales; None where nothing is."""
    told = [
        torch.from_numpy(question.told)
        for asked in questions
        for question in asked
        if question.told is not None
    ]
    if not told:
        return None
    joined = torch.cat(told)
    return joined[torch.isfinite(joined).all(1)]


def window_loss(
    reflector: Reflector,
    windows: Windows,
    config: ReflectorTrainConfig,
    generator: torch.Generator | None,
) -> dict[str, torch.Tensor]:
    """Weighted cross-entropy of success per step, L1 of progress and of what is told.

    `generator` draws noise on the inputs; None adds none.
    """
    device, noise = reflector.device, config.windows
    latents, proprio = windows.latents.to(device), windows.proprio.to(device)
    objects = windows.objects.to(device)
    if generator is not None:
        latents = latents + noise.latent_noise * _like(latents, generator)
        proprio = proprio + noise.proprio_noise * reflector.proprio_std * _like(proprio, generator)
        objects = objects + noise.objects_noise * _like(objects, generator)
    words = reflector.tokenize(windows.instructions).to(device)
    thoughts = reflector(latents, proprio, words, objects)
    target, weight = windows.target.to(device), windows.weight.to(device)
    entropy = F.binary_cross_entropy_with_logits(thoughts.logit, target, reduction="none")
    success = (weight * entropy).sum() / weight.sum().clamp(min=1e-6)
    progress = _distance(thoughts.progress, windows.progress.to(device), weight)
    right = ((thoughts.logit > 0) == (target > 0.5)).float()
    losses = {"success": success, "progress": progress}
    total = success + config.progress_weight * progress
    if windows.told.shape[-1]:
        wanted = (windows.told.to(device) - reflector.told_mean) / reflector.told_std
        losses["told"] = _distance(thoughts.told, wanted, weight[..., None])
        total = total + config.told_weight * losses["told"]
    accuracy = (weight * right).sum() / weight.sum().clamp(min=1e-6)
    return {"loss": total, **losses, "accuracy": accuracy}


@torch.no_grad()
def validation_score(
    reflector: Reflector, windows: Windows, config: ReflectorTrainConfig
) -> dict[str, float]:
    """Losses on held-out windows; `score` is the cross-entropy, the lower the better."""
    losses = window_loss(reflector, windows, config, None)
    told = {f"validation_{k}": float(v) for k, v in losses.items() if k != "loss"}
    return told | {"score": float(losses["success"])}


def _distance(guess: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean |guess - wanted| where `wanted` is known."""
    known = torch.isfinite(wanted) * weight
    error = (guess - wanted.nan_to_num()).abs()
    return (known * error).sum() / known.sum().clamp(min=1e-6)


def _like(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x)
