"""Train an AutoregressiveWorldModel on the codes of a data set."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import read_json, write_json
from octoworld.core.parallel import Share
from octoworld.core.rng import derive_seed

from ..autoencoder import encode_dataset
from ..carry import Sight
from ..dataset import EpisodeDataset
from ..latent_model import LatentClip
from ..latent_train import (
    LatentTrainConfig,
    check_device,
    check_initial,
    measure,
    same_weights,
    train_latent,
)
from .config import AutoregressiveConfig
from .model import AutoregressiveWorldModel
from .quantiser import LatentQuantiser
from .tokenizer import FrameTokenizer

TRAINED_ON = "tokenizer.json"
"""File of a run folder that says which tokenizer its states belong to."""


@dataclass(frozen=True)
class AutoregressiveTrainConfig(LatentTrainConfig):
    """An autoregressive world model and its training."""

    model: AutoregressiveConfig = field(default_factory=AutoregressiveConfig)
    """Sizes and loss."""


def train_autoregressive(
    dataset: EpisodeDataset,
    tokenizer: FrameTokenizer,
    config: AutoregressiveTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
    initial: AutoregressiveWorldModel | None = None,
    stills: EpisodeDataset | None = None,
    sight: Sight | None = None,
    motion: EpisodeDataset | None = None,
) -> tuple[AutoregressiveWorldModel, dict[str, float]]:
    """A trained model on `device` (weights, also the tokenizer's, in `folder`), last metrics.

    Each phase resumes from its own state: `folder`/state, `folder`/eyes, `folder` and
    `folder`/polish. `initial`, a model on the same tokenizer, is trained further (its sizes and
    scales stay). `stills`, encoded pictures with known objects, are more to train the eyes on,
    `motion`, recordings without pictures, more to train the state model on; `sight` says where
    cameras see things, so that old frames' things are carried to where they are.

    Raises:
        ConfigError: `initial` was made on another tokenizer or knows other things; bfloat16 or
            compilation is asked for without CUDA; `motion` tells of other numbers.
        CheckpointError: `folder` holds the state of a run on another tokenizer.
    """
    check_device(config, device)
    _claim(Path(folder), tokenizer)
    if dataset.latents is None:
        encode_dataset(tokenizer.autoencoder, dataset)
    torch.manual_seed(derive_seed(seed, "autoregressive", "init"))
    known = 0 if dataset.objects is None else dataset.objects.shape[1]
    model = AutoregressiveWorldModel.build(
        tokenizer, config.model, dataset.proprio.shape[1], dataset.actions.shape[1], known, sight
    )
    if initial is None:
        measure(model, dataset)
    else:
        check_initial(initial, tokenizer.autoencoder, known, sight)
        if not same_weights(initial.quantiser, tokenizer.quantiser):
            raise ConfigError(
                "the world model to be trained further was made on another tokenizer: its codes "
                "mean other things; train from nothing, or give the tokenizer that it was made on"
            )
        model = initial
    model.to(device)  # type: ignore[arg-type]

    def loss(
        clip: LatentClip, generator: torch.Generator, chunks: int
    ) -> Mapping[str, torch.Tensor]:
        return model.latent_loss(clip, generator, chunks)

    metrics = train_latent(
        model, dataset, loss, config, folder, seed=seed, label="autoregressive",
        stills=stills and as_seen(stills, model.quantiser),
        seen=as_seen(dataset, model.quantiser), motion=motion,
    )  # fmt: skip
    return model, metrics


@torch.no_grad()
def as_seen(
    dataset: EpisodeDataset, quantiser: LatentQuantiser, batch_size: int = 256
) -> EpisodeDataset:
    """The data set with latents as the codes keep them: a world model on codes sees no others."""
    device = quantiser.rest.device
    kept = [
        quantiser.latents(quantiser.tokens(part.to(device))).cpu()
        for part in dataset.need_latents().split(batch_size)
    ]
    return dataclasses.replace(dataset, latents=torch.cat(kept))


def fingerprint(module: torch.nn.Module) -> str:
    """A name for a network's weights: equal for equal ones."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _claim(folder: Path, tokenizer: FrameTokenizer) -> None:
    """Note whose codes the run in `folder` is about; a resumed one must be about the same."""
    mine, path = fingerprint(tokenizer), folder / TRAINED_ON
    if path.exists():
        theirs = read_json(path).get("fingerprint")
        if theirs != mine:
            raise CheckpointError(
                f"{folder} holds a run on tokenizer {theirs}, given is tokenizer {mine}: its codes "
                "mean other things; use another folder, or the tokenizer it was started with"
            )
    elif Share.current().rank == 0:
        write_json(path, {"fingerprint": mine})
