"""LazyFrames: the frames of an episode, decoded when they are looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import av
import av.container
import av.error
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

from .video import missing_frames, read_frames, undecodable, wrong_frame

KEPT_BYTES = 48_000_000
"""Of decoded frames in memory: what was looked at last [byte]."""
NEAR = 40
"""Frames ahead up to which decoding on is quicker than jumping to a key frame."""


class LazyFrames:
    """Frames start .. start + count of a video file; (T, H, W, 3) uint8 to whoever indexes it.

    `frames[t]` is one frame (H, W, 3), `frames[a:b]` an array of some, `np.asarray(frames)` all.
    The file stays open, and a jump decodes from the key frame before on: in files of any length a
    jump costs the same. Safe for several threads.
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
        self._most = max(2 * NEAR, KEPT_BYTES // int(np.prod(shape)))
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._container: av.container.InputContainer | None = None
        self._decoded: Iterator[tuple[int, NDArray[np.uint8]]] = iter(())
        self._next = -1
        """Frame of the file that `_decoded` gives next, as far as is known."""
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
        with self._lock:
            return self._frame(self._source[1] + index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return self._read(0, len(self)).astype(dtype or self.dtype, copy=False)

    def _frame(self, wanted: int) -> NDArray[np.uint8]:
        """Frame `wanted` of the file, (H, W, 3)."""
        path, _, shape, _ = self._source
        if wanted not in self._kept:
            try:
                if self._container is None or not self._next <= wanted < self._next + NEAR:
                    self._jump(wanted)
                for number, image in self._decoded:
                    self._next = number + 1
                    if image.shape != tuple(shape):
                        raise wrong_frame(path, number, shape, number, image.shape)
                    self._keep(number, image)
                    if number >= wanted:
                        break
                if wanted not in self._kept:
                    number = self._next - 1
                    self._forget()
                    if number > wanted:
                        raise wrong_frame(path, wanted, shape, number, tuple(shape))
                    raise missing_frames(path, max(number + 1, 0), wanted, wanted)
            except (av.error.FFmpegError, IndexError) as error:
                self._forget()
                raise undecodable(path, error) from None
        self._kept.move_to_end(wanted)
        return self._kept[wanted]

    def _jump(self, wanted: int) -> None:
        """Decode from the last key frame at or before `wanted` on."""
        path, _, _, fps = self._source
        if self._container is None:
            self._container = av.open(str(path))
        stream = self._container.streams.video[0]
        base = stream.time_base
        assert base is not None  # every video stream of an opened file has one
        # half a frame late, then backward to the key frame
        self._container.seek(int((wanted + 0.5) / fps / base), stream=stream)
        self._decoded = (
            (round(cast(int, frame.pts) * base * fps), _rgb(frame))
            for frame in self._container.decode(stream)
        )
        self._next = wanted

    def _keep(self, number: int, image: NDArray[np.uint8]) -> None:
        self._kept[number] = image
        self._kept.move_to_end(number)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _forget(self) -> None:
        """Start anew with the next look: the file may have been mended."""
        self._container, self._decoded, self._next = None, iter(()), -1

    def _read(self, first: int, count: int) -> NDArray[np.uint8]:
        path, start, shape, fps = self._source
        return read_frames(path, start + first, count, shape, fps)


def _rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24"))
