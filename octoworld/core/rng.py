"""Seeded random streams: one per world, and one per (seed, purpose, step) for training."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *path: int | str) -> int:
    """A 63-bit seed for the stream at `path` under `seed`; strings are hashed stably (CRC-32)."""
    keys = [zlib.crc32(p.encode()) if isinstance(p, str) else int(p) for p in path]
    state = np.random.SeedSequence(int(seed), spawn_key=tuple(keys)).generate_state(2, np.uint32)
    return int(state[0]) << 31 | int(state[1]) >> 1


def torch_generator(seed: int, *path: int | str, device: str = "cpu") -> torch.Generator:
    """A torch generator for the stream at `path`; to resume at a step needs only its number."""
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *path))


class WorldRng:
    """N independent generators, one a world: a world's draws never depend on its neighbours.

    A world's start state is a function of its seed alone: `seed(mask, seeds)` then draw.
    """

    def __init__(self, seeds: Sequence[int] | NDArray) -> None:
        self._generators = [np.random.default_rng(int(s)) for s in seeds]

    @property
    def num_worlds(self) -> int:
        """N."""
        return len(self._generators)

    def seed(self, mask: NDArray[np.bool_], seeds: ArrayLike) -> None:
        """Restart the streams of the masked worlds; `seeds` is (N,), read where mask is true."""
        seeds = np.asarray(seeds)
        for i in np.flatnonzero(mask):
            self._generators[i] = np.random.default_rng(int(seeds[i]))

    def uniform(
        self,
        mask: NDArray[np.bool_],
        low: ArrayLike = 0.0,
        high: ArrayLike = 1.0,
        shape: tuple[int, ...] = (),
    ) -> NDArray[np.float64]:
        """One draw for each masked world: (n, *shape) with n = mask.sum()."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        unit = _stack([self._generators[i].random(shape) for i in np.flatnonzero(mask)], shape)
        return low + unit * (high - low)

    def normal(self, mask: NDArray[np.bool_], shape: tuple[int, ...] = ()) -> NDArray[np.float64]:
        """Standard normal draws for each masked world: (n, *shape)."""
        draws = [self._generators[i].standard_normal(shape) for i in np.flatnonzero(mask)]
        return _stack(draws, shape)

    def integers(
        self, mask: NDArray[np.bool_], high: int, shape: tuple[int, ...] = ()
    ) -> NDArray[np.int64]:
        """Integers in [0, high) for each masked world: (n, *shape)."""
        draws = [self._generators[i].integers(high, size=shape) for i in np.flatnonzero(mask)]
        return _stack(draws, shape).astype(np.int64)

    def permutation(self, mask: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
        """A permutation of range(size) for each masked world: (n, size)."""
        draws = [self._generators[i].permutation(size) for i in np.flatnonzero(mask)]
        return _stack(draws, (size,)).astype(np.int64)

    def state(self) -> list[dict]:
        """The generators' states, for snapshots."""
        return [dict(g.bit_generator.state) for g in self._generators]

    def set_state(self, state: list[dict]) -> None:
        """Undo everything since `state()`."""
        for generator, s in zip(self._generators, state, strict=True):
            generator.bit_generator.state = s


def _stack(draws: list, shape: tuple[int, ...]) -> NDArray:
    """(n, *shape), also when no world is masked."""
    return np.stack(draws) if draws else np.zeros((0, *shape))


def hashed_uniform(seeds: ArrayLike, *path: int, size: int = 1) -> NDArray[np.float64]:
    """(N, size) even draws in [0, 1), each a function of (seed of its world, path, column) alone.

    For noise at every step: no stream per world to advance, save or restore. The bits are those of
    splitmix64 (Steele, Lea & Flood 2014), chained over the path.
    """
    with np.errstate(over="ignore"):
        state = np.asarray(seeds).astype(np.uint64)
        for key in path:
            state = _mix(state + np.uint64(int(key) % 2**64) * _GOLDEN + _GOLDEN)
        columns = np.arange(1, size + 1, dtype=np.uint64) * _GOLDEN
        bits = _mix(_mix(state)[:, None] + columns[None])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def hashed_normal(seeds: ArrayLike, *path: int, size: int = 1) -> NDArray[np.float64]:
    """(N, size) standard normal draws by Box and Muller's rule; else as `hashed_uniform`."""
    even = hashed_uniform(seeds, *path, size=2 * size)
    radius = np.sqrt(-2 * np.log1p(-even[:, :size]))
    return radius * np.cos(2 * np.pi * even[:, size:])


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
