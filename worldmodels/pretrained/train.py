"""Make a pretrained video model follow a robot's actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from octoworld.core.config import save_config
from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.parallel import Share
from octoworld.rl.trained import Trained

from ..autoencoder import FrameAutoencoder
from ..dataset import EpisodeDataset
from .config import PretrainedConfig, Robot
from .model import PretrainedWorldModel


@dataclass(frozen=True)
class PretrainedTrainConfig:
    """A pretrained video model and its training."""

    model: PretrainedConfig = field(default_factory=PretrainedConfig)
    """Which one, and what of it is trained."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=5000, batch_size=8, learning_rate=1e-4, warmup_steps=200, ema_decay=0.99
        )
    )
    """Optimisation of adapter and transformer; a batch is clips."""
    state: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=5000, batch_size=192, learning_rate=1e-3, weight_decay=1e-3, ema_decay=0.998,
            checkpoint_every=500,
        )
    )  # fmt: skip
    """Training of the model that foresees proprioception, before."""
    state_chunks: int = 2
    """Chunks that it foresees without being told anything in between."""


def train_pretrained(
    dataset: EpisodeDataset,
    config: PretrainedTrainConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
    initial: PretrainedWorldModel | None = None,
    autoencoder: FrameAutoencoder | None = None,
    texts: Mapping[str, torch.Tensor] | None = None,
) -> tuple[PretrainedWorldModel, dict[str, float]]:
    """A trained model on `device` (saved in `folder`), and its last metrics.

    A killed run in `folder` goes on; the state model has its own state in `folder`/state.

    Args:
        dataset: recordings with images; no latents are needed.
        config: which model, and how it is trained.
        folder: run folder; gets `config.yaml`, `metrics.jsonl`, `state.safetensors` (trained
            weights alone) and what `save_pretrained` writes.
        seed: new weights, batches and noise are a function of it.
        device: where to train.
        initial: a model to train further, in place; its scales and its config stay.
        autoencoder: attached to the model, for `WorldModelEnv`.
        texts: instruction -> (text_length, E) precomputed embedding; needed if the model reads
            text.

    Raises:
        CheckpointError: the pretrained model cannot be had; `folder` holds another model's state.
        ConfigError: the config does not fit the pretrained model, the device or `texts`.
        DatasetError: episodes are too short, or of another robot than `initial`.
    """
    folder, robot = Path(folder), Robot.of(dataset)
    if initial is None:
        model = PretrainedWorldModel.build(config.model, robot, seed, device)
        inside = torch.ones(dataset.num_rows, dtype=torch.bool)
        inside[torch.from_numpy(dataset.starts)] = False
        now = torch.nonzero(inside)[:, 0]
        model.set_statistics(dataset.proprio, dataset.proprio[now] - dataset.proprio[now - 1])
    else:
        model = initial
        if model.robot != robot:
            raise DatasetError(f"the world model is of {model.robot}, the recordings of {robot}")
    if autoencoder is not None:
        model.attach(autoencoder)
    known = _embeddings(dataset, model, texts)
    if Share.current().rank == 0:
        save_config(replace(config, model=model.settings), folder / "config.yaml")
    metrics = _learn_state(model, dataset, config, folder / "state", seed)
    settings, size = model.settings, config.fit.batch_size
    temporal = model.family.temporal

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        told = model.max_chunk
        if torch.rand((), generator=generator) < settings.partial_share:
            told = int(torch.randint(1, model.max_chunk + 1, (), generator=generator))
        shown = -(-told // temporal) * temporal
        episode, time = dataset.sample_times(size, shown, generator)
        anchor = torch.from_numpy(dataset.starts[episode])[:, None]
        recent = dataset.windows(episode, time, model.context_length - 1, shown)
        clip = dataset.clip(torch.cat([anchor, recent], 1))
        text = None if known is None else torch.stack([known[i] for i in episode])
        return model.video_loss(clip, generator, known=told, text=text)

    model.dynamics.requires_grad_(False)
    metrics |= fit(Trained(model), loss_fn, config.fit, folder, seed=seed, label="pretrained")
    if Share.current().rank == 0:
        model.save_pretrained(folder)
    return model, metrics


def _learn_state(
    model: PretrainedWorldModel,
    dataset: EpisodeDataset,
    config: PretrainedTrainConfig,
    folder: Path,
    seed: int,
) -> dict[str, float]:
    """What follows from proprioception and actions, on roll-outs of `state_chunks` chunks."""
    steps = model.max_chunk * config.state_chunks

    def loss_fn(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        episode, time = dataset.sample_times(config.state.batch_size, steps, generator)
        rows = dataset.windows(episode, time, 0, steps)
        frames = {c: x[rows[:, :1]].to(model.device) for c, x in dataset.frames.items()}
        thumbs = model.thumbs(model.pictures.join(frames)[:, 0])
        proprio, actions = dataset.proprio[rows], dataset.actions[rows[:, :-1]]
        loss = model.state_loss(proprio.to(model.device), actions.to(model.device), thumbs)
        return {"loss": loss}

    model.dynamics.requires_grad_(True)
    return fit(model.dynamics, loss_fn, config.state, folder, seed=seed, label="state")


def _embeddings(
    dataset: EpisodeDataset,
    model: PretrainedWorldModel,
    texts: Mapping[str, torch.Tensor] | None,
) -> list[torch.Tensor] | None:
    """Of each episode's instruction; None where the model reads no text."""
    if not model.settings.text_length:
        if texts is not None:
            raise ConfigError("texts are given, but text_length = 0: the model reads none")
        return None
    told = [dataset.instruction(i) for i in range(len(dataset))]
    missing = sorted(set(told) - set(texts or {}))
    if texts is None or missing:
        raise ConfigError(
            f"text_length = {model.settings.text_length}: `texts` must hold an embedding of every "
            f"instruction; missing: {missing[0]!r} and {len(missing) - 1} more"
        )
    return [texts[text] for text in told]
