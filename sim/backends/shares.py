"""Shares: parameters of each world by name, most as shares of the scene's own values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError, UnknownNameError


class Shares(ABC):
    """N worlds' values by name; an engine's subclass makes them act."""

    def __init__(self, nominal: Mapping[str, float], num_worlds: int) -> None:
        """All worlds as built: `nominal` is 1 of shares, 0 of shifts and turns."""
        self.names = tuple(nominal)
        self.nominal = np.array(list(nominal.values()))
        """(P,) values of the scene as built."""
        self.values = np.tile(self.nominal, (num_worlds, 1))
        """(N, P) in the order of `names`."""
        self.active = False
        """Whether any was ever set."""

    def set(self, shares: Mapping[str, ArrayLike], rows: NDArray) -> None:
        """Set values (n,) of the worlds `rows` (n,).

        Raises:
            UnknownNameError: no such parameter.
            ConfigError: a value is not finite, or a share not above 0 (gravity and brightness may
                be 0).
        """
        for name, share in shares.items():
            if name not in self.names:
                raise UnknownNameError("parameter", name, self.names)
            share = np.asarray(share, float)
            may_be_0 = name == "gravity" or name.endswith(".brightness")
            is_share = self.nominal[self.names.index(name)] == 1
            fits = (share >= 0 if may_be_0 else share > 0) if is_share else True
            if not (np.isfinite(share) & fits).all():
                raise ConfigError(f"set_parameters({name}): shares must be finite and above 0")
            self.values[rows, self.names.index(name)] = share.reshape(-1) if share.ndim else share
        self.active = True
        self._apply(tuple(shares), rows)

    def set_rows(self, values: NDArray, rows: Any) -> None:
        """Write all values (n, P) of the worlds `rows`."""
        changed = np.flatnonzero((self.values[rows] != values).any(axis=0))
        self.values[rows] = values
        if len(changed):
            self.active = True
            every = np.arange(len(self.values))
            self._apply(tuple(self.names[i] for i in changed), every[rows])

    @abstractmethod
    def _apply(self, names: tuple[str, ...], rows: NDArray) -> None:
        """Make the values of `names` act in the worlds `rows` (n,)."""
