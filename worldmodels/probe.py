"""StateProbe: reads where things are out of latents, to judge imagination in metres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from octoworld.core.errors import DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed

from .dataset import EpisodeDataset


@dataclass(frozen=True)
class ProbeConfig:
    """What is read, and by how large a network."""

    column: str = "privileged"
    """Episode column (T, D) that holds the truth."""
    parts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Name -> [start, stop) in the column; empty takes the whole column as `state`."""
    hidden: int = 256
    """Hidden width."""
    noise: float = 0.1
    """Noise on latents in training [latent std]."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=1500, batch_size=256, learning_rate=1e-3, weight_decay=1e-2, ema_decay=0.995
        )
    )
    """Optimisation."""


class StateProbe(ModelMixin, ConfigMixin):
    """An MLP from all tokens of one step to the chosen numbers; trained on real frames only."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self, latent_size: int, column: str, parts: dict[str, list[int]], hidden: int
    ) -> None:
        """`parts` name slices of `column`, in its units."""
        super().__init__()
        self.column = column
        self.parts = {name: (int(a), int(b)) for name, (a, b) in parts.items()}
        size = sum(b - a for a, b in self.parts.values())
        self.net = nn.Sequential(
            nn.Linear(latent_size, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, size),
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (..., S, C) to numbers (..., n), parts in order."""
        return self.net(latents.flatten(-2)) * self.std + self.mean

    def targets(self, dataset: EpisodeDataset, rows: torch.Tensor | None = None) -> torch.Tensor:
        """The truth (n, D') of the rows, parts in order."""
        return _targets(dataset, self.column, self.parts, rows)

    @torch.no_grad()
    def distances(self, latents: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
        """Euclidean distance (n,) between what is read from `latents` and the truth, by part."""
        guess = self(latents.to(self.mean)).cpu()
        out, at = {}, 0
        for name, (a, b) in self.parts.items():
            part = slice(at, at + b - a)
            out[name] = (guess[..., part] - truth[..., part]).norm(dim=-1)
            at += b - a
        return out


def train_probe(
    datasets: Sequence[EpisodeDataset], config: ProbeConfig, folder: Path | str, *, seed: int
) -> tuple[StateProbe, dict[str, float]]:
    """A probe trained on the data sets' real latents; raises DatasetError without the column."""
    latents = torch.cat([d.need_latents() for d in datasets])
    parts = dict(config.parts) or {"state": (0, _column(datasets[0], config.column).shape[1])}
    torch.manual_seed(derive_seed(seed, "probe", "init"))
    probe = StateProbe(
        latents[0].numel(), config.column, {k: list(v) for k, v in parts.items()}, config.hidden
    )
    truth = torch.cat([probe.targets(d) for d in datasets])
    probe.mean.copy_(truth.mean(0))
    probe.std.copy_(truth.std(0).clamp(min=1e-4))

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        rows = torch.randint(len(latents), (config.fit.batch_size,), generator=generator)
        z = latents[rows]
        z = z + config.noise * torch.randn(z.shape, generator=generator)
        return {"loss": ((probe(z) - truth[rows]) / probe.std).abs().mean()}

    metrics = fit(probe, loss_fn, config.fit, folder, seed=seed, label="probe")
    probe.save_pretrained(str(folder))
    return probe, metrics


def _targets(
    dataset: EpisodeDataset,
    column: str,
    parts: Mapping[str, tuple[int, int]],
    rows: torch.Tensor | None,
) -> torch.Tensor:
    values = _column(dataset, column)
    if rows is not None:
        values = values[rows.numpy()]
    chosen = [values[:, a:b] for a, b in parts.values()]
    return torch.from_numpy(np.concatenate(chosen, 1).astype(np.float32))


def _column(dataset: EpisodeDataset, column: str) -> np.ndarray:
    for number, episode in enumerate(dataset.episodes):
        if column not in episode.columns:
            raise DatasetError(
                f"episode {number} has no column {column!r}; it has {', '.join(episode.columns)}"
            )
    return np.concatenate([e[column] for e in dataset.episodes])
