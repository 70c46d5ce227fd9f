"""TensorRecord: a dataclass of tensors with first axis B, picked, repeated and merged by world."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import torch


@dataclass
class TensorRecord:
    """Base of histories: every field is a tensor (B, ...)."""

    def select(self, index: torch.Tensor) -> Self:
        """The worlds at `index` (a long or boolean tensor), in that order."""
        return self._map(lambda x: x[index])

    def repeat(self, count: int) -> Self:
        """Each world `count` times in a row: a, a, b, b, ..."""
        return self._map(lambda x: x.repeat_interleave(count, 0))

    def where(self, mask: torch.Tensor, other: Self) -> Self:
        """This record's worlds where `mask` (B,), the other's elsewhere."""
        pairs = zip(self.tensors(), other.tensors(), strict=True)
        return type(self)(*(torch.where(_like(mask, a), a, b) for a, b in pairs))

    def clone(self) -> Self:
        """A copy that shares no memory."""
        return self._map(torch.clone)

    def to(self, device: torch.device | str) -> Self:
        """The same record on `device`."""
        return self._map(lambda x: x.to(device))

    def tensors(self) -> list[torch.Tensor]:
        """The fields, in order."""
        return [getattr(self, f.name) for f in dataclasses.fields(self)]

    def __len__(self) -> int:
        return len(self.tensors()[0])

    def _map(self, function) -> Self:
        return type(self)(*(function(x) for x in self.tensors()))


def _like(mask: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return mask.view(-1, *[1] * (x.ndim - 1))
