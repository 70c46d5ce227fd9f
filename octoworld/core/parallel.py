"""Data parallel training under `torchrun`: each process has a share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Share:
    """One process of several; alone by default."""

    rank: int = 0
    """Number of this process, 0 to size - 1; only 0 writes files."""
    size: int = 1
    """Processes."""

    @classmethod
    def current(cls) -> Share:
        """Of the process group, if one was started."""
        import torch.distributed as dist

        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def rows(self, batch: int) -> slice:
        """This process's rows of a global batch.

        Raises:
            ConfigError: the batch cannot be shared evenly.
        """
        if batch % self.size:
            raise ConfigError(f"batch_size = {batch}: expected a multiple of {self.size} processes")
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def stream(self, generator: torch.Generator) -> torch.Generator:
        """Draws of this process alone: process 0's are those of the generator given."""
        import torch

        if self.rank == 0:
            return generator
        seed = (generator.initial_seed() + self.rank * _STRIDE) % 2**63
        return torch.Generator(device=generator.device).manual_seed(seed)

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes, in one message."""
        import torch
        import torch.distributed as dist

        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def average(self, scalars: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Means over the processes; every process must call it."""
        import torch
        import torch.distributed as dist

        values = torch.stack([torch.as_tensor(v).detach().float() for v in scalars.values()])
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size
        return dict(zip(scalars, values.tolist(), strict=True))

    def wait(self) -> None:
        """Until every process is here."""
        import torch.distributed as dist

        if self.size > 1:
            dist.barrier()


_STRIDE = 0x9E3779B97F4A7C15
"""Apart enough that no two processes' streams meet: 2^64 over the golden ratio."""

ALONE = Share()
"""The only process."""


@contextmanager
def process_group(device: str = "cpu") -> Iterator[str]:
    """Join the processes that `torchrun` started, if it did; gives this process's device.

    Messages go by NCCL for `cuda`, where each process takes the device of its local rank, and by
    gloo for `cpu`.

    Raises:
        ConfigError: `cuda` is asked for and there is none.
    """
    import torch
    import torch.distributed as dist

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device = {device!r}: torch finds no CUDA device here; use cpu")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()
