"""Disturbances of what is seen in training: shifts, light, sensor noise; batched, seeded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from octoworld.core.parallel import ALONE, Share


@dataclass(frozen=True)
class AugmentConfig:
    """How far training disturbs an observation; 0 switches a part off."""

    shift_pixels: int = 3
    """Largest shift of an image in each direction [px]; the border is repeated."""
    brightness: float = 0.1
    """Largest change of overall brightness, in parts of full white."""
    contrast: float = 0.15
    """Largest relative change of contrast."""
    color: float = 0.08
    """Largest relative change of each colour channel; small, because instructions name colours."""
    state_noise: float = 0.05
    """Standard deviation of noise on the proprioception, in its own standard deviations."""


def augment_images(
    images: torch.Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    share: Share = ALONE,
) -> torch.Tensor:
    """(B, H, W, 3) or (B, T, H, W, 3) uint8 -> the same, each of B shifted and relit on its own.

    The T frames of one history are disturbed alike, so that what moves is still what moved.
    Randomness is drawn on the generator's device, so that every device sees the same; with several
    processes it is drawn for the whole batch, of which `images` is this one's share.
    """
    batch, (height, width) = len(images), images.shape[-3:-1]
    device, shape = images.device, images.shape
    frames = images.shape[1] if images.ndim == 5 else 1
    images = images.reshape(-1, height, width, 3)
    total = batch * share.size
    mine = share.rows(total)
    reach = config.shift_pixels
    if reach:
        shift = torch.randint(-reach, reach + 1, (2, total, 1), generator=generator)
        shift = shift[:, mine].repeat_interleave(frames, 1).to(device)
        rows = (torch.arange(height, device=device) + shift[0]).clamp(0, height - 1)
        columns = (torch.arange(width, device=device) + shift[1]).clamp(0, width - 1)
        which = torch.arange(len(images), device=device)[:, None, None]
        images = images[which, rows[:, :, None], columns[:, None, :]]
    draws = torch.rand(total, 1, 1, 5, generator=generator)
    draws = draws[mine].repeat_interleave(frames, 0).to(device) * 2 - 1
    gain = (1 + config.contrast * draws[..., :1]) * (1 + config.color * draws[..., 1:4])
    # contrast turns about mid-grey
    offset = 127.5 * (1 - gain) + 255 * config.brightness * draws[..., 4:]
    return (images * gain + offset).clamp_(0, 255).to(torch.uint8).reshape(shape)


def augment_state(
    state: torch.Tensor,
    std: torch.Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    share: Share = ALONE,
) -> torch.Tensor:
    """(B, ..., P) plus noise in units of `std` (P,); processes as in `augment_images`."""
    total = len(state) * share.size
    noise = torch.randn(total, *state.shape[1:], generator=generator)
    return state + config.state_noise * std * noise[share.rows(total)].to(state.device)
