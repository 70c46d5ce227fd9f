"""FrameAutoencoder: one 64x64 image <-> 4x4 tokens, with the still scene taken off beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from octoworld.core.config import from_dict
from octoworld.core.errors import ConfigError

PATCH = 16
"""Side of the image patch that one token stands for [pixel]."""
COLOUR_FROM, COLOUR_FULL = 0.2, 0.4
"""Spread of a pixel's channels from which it counts as coloured, and as fully coloured [0..1]."""
INPUT_SCALE = 3.0
"""Brings differences from the background to about unit size."""


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder and the weights of its loss."""

    cameras: tuple[str, ...] = ("front",)
    """Cameras, in the order of their tokens; weights are shared, backgrounds are not."""
    image_size: int = 64
    """Height and width [pixel], a multiple of 16."""
    latent_channels: int = 64
    """Numbers per token, shared out to its cells: with the defaults 16 cells of 4 numbers."""
    cell_size: int = 4
    """Side of a cell [pixel], 4 or 8. Small cells with few numbers stay close to colours: a thing
    that moves is then nearly its old cells moved, which a world model learns soonest."""
    width: int = 24
    """Channels at half resolution; doubled at each further halving down to the cells."""
    latent_noise: float = 0.05
    """Noise added to latents in training [latent std], so that imagined latents decode well."""
    moving_share: float = 0.5
    """Share of the loss that pixels differing from the background have, however few they are."""
    small_things: float = 0.05
    """Moving pixels weigh 1 / (this + share of moving pixels around): a block of 25 pixels then
    counts as much as an arm of 400. Smaller favours small things more."""
    colour_share: float = 0.5
    """Part of that share that strongly coloured pixels have among moving ones: robots are grey and
    large, the things that tasks are about are coloured, small, and often held by the robot."""
    square_weight: float = 5.0
    """Weight of the squared error beside the absolute one, whose optimum where something is seldom
    seen is the background."""
    moving_threshold: float = 0.08
    """Difference from the background at which a pixel counts fully as moving [0..1]."""
    edge_weight: float = 0.25
    """Weight of the difference of image gradients."""
    rare_share: float = 0.5
    """Share of a training batch drawn by squared rarity (`worldmodels/rarity.py`)."""

    @property
    def grid(self) -> int:
        """Tokens along a side of the image."""
        return self.image_size // PATCH

    @property
    def cells(self) -> int:
        """Cells along a side of a token."""
        return PATCH // self.cell_size

    @property
    def num_tokens(self) -> int:
        """Tokens of one step: all cameras."""
        return len(self.cameras) * self.grid**2


def norm(channels: int) -> nn.GroupNorm:
    """Over groups of about 4 to 8 channels."""
    return nn.GroupNorm(min(8, channels // 4), channels)


class Residual(nn.Module):
    """x + 1x1(act(3x3(norm(x)))): one 3x3 keeps a token's view local, so it is easy to predict."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """X (N, channels, h, w)."""
        return x + self.out(F.silu(self.mix(F.silu(self.norm(x)))))


