"""The growing files of a dataset: a table, one row group an episode, and a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .video import VideoConfig, VideoEncoder


class TableShard:
    """One parquet file of the data; the episodes of one shard follow each other."""

    def __init__(self, path: Path, number: int, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.number = number
        self._file = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, schema)

    def would_exceed(self, table: pa.Table, limit: float) -> bool:
        """Whether `table`, taken uncompressed, could bring the file above `limit` bytes."""
        return self._file.tell() + table.nbytes > limit

    def add(self, table: pa.Table) -> None:
        """Write an episode as one row group."""
        self._writer.write_table(table, row_group_size=len(table))

    def close(self) -> None:
        """Write the footer, without which the file cannot be read."""
        self._writer.close()
        self._file.close()


class VideoShard:
    """One mp4 of a camera; the episodes of one shard are concatenated."""

    def __init__(
        self, path: Path, number: int, frames: NDArray[np.uint8], fps: int, config: VideoConfig
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.number = number
        self._encoder = VideoEncoder(path, *frames.shape[1:3], fps=fps, config=config)

    @property
    def num_frames(self) -> int:
        """Frames written so far."""
        return self._encoder.num_frames

    def would_exceed(self, count: int, limit: float) -> bool:
        """Whether `count` more frames, of the size of those so far, would exceed `limit` bytes."""
        done = self._encoder
        return done.num_bytes * (1 + count / done.num_frames) > limit

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Append an episode, beginning with a key frame so that it can be reached directly."""
        self._encoder.add(frames, starts_episode=True)

    def close(self) -> None:
        """Finish the file."""
        self._encoder.close()
