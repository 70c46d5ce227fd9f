"""StateProbe: reads off a frame where the robot's hand and the things are.

A frozen witness: trained on recorded frames with the simulator's truth and never on imagined ones,
it measures in metres what an imagined frame shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig, fit
from octoworld.core.rng import derive_seed

from .dataset import EpisodeDataset


@dataclass(frozen=True)
class ProbeConfig:
    """Sizes and training of a probe."""

    width: int = 32
    """Channels at half resolution; deeper layers have twice as many."""
    points: int = 24
    """Places that it looks for in an image."""
    hidden: int = 192
    """Hidden width of what reads the places."""
    noise: float = 0.04
    """Largest standard deviation of noise on training images, in parts of full white."""
    blur_share: float = 0.3
    """Training images that are smoothed, as decoded ones are."""
    light: float = 0.1
    """Largest change of brightness and of each channel's gain in training."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=3000, batch_size=64, learning_rate=2e-3, ema_decay=0.995, checkpoint_every=250
        )
    )
    """Optimisation."""


class StateProbe(ModelMixin, ConfigMixin):
    """Convolutions, places (spatial soft-argmax) and what is there, then a small network."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self, probe_config: dict, cameras: list[str], image_size: int, names: list[tuple[str, int]]
    ) -> None:
        """Build from `to_dict(ProbeConfig)`, and the quantities read: (name, how many numbers).

        They are no mapping because their order is that of the columns, and JSON files sort keys.
        """
        super().__init__()
        self.settings = settings = from_dict(ProbeConfig, dict(probe_config))
        width, points = settings.width, settings.points
        total = sum(size for _, size in names)
        self.convolutions = nn.Sequential(
            nn.Conv2d(5, width, 5, stride=2, padding=2), nn.GroupNorm(8, width), nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.GroupNorm(8, 2 * width),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GroupNorm(8, 2 * width), nn.SiLU(),
        )  # fmt: skip
        self.heat = nn.Conv2d(2 * width, points, 1)
        self.sharpness = nn.Parameter(torch.full((points, 1), 5.0))
        seen = len(cameras) * points * (2 + 2 * width)
        self.reader = nn.Sequential(
            nn.Linear(seen, settings.hidden), nn.SiLU(),
            nn.Linear(settings.hidden, settings.hidden), nn.SiLU(),
            nn.Linear(settings.hidden, total),
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("std", torch.ones(total))

    @property
    def columns(self) -> dict[str, slice]:
        """Name -> its columns."""
        found, first = {}, 0
        for name, size in self.config["names"]:
            found[name] = slice(first, first + size)
            first += size
        return found

    def forward(self, images: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Camera -> (B, 3, H, W) in [0, 1]: standardised (B, D)."""
        views = []
        for camera in self.config["cameras"]:
            image = images[camera]
            rows, columns = (torch.linspace(-1, 1, n, device=image.device) for n in image.shape[2:])
            place = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))
            place = place.expand(len(image), -1, -1, -1)
            x = self.convolutions(torch.cat([2 * image - 1, place], 1))
            attention = (self.heat(x).flatten(2) * self.sharpness).softmax(-1)
            grid = F.interpolate(place[:1], x.shape[2:], mode="area").flatten(2)[0]
            views += [attention @ grid.T, attention @ x.flatten(2).transpose(1, 2)]
        return self.reader(torch.cat([v.flatten(1) for v in views], 1))

    @torch.no_grad()
    def read(self, frames: Mapping[str, torch.Tensor], batch_size: int = 256) -> torch.Tensor:
        """Camera -> (..., H, W, 3) uint8 to the quantities (..., D) in their own units.

        Raises:
            ConfigError: a camera is missing, or images are of another size or type.
        """
        size, flat, lead = self.config["image_size"], {}, torch.Size()
        for camera in self.config["cameras"]:
            if camera not in frames:
                raise ConfigError(f"no images of camera {camera!r}; given: {', '.join(frames)}")
            image = frames[camera]
            if image.shape[-3:] != (size, size, 3) or image.dtype != torch.uint8:
                raise ConfigError(
                    f"images of {camera} must be (..., {size}, {size}, 3) uint8, "
                    f"got {tuple(image.shape)} {image.dtype}"
                )
            lead, flat[camera] = image.shape[:-3], image.reshape(-1, size, size, 3)
        count = len(next(iter(flat.values())))
        parts = [
            self({c: _to_float(x[i : i + batch_size]).to(self.device) for c, x in flat.items()})
            for i in range(0, count, batch_size)
        ]
        return (torch.cat(parts) * self.std + self.mean).unflatten(0, lead)

    def errors(self, found: torch.Tensor, true: torch.Tensor) -> dict[str, torch.Tensor]:
        """Name -> distance (...) between two sets of quantities (..., D), in their unit."""
        return {n: (found - true)[..., c].norm(dim=-1) for n, c in self.columns.items()}


def train_probe(
    dataset: EpisodeDataset,
    targets: Mapping[str, torch.Tensor],
    config: ProbeConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
) -> StateProbe:
    """A probe that reads `targets`, name -> (F, d), off the data set's images.

    Raises:
        DatasetError: a target has not a row for each row of the data set, or is not finite.
    """
    for name, values in targets.items():
        if values.ndim != 2 or len(values) != dataset.num_rows:
            raise DatasetError(
                f"target {name!r} has shape {tuple(values.shape)}, expected "
                f"({dataset.num_rows}, numbers)"
            )
        if not torch.isfinite(values).all():
            raise DatasetError(f"target {name!r} is not finite everywhere")
    torch.manual_seed(derive_seed(seed, "probe", "init"))
    cameras = list(dataset.frames)
    size = int(dataset.frames[cameras[0]].shape[1])
    names = [(name, values.shape[1]) for name, values in targets.items()]
    probe = StateProbe(to_dict(config), cameras, size, names).to(device)  # type: ignore[arg-type]
    wanted = torch.cat([v.float() for v in targets.values()], 1)
    probe.mean.copy_(wanted.mean(0))
    probe.std.copy_(wanted.std(0).clamp(min=1e-4))

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        rows = torch.randint(dataset.num_rows, (config.fit.batch_size,), generator=generator)
        images = {
            c: disturbed(_to_float(x[rows]), config, generator).to(device)
            for c, x in dataset.frames.items()
        }
        target = (wanted[rows].to(device) - probe.mean) / probe.std
        return {"loss": (probe(images) - target).abs().mean()}

    fit(probe, loss_fn, config.fit, folder, seed=seed, label="probe")
    probe.requires_grad_(False).eval().save_pretrained(str(folder))
    return probe


def disturbed(
    images: torch.Tensor, config: ProbeConfig, generator: torch.Generator
) -> torch.Tensor:
    """(B, 3, H, W) in [0, 1], each relit, some smoothed, all noisy: what a decoder may do."""
    batch = len(images)
    draw = torch.rand(batch, 6, generator=generator)[:, :, None, None]
    images = images * (1 + config.light * (2 * draw[:, :3] - 1))
    images = images + config.light * (2 * draw[:, 3:4] - 1)
    smooth = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    images = torch.where(draw[:, 4:5] < config.blur_share, smooth, images)
    noise = torch.randn(images.shape, generator=generator)
    return (images + config.noise * draw[:, 5:6] * noise).clamp(0, 1)


def _to_float(images: torch.Tensor) -> torch.Tensor:
    return images.movedim(-1, -3).float().div(255)