def _init(module: nn.Module) -> None:
    # torch's default shrinks signals threefold per layer, and small things drown in the biases
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class _Encoder(nn.Module):
    def __init__(self, settings: AutoencoderConfig) -> None:
        super().__init__()
        widths = _widths(settings)
        w, deep = widths[0], widths[-1]
        stem: list[nn.Module] = [nn.Conv2d(3, w, 4, stride=2, padding=1)]
        for narrow, wide in itertools.pairwise(widths):
            stem += [norm(narrow), nn.SiLU(), nn.Conv2d(narrow, wide, 4, stride=2, padding=1)]
        self.stem = nn.Sequential(*stem)
        self.camera = nn.Parameter(torch.zeros(len(settings.cameras), deep))
        self.body = nn.Sequential(
            Residual(deep),
            Residual(deep),
            norm(deep),
            nn.SiLU(),
            nn.Conv2d(deep, settings.latent_channels // settings.cells**2, 1),
            # cells side by side make a token: a cell's code is learned at all places of an image
            nn.PixelUnshuffle(settings.cells),
        )
        self.apply(_init)

    def forward(self, x: torch.Tensor, camera: int) -> torch.Tensor:
        return self.body(self.stem(x) + self.camera[camera].view(1, -1, 1, 1))


class _Decoder(nn.Module):
    def __init__(self, settings: AutoencoderConfig) -> None:
        super().__init__()
        widths = _widths(settings)
        w, deep = widths[0], widths[-1]
        self.enter = nn.Sequential(
            nn.PixelShuffle(settings.cells),
            nn.Conv2d(settings.latent_channels // settings.cells**2, deep, 3, padding=1),
        )
        self.camera = nn.Parameter(torch.zeros(len(settings.cameras), deep))
        body: list[nn.Module] = [Residual(deep), Residual(deep), norm(deep), nn.SiLU()]
        for wide, narrow in itertools.pairwise(reversed(widths)):
            size = 3 if narrow == w else 1
            grow = nn.Conv2d(wide, 4 * narrow, size, padding=size // 2)
            body += [grow, nn.PixelShuffle(2), norm(narrow), nn.SiLU()]
        self.body = nn.Sequential(*body, last := nn.Conv2d(w, 12, 3, padding=1), nn.PixelShuffle(2))
        self.apply(_init)
        nn.init.normal_(last.weight, std=0.01)  # begin at the background

    def forward(self, z: torch.Tensor, camera: int) -> torch.Tensor:
        return self.body(self.enter(z) + self.camera[camera].view(1, -1, 1, 1))


def _widths(settings: AutoencoderConfig) -> list[int]:
    """Channels at half, quarter, ... resolution, down to a cell."""
    return [settings.width * 2**i for i in range(settings.cell_size.bit_length() - 1)]


class FrameAutoencoder(ModelMixin, ConfigMixin):
    """Images of a fixed scene as a few tokens, and back.

    The encoder sees image minus background, the decoder adds the background, so the capacity goes
    to what moves. `set_statistics` stores background and latent moments before and after training;
    `encode` and `decode` speak standardised latents (zero mean per token, unit std per channel).
    """

    config_name = "config.json"

    @register_to_config
    def __init__(self, autoencoder_config: dict) -> None:
        """Build from `to_dict(AutoencoderConfig)`."""
        super().__init__()
        self.settings = settings = from_dict(AutoencoderConfig, dict(autoencoder_config))
        if settings.image_size % PATCH or settings.image_size < PATCH:
            raise ConfigError(f"image_size {settings.image_size} is not a multiple of {PATCH}")
        if settings.cell_size not in (4, 8):
            raise ConfigError(f"cell_size must be 4 or 8, got {settings.cell_size}")
        num_cameras, channels = len(settings.cameras), settings.latent_channels
        if channels % settings.cells**2:
            raise ConfigError(
                f"latent_channels {channels} is not a multiple of a token's "
                f"{settings.cells**2} cells"
            )
        self.encoder, self.decoder = _Encoder(settings), _Decoder(settings)
        size = settings.image_size
        self.register_buffer("background", torch.full((num_cameras, 3, size, size), 0.5))
        self.register_buffer("latent_mean", torch.zeros(settings.num_tokens, channels))
        self.register_buffer("latent_std", torch.ones(channels))
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, frames: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Camera -> (..., H, W, 3) uint8 to standardised latents (..., S, C), S = all tokens."""
        tokens = []
        for index, camera in enumerate(self.settings.cameras):
            if camera not in frames:
                raise ConfigError(f"no images of camera {camera!r}; given: {', '.join(frames)}")
            images = frames[camera]
            z = self._encode(self._float(images.reshape(-1, *images.shape[-3:])), index)
            tokens.append(z.flatten(2).transpose(1, 2).unflatten(0, images.shape[:-3]))
        return (torch.cat(tokens, -2) - self.latent_mean) / self.latent_std

    def decode(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Standardised latents (..., S, C) to camera -> (..., H, W, 3) uint8."""
        images = {}
        for index, camera in enumerate(self.settings.cameras):
            pixels = self.decode_float(latents, index).clamp(0, 1).mul(255).round().byte()
            images[camera] = pixels.movedim(-3, -1).contiguous()
        return images

    def decode_float(self, latents: torch.Tensor, camera: int) -> torch.Tensor:
        """Standardised latents (..., S, C) to one camera's (..., 3, H, W), about [0, 1]."""
        grid, lead = self.settings.grid, latents.shape[:-2]
        z = latents * self.latent_std + self.latent_mean
        z = z[..., camera * grid**2 : (camera + 1) * grid**2, :].reshape(-1, grid**2, z.shape[-1])
        z = (
            z.transpose(1, 2)
            .unflatten(2, (grid, grid))
            .contiguous(memory_format=torch.channels_last)
        )
        return (self.decoder(z, camera) + self.background[camera]).unflatten(0, lead)

    def loss(
        self, frames: Mapping[str, torch.Tensor], generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Moving-weighted L1 of pixels and of gradients; frames camera -> (B, H, W, 3) uint8."""
        settings, drawn, images = self.settings, [], []
        for index, camera in enumerate(settings.cameras):
            images.append(image := self._float(frames[camera]))
            z = self._encode(image, index)
            noise = torch.randn(z.shape, generator=generator, device=generator.device).to(z.device)
            z = z + settings.latent_noise * noise
            drawn.append(self.decoder(z, index) + self.background[index])
        return self._terms(drawn, images)

    def drawing_loss(
        self, latents: torch.Tensor, frames: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """`loss` of what is drawn from standardised latents (B, S, C), as if `encode` gave them."""
        indices = range(len(self.settings.cameras))
        drawn = [self.decode_float(latents, i) for i in indices]
        return self._terms(drawn, [self._float(frames[c]) for c in self.settings.cameras])

    def _terms(
        self, drawn: list[torch.Tensor], images: list[torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Loss terms of what was drawn, both (B, 3, H, W) for each camera."""
        settings, total, pixel, moving_error = self.settings, 0.0, 0.0, 0.0
        for index, (out, image) in enumerate(zip(drawn, images, strict=True)):
            moving = self.moving_mask(image, index)
            weight = self._weights(image, moving)
            difference = out - image
            error = difference.abs().mean(1, keepdim=True)
            square = difference.pow(2).mean(1, keepdim=True)
            level = (weight * (error + settings.square_weight * square)).sum()
            edge = _weighted_edges(difference, weight)
            total = total + level + settings.edge_weight * edge
            pixel = pixel + error.detach().mean()
            moving_error = moving_error + (moving * error).detach().sum() / (moving.sum() + 1)
        count = len(settings.cameras)
        return {
            "loss": torch.as_tensor(total / count),
            "pixel_l1": torch.as_tensor(pixel / count),
            "moving_l1": torch.as_tensor(moving_error / count),
        }

    def picture_loss(self, latents: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """How different two sets of latents (B, S, C) look: the pixel part of `loss`.

        Gradients reach `latents` alone. In latents, a lost block is a small error; here it weighs
        as much as a lost arm.
        """
        settings, total = self.settings, torch.zeros((), device=latents.device)
        for index in range(len(settings.cameras)):
            with torch.no_grad():
                image = self.decode_float(target, index)
                weight = self._weights(image, self.moving_mask(image, index))
            difference = self.decode_float(latents, index) - image
            error = difference.abs().mean(1, keepdim=True)
            square = difference.pow(2).mean(1, keepdim=True)
            total = total + (weight * (error + settings.square_weight * square)).sum()
        return total / len(settings.cameras)

    def moving_mask(self, image: torch.Tensor, camera: int) -> torch.Tensor:
        """How far each pixel is from the still scene: (B, 3, H, W) -> (B, 1, H, W) in [0, 1]."""
        difference = (image - self.background[camera]).abs().amax(1, keepdim=True)
        return (difference / self.settings.moving_threshold).clamp(max=1)

    def _weights(self, image: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
        """Loss weights (B, 1, H, W): still, moving grey and moving coloured have fixed shares."""
        settings, still = self.settings, 1 - moving
        strength = image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
        coloured = moving * ((strength - COLOUR_FROM) / (COLOUR_FULL - COLOUR_FROM)).clamp(0, 1)
        share, colour = settings.moving_share, settings.colour_share
        return (
            (1 - share) * still / still.sum()
            + share * (1 - colour) * self._small_first(moving - coloured)
            + share * colour * self._small_first(coloured)
        )

    def _small_first(self, mask: torch.Tensor) -> torch.Tensor:
        """Weights (B, 1, H, W), sum 1 (less if hardly anything is in the mask)."""
        # rows, then columns: a square window at once would cost as much as the whole network
        reach, side = PATCH // 2, PATCH + 1
        crowd = F.avg_pool2d(mask, (side, 1), 1, (reach, 0), count_include_pad=False)
        crowd = F.avg_pool2d(crowd, (1, side), 1, (0, reach), count_include_pad=False)
        small = mask / (self.settings.small_things + crowd)
        return small / small.sum().clamp(min=1.0)

    @torch.no_grad()
    def set_background(self, frames: Mapping[str, torch.Tensor]) -> None:
        """Per-pixel median of the images given, camera -> (M, H, W, 3) uint8."""
        for index, camera in enumerate(self.settings.cameras):
            median = self._float(frames[camera]).median(0).values
            self.background[index].copy_(median)

    @torch.no_grad()
    def set_latent_moments(self, frames: Mapping[str, torch.Tensor]) -> None:
        """Standardise latents over the images given: mean per token, std per channel."""
        self.latent_mean.zero_()
        self.latent_std.fill_(1.0)
        latents = self.encode(frames)
        mean = latents.mean(0)
        self.latent_mean.copy_(mean)
        self.latent_std.copy_((latents - mean).pow(2).mean((0, 1)).sqrt().clamp(min=1e-3))

    def _encode(self, image: torch.Tensor, camera: int) -> torch.Tensor:
        z = self.encoder((image - self.background[camera]) * INPUT_SCALE, camera)
        # bounded, so that noise in training and errors in imagination have a fixed meaning, but
        # linear near 0, so that a faint thing stays a small change
        return z * torch.rsqrt(1 + z.pow(2).mean(1, keepdim=True))

    def _float(self, images: torch.Tensor) -> torch.Tensor:
        size = self.settings.image_size
        if images.shape[-3:] != (size, size, 3) or images.dtype != torch.uint8:
            raise ConfigError(
                f"images must be (..., {size}, {size}, 3) uint8, "
                f"got {tuple(images.shape)} {images.dtype}"
            )
        return images.movedim(-1, -3).float().div(255)


def _weighted_edges(error: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean |gradient of the error image|, sum over both axes; `weight` sums to 1."""
    rows = (error[:, :, 1:] - error[:, :, :-1]).abs().mean(1, keepdim=True)
    columns = (error[..., 1:] - error[..., :-1]).abs().mean(1, keepdim=True)
    return (rows * weight[:, :, 1:]).sum() + (columns * weight[..., 1:]).sum()
