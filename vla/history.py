"""What a policy remembers of the last calls, world by world."""

from __future__ import annotations

import torch

from octoworld.core.errors import ConfigError


class History:
    """The last T vectors of each of N worlds; a world that begins repeats its first one."""

    def __init__(self, length: int) -> None:
        """Of T = `length` calls, the present one included."""
        self._length = length
        self._past: torch.Tensor | None = None
        self._fresh: torch.Tensor | None = None

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the masked worlds (N,) bool; None: all, whose number is then free."""
        if mask is None or self._fresh is None:
            self._past = self._fresh = None
            return
        mask = torch.as_tensor(mask, dtype=torch.bool, device=self._fresh.device)
        check_worlds(len(mask), len(self._fresh))
        self._fresh = self._fresh | mask

    def __call__(self, present: torch.Tensor) -> torch.Tensor:
        """(N, D) of this call -> (N, T, D), the oldest first."""
        repeated = present.unsqueeze(1).expand(-1, self._length, -1)
        if self._length == 1:
            return repeated
        if self._past is None or self._fresh is None:
            past = repeated
        else:
            check_worlds(len(present), len(self._past))
            moved = torch.cat([self._past[:, 1:], present.unsqueeze(1)], dim=1)
            past = torch.where(self._fresh[:, None, None], repeated, moved)
        self._past = past
        self._fresh = torch.zeros(len(present), dtype=torch.bool, device=present.device)
        return past


def check_worlds(given: int, remembered: int) -> None:
    """Raise ConfigError unless a memory of some worlds is asked for as many."""
    if given != remembered:
        raise ConfigError(
            f"{given} worlds, but the policy remembers {remembered}: call reset() before another "
            "number of worlds"
        )
