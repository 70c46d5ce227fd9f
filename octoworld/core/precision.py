"""Which numbers a network computes with: float32, or bfloat16 where the device is made for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    import torch


def autocast(precision: str, device: torch.device | str) -> AbstractContextManager[object]:
    """Automatic mixed precision for `bfloat16`, nothing for `float32`.

    Raises:
        ConfigError: bfloat16 is asked for on a device that is not CUDA: on a CPU it is slower than
            float32 where it works at all.
    """
    if precision == "float32":
        return nullcontext()
    import torch

    kind = torch.device(device).type
    if kind != "cuda":
        raise ConfigError(f"precision = {precision!r} needs a CUDA device, not {kind}; use float32")
    return torch.autocast("cuda", torch.bfloat16)
