"""Pictures: all cameras' images side by side at the size that a video model takes, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F

from octoworld.core.errors import ConfigError

from .config import Robot


class Pictures:
    """One picture holds all cameras, left to right, so that a video model sees them together."""

    def __init__(
        self, robot: Robot, resolution: tuple[int, int], multiple: tuple[int, int]
    ) -> None:
        """Of a robot's cameras.

        Args:
            robot: names the cameras and the size of their images.
            resolution: height and width of a camera's part [pixel]; (0, 0): the smallest that fits.
            multiple: what both must be multiples of.

        Raises:
            ConfigError: the resolution is no multiple.
        """
        if max(resolution) and any(s % m for s, m in zip(resolution, multiple, strict=True)):
            raise ConfigError(
                f"resolution = {tuple(resolution)}: height and width must be multiples of "
                f"{multiple} for this VAE and its patches, e.g. {_up(resolution, multiple)}"
            )
        self.robot = robot
        self.height, self.width = resolution if max(resolution) else _up(robot.image_size, multiple)

    def join(self, frames: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Camera -> (B, T, H, W, 3) uint8 to (B, T, height, cameras * width, 3) uint8.

        Raises:
            ConfigError: a camera is missing, or images are of another size or type.
        """
        parts = []
        for camera in self.robot.cameras:
            if camera not in frames:
                raise ConfigError(f"no images of camera {camera!r}; given: {', '.join(frames)}")
            images, expected = frames[camera], (*self.robot.image_size, 3)
            if images.ndim != 5 or images.shape[-3:] != expected or images.dtype != torch.uint8:
                raise ConfigError(
                    f"images of camera {camera!r} must be (B, T, {expected[0]}, {expected[1]}, 3) "
                    f"uint8, as in training, got {tuple(images.shape)} {images.dtype}"
                )
            parts.append(resize(images, (self.height, self.width)))
        return torch.cat(parts, -2)

    def split(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """The inverse: camera -> (B, T, H, W, 3) uint8."""
        parts = pictures.split(self.width, -2)
        return {
            camera: resize(part, self.robot.image_size).contiguous()
            for camera, part in zip(self.robot.cameras, parts, strict=True)
        }


def to_video(pictures: torch.Tensor) -> torch.Tensor:
    """(B, T, H, W, 3) uint8 to (B, 3, T, H, W) float32 in [-1, 1]."""
    return pictures.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_pictures(video: torch.Tensor) -> torch.Tensor:
    """(B, 3, T, H, W) to (B, T, H, W, 3) uint8."""
    levels = (video.float() + 1).mul(127.5).round().clamp(0, 255)
    return levels.byte().permute(0, 2, 3, 4, 1).contiguous()


def resize(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Images (..., H, W, 3) uint8 at another size (height, width), without aliasing."""
    if tuple(images.shape[-3:-1]) == tuple(size):
        return images
    lead = images.shape[:-3]
    x = images.reshape(-1, *images.shape[-3:]).permute(0, 3, 1, 2).float()
    x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    return x.round().clamp(0, 255).byte().permute(0, 2, 3, 1).unflatten(0, lead)


def _up(size: tuple[int, int], multiple: tuple[int, int]) -> tuple[int, int]:
    """The smallest multiples that are not below."""
    height, width = (-(-s // m) * m for s, m in zip(size, multiple, strict=True))
    return height, width
