"""Train a FrameTokenizer on the images of a data set and their latents."""

from __future__ import annotations

from pathlib import Path

import torch

from octoworld.core.fit import FitConfig, fit
from octoworld.core.parallel import Share
from octoworld.core.rng import derive_seed, torch_generator

from ..autoencoder import FrameAutoencoder, encode_dataset
from ..dataset import EpisodeDataset, images_of
from ..rarity import rare_rows
from .config import TokenizerConfig
from .fsq import perplexity
from .tokenizer import FrameTokenizer

MEASURED = 4096
"""Images whose latents set the zero and the scale of codes, and on which their use is measured."""


def train_tokenizer(
    dataset: EpisodeDataset,
    autoencoder: FrameAutoencoder,
    config: TokenizerConfig,
    fit_config: FitConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
) -> tuple[FrameTokenizer, dict[str, float]]:
    """A trained tokenizer on `device` (weights, also the autoencoder's, in `folder`), last metrics.

    Among the metrics is `tokenizer/usage`, the mean over groups of the codes in use (perplexity).
    """
    if dataset.latents is None:
        encode_dataset(autoencoder, dataset)
    latents = dataset.need_latents()
    torch.manual_seed(derive_seed(seed, "tokenizer", "init"))
    model = FrameTokenizer.build(autoencoder, config)
    chosen = torch.randperm(len(latents), generator=torch_generator(seed, "tokenizer", "measured"))
    sample = latents[chosen[:MEASURED]].to(device)
    model.to(device).quantiser.set_rest(sample)  # type: ignore[arg-type]
    share = Share.current()
    mine = share.rows(fit_config.batch_size)
    draw_rows = rare_rows(dataset, fit_config.batch_size, config.rare_share)
    warmup = config.warmup_share * fit_config.steps

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        rows = draw_rows(generator)
        if share.size > 1:  # even and rare rows for all
            rows = rows[torch.randperm(len(rows), generator=generator)[mine]]
        frames = images_of(dataset.frames, rows, device)
        softness = max(0.0, 1 - step / warmup) if warmup else 0.0
        return model.loss(latents[rows].to(device), frames, softness)

    metrics = fit(model, loss_fn, fit_config, folder, seed=seed, label="tokenizer")
    # the averaged weights were never measured in training
    model.quantiser.set_scale(sample)
    used = perplexity(model.quantiser.tokens(sample), config.num_codes)
    metrics["tokenizer/usage"] = float(used.mean())
    model.eval()
    if share.rank == 0:
        model.save_pretrained(str(folder))
    share.wait()
    return model, metrics
