"""PerceptualNetwork: how different two frames look, and features for Fréchet distances.

A small frozen network of our own, trained on recorded frames to tell the same moment under other
light from other moments and from spoiled pictures. Its distances are not LPIPS and not FVD, which
are defined by networks trained on photographs and on films of people.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
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
from octoworld.core.parallel import Share
from octoworld.core.rng import derive_seed, torch_generator
from octoworld.data.marks import episode_mark

from .damage import relit, spoiled
from .dataset import EpisodeDataset
from .frechet import frechet_distance

SMALLEST = 16
"""Least height and width of images: less is nothing for the deepest layer [pixel]."""
GRID = 4
"""Places along a side of an image that are told apart in its feature vector."""
MEASURED = 4096
"""Images from which the scale of features is taken."""
SAME = 0.02
"""Difference of cells' mean colours under which two frames count as one picture [0..1]."""


@dataclass(frozen=True)
class PerceptualConfig:
    """Sizes and training of the network."""

    width: int = 16
    """Channels at half resolution; doubled at each of two further halvings."""
    embedding: int = 64
    """Numbers by which frames are told apart in training."""
    features: int = 16
    """Of these, the directions in which recorded frames differ most: a frame's features."""
    temperature: float = 0.1
    """Divides likeness in training."""
    light: float = 0.08
    """Largest change of brightness and of each channel's gain that leaves a picture the same."""
    noise: float = 0.02
    """Largest standard deviation of noise that does, in parts of full white."""
    neighbours: int = 4
    """Frames of a batch that are of one episode: times that must be told apart."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=1500, batch_size=64, learning_rate=2e-3, ema_decay=0.995, checkpoint_every=250
        )
    )
    """Optimisation."""

    def __post_init__(self) -> None:
        if not 1 <= self.features <= self.embedding:
            raise ConfigError(
                f"features = {self.features}: expected 1..{self.embedding} (embedding)"
            )
        if self.neighbours < 1 or self.fit.batch_size % self.neighbours:
            raise ConfigError(
                f"neighbours = {self.neighbours}: expected a divisor of batch_size "
                f"{self.fit.batch_size}"
            )
        if self.temperature <= 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")


class PerceptualNetwork(ModelMixin, ConfigMixin):
    """Three halvings, without norms that would mix places, and a linear map of a coarse grid."""

    config_name = "config.json"

    @register_to_config
    def __init__(self, perceptual_config: dict, trained_on: Sequence[str] = ()) -> None:
        """Build from `to_dict(PerceptualConfig)`; `trained_on` are marks of episodes."""
        super().__init__()
        self.settings = settings = from_dict(PerceptualConfig, dict(perceptual_config))
        widths = [3, *(settings.width * 2**i for i in range(3))]
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.SiLU(),
                nn.Conv2d(wide, wide, 3, padding=1), nn.SiLU(),
            )
            for narrow, wide in itertools.pairwise(widths)
        )  # fmt: skip
        self.embed = nn.Linear(widths[-1] * GRID**2, settings.embedding)
        self.register_buffer("mean", torch.zeros(settings.embedding))
        self.register_buffer("whiten", torch.eye(settings.embedding)[: settings.features])
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def layers(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) in [0, 1] to what each stage sees, (B, C, h, w)."""
        x, found = 2 * images - 1, []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] to embeddings (B, E) of length 1."""
        return F.normalize(self._embedding(images), dim=1)

    @torch.no_grad()
    def distance(self, a: torch.Tensor, b: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
        """Perceptual distance of images (..., H, W, 3) uint8, (...); 0 for equal ones.

        As LPIPS (arXiv 1801.03924) with equal weights: features of each place brought to length 1,
        their squared difference averaged over places, then over stages.

        Raises:
            ConfigError: other types or sizes, or the two differ in shape.
        """
        if a.shape != b.shape:
            raise ConfigError(
                f"images to be compared have shapes {tuple(a.shape)}, {tuple(b.shape)}"
            )
        left, right, parts = self._flat(a), self._flat(b), []
        for x, y in zip(left.split(batch_size), right.split(batch_size), strict=True):
            pairs = zip(self.layers(self._float(x)), self.layers(self._float(y)), strict=True)
            gaps = [(F.normalize(p) - F.normalize(q)).pow(2).sum(1).mean((1, 2)) for p, q in pairs]
            parts.append(torch.stack(gaps).mean(0).cpu())
        return torch.cat(parts).view(a.shape[:-3])

    @torch.no_grad()
    def features(self, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
        """Images (..., H, W, 3) uint8 to features (..., F), of variance 1 over recorded frames.

        Raises:
            ConfigError: other types or sizes.
        """
        flat = self._flat(images)
        parts = [
            ((self._embedding(self._float(x)) - self.mean) @ self.whiten.T).cpu()
            for x in flat.split(batch_size)
        ]
        return torch.cat(parts).unflatten(0, images.shape[:-3])

    def frame_frechet(self, a: torch.Tensor, b: torch.Tensor) -> float:
        """Fréchet distance of frames (N, H, W, 3) and (M, H, W, 3) uint8; raises as the parts."""
        return frechet_distance(self.features(a), self.features(b))

    def clip_frechet(self, a: torch.Tensor, b: torch.Tensor) -> float:
        """The same of clips (N, T, H, W, 3), whose frames' features are joined."""
        return frechet_distance(self.features(a).flatten(1), self.features(b).flatten(1))

    @torch.no_grad()
    def set_scale(self, images: torch.Tensor) -> None:
        """Take features' mean, directions and variance from recorded images (N, H, W, 3) uint8."""
        seen = torch.cat([self._embedding(self._float(x)) for x in images.split(256)])
        self.mean.copy_(seen.mean(0))
        values, vectors = torch.linalg.eigh(torch.cov(seen.T.double()).cpu())
        count = self.settings.features  # eigenvalues come in rising order
        top, scale = vectors[:, -count:], values[-count:].clamp(min=1e-12).sqrt()
        self.whiten.copy_((top / scale).T)

    def _embedding(self, images: torch.Tensor) -> torch.Tensor:
        return self.embed(F.adaptive_avg_pool2d(self.layers(images)[-1], GRID).flatten(1))

    def _float(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(self.device).movedim(-1, -3).float().div(255)

    def _flat(self, images: torch.Tensor) -> torch.Tensor:
        shape = images.shape
        fits = images.ndim >= 3 and shape[-1] == 3 and min(shape[-3:-1]) >= SMALLEST
        if not fits or images.dtype != torch.uint8:
            raise ConfigError(
                f"images must be (..., H, W, 3) uint8 with sides of {SMALLEST} pixels or more, got "
                f"{tuple(shape)} {images.dtype}"
            )
        return images.reshape(-1, *shape[-3:])


def train_perceptual(
    dataset: EpisodeDataset,
    config: PerceptualConfig,
    folder: Path | str,
    *,
    seed: int,
    device: str = "cpu",
) -> tuple[PerceptualNetwork, dict[str, float]]:
    """A network trained on the data set's images (saved in `folder`), and its last metrics.

    Of a moment's frame, the same frame under other light is to be the most alike among the other
    moments of the batch and a spoiled picture of its own: shifted, smoothed, or with a part from
    elsewhere. A killed run in `folder` goes on.

    Raises:
        DatasetError: fewer than two frames.
    """
    if dataset.num_rows < 2:
        raise DatasetError(f"a perceptual network needs 2 frames or more, got {dataset.num_rows}")
    torch.manual_seed(derive_seed(seed, "perceptual", "init"))
    marks = [episode_mark(e) for e in dataset.episodes]
    network = PerceptualNetwork(to_dict(config), marks).to(device)  # type: ignore[arg-type]
    cameras, share = list(dataset.frames), Share.current()
    mine = share.rows(config.fit.batch_size)

    def loss_fn(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        camera = cameras[int(torch.randint(len(cameras), (), generator=generator))]
        rows = _moments(dataset, config, generator)[mine]
        generator = share.stream(generator)
        images = dataset.frames[camera][rows].movedim(-1, 1).float().div(255)
        views = [
            relit(x, config.light, config.noise, generator)
            for x in (images, images, spoiled(images, generator))
        ]
        return contrast(network, [v.to(device) for v in views], images, config.temperature)

    metrics = fit(network, loss_fn, config.fit, folder, seed=seed, label="perceptual")
    chosen = torch.randperm(
        dataset.num_rows, generator=torch_generator(seed, "perceptual", "measured")
    )[: MEASURED // len(cameras)]
    network.set_scale(torch.cat([dataset.frames[c][chosen] for c in cameras]))
    network.requires_grad_(False).eval()
    if share.rank == 0:
        network.save_pretrained(str(folder))
    share.wait()
    return network, metrics


def contrast(
    network: PerceptualNetwork,
    views: Sequence[torch.Tensor],
    images: torch.Tensor,
    temperature: float,
) -> dict[str, torch.Tensor]:
    """InfoNCE (arXiv 1807.03748) of two views against other moments and a spoiled third.

    Args:
        network: gives embeddings.
        views: two of the same moments, and one of spoiled pictures, (B, 3, H, W) each.
        images: (B, 3, H, W) as recorded: moments that look alike are not told apart.
        temperature: divides likeness.
    """
    one, two, bad = (network(v) for v in views)
    likeness = torch.cat([one @ two.T, (one * bad).sum(1, keepdim=True)], 1) / temperature
    cells = F.adaptive_avg_pool2d(images, 2 * GRID).flatten(1)
    twins = torch.cdist(cells, cells, p=torch.inf) < SAME
    twins.fill_diagonal_(False)
    likeness[:, :-1] = likeness[:, :-1].masked_fill(twins.to(likeness.device), -torch.inf)
    wanted = torch.arange(len(one), device=likeness.device)
    return {
        "loss": F.cross_entropy(likeness, wanted),
        "accuracy": (likeness.argmax(1) == wanted).float().mean(),
    }


def _moments(
    dataset: EpisodeDataset, config: PerceptualConfig, generator: torch.Generator
) -> torch.Tensor:
    """Row numbers of a batch, `neighbours` of each episode drawn."""
    count = config.fit.batch_size // config.neighbours
    episode = torch.multinomial(
        torch.from_numpy(dataset.lengths).double(), count, replacement=True, generator=generator
    )
    starts, lengths = (torch.from_numpy(x)[episode] for x in (dataset.starts, dataset.lengths))
    place = torch.rand(count, config.neighbours, generator=generator)
    return (starts[:, None] + (place * lengths[:, None]).long()).flatten()
