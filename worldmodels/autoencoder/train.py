"""Train a FrameAutoencoder on the images of a dataset, then encode the whole dataset once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from octoworld.core.config import to_dict
from octoworld.core.fit import FitConfig, fit
from octoworld.core.parallel import Share
from octoworld.core.rng import derive_seed, torch_generator

from ..dataset import EpisodeDataset, images_of
from ..rarity import rare_rows
from .model import AutoencoderConfig, FrameAutoencoder

MEDIAN_FRAMES = 512
"""Images whose median is the background: enough that no mover stays in it."""
MOMENT_FRAMES = 4096
"""Images from which the latent mean and std are taken."""


def train_autoencoder(
    dataset: EpisodeDataset,
    config: AutoencoderConfig,
    fit_config: FitConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
) -> tuple[FrameAutoencoder, dict[str, float]]:
    """A trained autoencoder on `device` (weights also in `folder`) and its last training metrics.

    Under `torchrun` each process computes its share of every batch, and process 0 writes the files.
    `config.cameras` and `config.image_size` are taken from the dataset.
    """
    cameras = tuple(dataset.frames)
    config = dataclasses.replace(
        config, cameras=cameras, image_size=int(dataset.frames[cameras[0]].shape[1])
    )
    torch.manual_seed(derive_seed(seed, "autoencoder", "init"))
    model = FrameAutoencoder(to_dict(config)).to(device)  # type: ignore[arg-type]
    model.set_background(_draw(dataset, MEDIAN_FRAMES, seed, "median", device))

    share = Share.current()
    mine = share.rows(fit_config.batch_size)
    draw_rows = rare_rows(dataset, fit_config.batch_size, config.rare_share)

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        rows = draw_rows(generator)
        if share.size > 1:  # even and rare rows for all
            rows = rows[torch.randperm(len(rows), generator=generator)[mine]]
        return model.loss(images_of(dataset.frames, rows, device), share.stream(generator))

    metrics = fit(model, loss_fn, fit_config, folder, seed=seed, label="autoencoder")
    model.set_latent_moments(_draw(dataset, MOMENT_FRAMES, seed, "moments", device))
    model.eval()
    if share.rank == 0:
        model.save_pretrained(str(folder))
    share.wait()
    return model, metrics


@torch.no_grad()
def encode_dataset(
    model: FrameAutoencoder, dataset: EpisodeDataset, batch_size: int = 256
) -> torch.Tensor:
    """Fill and return `dataset.latents` (F, S, C), so that later training never encodes."""
    model.eval()
    chunks = []
    for start in range(0, dataset.num_rows, batch_size):
        images = {
            camera: x[start : start + batch_size].to(model.device)
            for camera, x in dataset.frames.items()
        }
        chunks.append(model.encode(images).cpu())
    dataset.latents = torch.cat(chunks)
    return dataset.latents


@torch.no_grad()
def redraw_dataset(
    model: FrameAutoencoder, dataset: EpisodeDataset, batch_size: int = 256
) -> dict[str, torch.Tensor]:
    """Recorded frames as the codec draws them, camera -> (F, H, W, 3) uint8 on the CPU.

    Raises:
        DatasetError: the data set is not encoded.
    """
    parts = [model.decode(x.to(model.device)) for x in dataset.need_latents().split(batch_size)]
    return {camera: torch.cat([p[camera].cpu() for p in parts]) for camera in dataset.frames}


def _draw(
    dataset: EpisodeDataset, count: int, seed: int, label: str, device: str
) -> dict[str, torch.Tensor]:
    generator = torch_generator(seed, "autoencoder", label)
    rows = torch.randperm(dataset.num_rows, generator=generator)[:count]
    return images_of(dataset.frames, rows, device)
