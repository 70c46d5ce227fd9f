"""Train a FlowWorldModel on the latents of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from octoworld.core.rng import derive_seed

from ..autoencoder import FrameAutoencoder, encode_dataset
from ..carry import Sight
from ..dataset import EpisodeDataset
from ..latent_model import LatentClip
from ..latent_train import (
    LatentTrainConfig,
    check_device,
    check_initial,
    measure,
    train_latent,
)
from .config import FlowConfig
from .model import FlowWorldModel


@dataclass(frozen=True)
class FlowTrainConfig(LatentTrainConfig):
    """A flow world model and its training."""

    model: FlowConfig = field(default_factory=FlowConfig)
    """Sizes and loss."""
    picture_weight: float = 40.0
    """Weight of the decoded picture: a lost block, small in latents, weighs there as an arm."""


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
    motion: EpisodeDataset | None = None,
) -> tuple[FlowWorldModel, dict[str, float]]:
    """A trained model on `device` (weights, also the autoencoder's, in `folder`), last metrics.

    Each phase resumes from its own state: `folder`/state, `folder`/eyes, `folder` and
    `folder`/polish. `initial`, a model on the same autoencoder, is trained further (its sizes and
    scales stay). `stills`, encoded pictures with known objects, are more to train the eyes on,
    `motion`, recordings without pictures, more to train the state model on; `sight` says where
    cameras see things, so that old frames' things are carried to where they are.

    Raises:
        ConfigError: `initial` was made on another autoencoder or knows other things; bfloat16 or
            compilation is asked for without CUDA; `motion` tells of other numbers.
    """
    check_device(config, device)
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
        check_initial(initial, autoencoder, known, sight)
        model = initial
    model.to(device)  # type: ignore[arg-type]

    def loss(
        clip: LatentClip, generator: torch.Generator, chunks: int
    ) -> Mapping[str, torch.Tensor]:
        return model.latent_loss(clip, generator, chunks, config.picture_weight)

    metrics = train_latent(
        model, dataset, loss, config, folder, seed=seed, label="flow", stills=stills, motion=motion
    )
    return model, metrics
