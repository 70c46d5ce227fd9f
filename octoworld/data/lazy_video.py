"""LazyFrames: the frames of an episode, decoded when they are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

from .video import read_frames

CHUNK = 32
"""Frames decoded together: a few groups of pictures, so that playing on decodes each once."""
KEPT = 4
"""Chunks in memory."""


class LazyFrames:
    """Frames start .. start + count of a video file; (T, H, W, 3) uint8 to whoever indexes it.

    `frames[t]` is one frame (H, W, 3), `frames[a:b]` an array of some, `np.asarray(frames)` all.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, path: Path | str, start: int, count: int, shape: Sequence[int], fps: int
    ) -> None:
        """Arguments as of `read_frames`; raises DatasetError when the file is missing."""
        if not Path(path).is_file():
            raise DatasetError(f"video {path} is missing; restore it or collect the dataset again")
        self.shape = (count, *shape)
        self._source = (path, start, shape, fps)
        self._chunks: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: Any) -> NDArray[np.uint8]:
        """A frame or a slice of frames; raises DatasetError when the video is damaged."""
        if isinstance(at, slice):
            first, last, step = at.indices(len(self))
            if step != 1:
                return self._read(0, len(self))[at]
            return self._read(first, max(last - first, 0))
        index = int(at)
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"frame {at} of {len(self)}")
        return self._chunk(index // CHUNK)[index % CHUNK]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return self._read(0, len(self)).astype(dtype or self.dtype, copy=False)

    def _chunk(self, number: int) -> NDArray[np.uint8]:
        with self._lock:
            if number not in self._chunks:
                first = number * CHUNK
                self._chunks[number] = self._read(first, min(CHUNK, len(self) - first))
                while len(self._chunks) > KEPT:
                    self._chunks.popitem(last=False)
            self._chunks.move_to_end(number)
            return self._chunks[number]

    def _read(self, first: int, count: int) -> NDArray[np.uint8]:
        path, start, shape, fps = self._source
        return read_frames(path, start + first, count, shape, fps)
