"""DatasetWriter: episodes to a LeRobot v3.0 dataset that appears, or grows, all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

from . import layout
from .episode import Episode
from .metadata import plain, write_meta
from .reader import Dataset
from .shards import TableShard, VideoShard
from .staging import Staging
from .stats import column_stats, image_stats, sample_indices
from .video import VideoConfig

MEGABYTE = 1_000_000
ROWS_MB = 16
"""A file of the episode table takes more rows until it has this size [MB]."""


class DatasetWriter:
    """Writes episodes of one robot, with the same columns, into one dataset folder.

    Nothing is seen at `folder` until `close()` (or `commit()`); a run that is killed before leaves
    what was there before, or nothing. As a context manager it closes on success and drops
    everything on an exception.
    """

    def __init__(
        self,
        folder: Path | str,
        fps: int,
        robot: str,
        *,
        extra_meta: Mapping[str, Any] | None = None,
        video: bool | Mapping[str, bool] = True,
        names: Mapping[str, Sequence[str]] | None = None,
        video_config: VideoConfig | None = None,
        data_mb: float = 100,
        video_mb: float = 200,
    ) -> None:
        """Start a new dataset.

        Args:
            folder: must not exist yet.
            fps: control steps a second [Hz].
            robot: name of the robot, `robot_type` of the dataset.
            extra_meta: JSON-able facts of the whole dataset (task, control mode, commit, ...).
            video: cameras as h264 (True) or as PNG in the table (False), for all or by camera.
            names: names of a column's elements, such as {"action": ["dx", "dy", "dz", "gripper"]};
                those of the first episode where none are given.
            video_config: compression.
            data_mb: a table file is closed before it would exceed this [MB].
            video_mb: the same for a video file [MB].

        Raises:
            DatasetError: the folder exists, or another process is writing it.
        """
        self.folder = Path(folder)
        if int(fps) != fps or fps <= 0:
            raise DatasetError(f"fps must be a whole number > 0, got {fps!r}")
        self.fps, self.robot = int(fps), robot
        self.extra_meta = dict(extra_meta or {})
        self._video, self._names = video, {k: list(v) for k, v in (names or {}).items()}
        self._config = video_config or VideoConfig()
        self._limits = (data_mb * MEGABYTE, video_mb * MEGABYTE)
        self._staging = Staging(self.folder)
        if self.folder.exists():
            self._staging.discard()
            raise DatasetError(
                f"{folder} exists already; use DatasetWriter.append, delete it, or choose another"
            )
        self.features: layout.Features = {}
        self.tasks: list[str] = []
        self.num_episodes = self.num_frames = 0
        self._columns_2d: list[str] = []
        self._first_file: dict[str, int] = {}
        self._begin()

    @classmethod
    def append(
        cls,
        folder: Path | str,
        *,
        video_config: VideoConfig | None = None,
        data_mb: float = 100,
        video_mb: float = 200,
    ) -> DatasetWriter:
        """Go on writing a closed dataset; data and videos are not touched, new ones come beside.

        Raises:
            DatasetError: there is no dataset, or another process is writing it.
        """
        writer = cls.__new__(cls)
        writer.folder = Path(folder)
        writer._limits = (data_mb * MEGABYTE, video_mb * MEGABYTE)
        writer._config = video_config or VideoConfig()
        writer._staging = Staging(writer.folder)
        try:
            writer._continue()
        except Exception:
            writer._staging.discard()
            raise
        return writer

    def _continue(self) -> None:
        old = Dataset(self.folder)
        self.fps, self.robot, self.extra_meta = old.fps, old.robot, dict(old.extra_meta)
        self.features, self.tasks = old.features, list(old.tasks)
        self.num_episodes, self.num_frames = len(old), old.num_frames
        self._names = old.names
        prefix = len(layout.IMAGE_PREFIX)
        self._video = {k[prefix:]: f["dtype"] == "video" for k, f in self.features.items()}
        self._columns_2d = old.columns_2d
        self._staging.link(["data", "videos", "meta/episodes"])
        self._begin()
        self._first_file = {
            "data": self._next_file("data"),
            "meta": self._next_file("meta/episodes"),
        }
        for key in self._video_keys:
            self._first_file[key] = self._next_file(f"videos/{key}")

    def _next_file(self, name: str) -> int:
        files = sorted((self._staging.path / name).glob("chunk-*/file-*"))
        if not files:
            return 0
        chunk, file = files[-1].parent.name, files[-1].stem
        return int(chunk.split("-")[1]) * layout.CHUNK_SIZE + int(file.split("-")[1]) + 1

    def _begin(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._table: TableShard | None = None
        self._videos: dict[str, VideoShard] = {}
        self._open = True

    @property
    def _video_keys(self) -> list[str]:
        return [k for k, f in self.features.items() if f["dtype"] == "video"]

    def add(self, episode: Episode) -> int:
        """Append an episode; returns its index.

        Raises:
            DatasetError: it is empty, its fps or columns differ from the first episode's, or a
                float is not finite; a column has more or fewer names than numbers.
        """
        if not self._open:
            raise DatasetError(f"the writer of {self.folder} is closed; use DatasetWriter.append")
        self._check(episode)
        length, index = len(episode), self.num_episodes
        if episode.instruction not in self.tasks:
            self.tasks.append(episode.instruction)
        frame = np.arange(length)
        columns = episode.columns | {
            # from integers, never summed: a reader compares them with the video clock to 1e-4 s
            "timestamp": (frame / self.fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, index),
            "index": self.num_frames + frame,
            "task_index": np.full(length, self.tasks.index(episode.instruction)),
        }
        chunk, file = self._add_table(columns)
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [episode.instruction],
            "length": length,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self.num_frames,
            "dataset_to_index": self.num_frames + length,
            "octoworld/info": json.dumps(episode.info, default=plain),
        }
        for key, feature in self.features.items():
            if feature["dtype"] in ("video", "image"):
                frames = episode[key]
                row[f"octoworld/thumbnails/{key}"] = layout.thumbnails(frames).tobytes()
                stats = image_stats(frames[sample_indices(length)])
            else:
                stats = column_stats(columns[key])
            row |= {f"stats/{key}/{name}": value.tolist() for name, value in stats.items()}
        for key in self._video_keys:
            row |= self._add_video(key, episode[key])
        self._rows.append(row)
        self.num_episodes += 1
        self.num_frames += length
        return index

    def _check(self, episode: Episode) -> None:
        if episode.fps != self.fps or len(episode) == 0:
            raise DatasetError(
                f"expected an episode of >= 1 steps at {self.fps} Hz, got {len(episode)} steps at "
                f"{episode.fps} Hz"
            )
        video = self._video
        if isinstance(video, bool):
            video = dict.fromkeys(episode.cameras, video)
        names = {k: list(v) for k, v in episode.names.items()} | self._names
        found = layout.infer_features(episode, self.fps, dict(video), names, self._config)
        if not self.features:
            self.features = found
            self._columns_2d = [k for k, v in episode.columns.items() if v.shape[1:] == (1,)]
        for key in dict.fromkeys([*self.features, *found]):
            old, new = (
                {k: f.get(key, {}).get(k) for k in ("dtype", "shape")}
                for f in (self.features, found)
            )
            if old != new:
                raise DatasetError(f"column {key!r}: the dataset has {old}, the episode {new}")
        for key, values in episode.columns.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                step = int(np.argwhere(~np.isfinite(values))[0][0])
                raise DatasetError(f"column {key!r} is not finite at step {step}")

    def _add_table(self, columns: dict[str, NDArray]) -> tuple[int, int]:
        schema = layout.data_schema(self.features)
        arrays = [layout.to_arrow(columns[k], self.features[k]) for k in schema.names]
        table = pa.Table.from_arrays(arrays, schema=schema)
        if self._table is None or self._table.would_exceed(table, self._limits[0]):
            number = self._first_file.get("data", 0)
            if self._table:
                self._table.close()
                number = self._table.number + 1
            path = self._staging.path / layout.DATA_PATH.format(**_place(number))
            self._table = TableShard(path, number, schema)
        self._table.add(table)
        return divmod(self._table.number, layout.CHUNK_SIZE)

    def _add_video(self, key: str, frames: NDArray[np.uint8]) -> dict[str, Any]:
        video = self._videos.get(key)
        if video is None or video.would_exceed(len(frames), self._limits[1]):
            number = self._first_file.get(key, 0)
            if video:
                video.close()
                number = video.number + 1
            path = layout.VIDEO_PATH.format(video_key=key, **_place(number))
            video = VideoShard(self._staging.path / path, number, frames, self.fps, self._config)
            self._videos[key] = video
        start = video.num_frames
        video.add(frames)
        chunk, file = divmod(video.number, layout.CHUNK_SIZE)
        return {
            f"videos/{key}/chunk_index": chunk,
            f"videos/{key}/file_index": file,
            f"videos/{key}/from_timestamp": start / self.fps,
            f"videos/{key}/to_timestamp": (start + len(frames)) / self.fps,
        }

    def commit(self) -> None:
        """Make what was added so far visible, and go on; a later kill loses only what follows."""
        if self._rows:
            self.close()
            self._staging = Staging(self.folder)
            self._continue()

    def close(self) -> None:
        """Finish the files and make the dataset visible.

        Raises:
            DatasetError: a new dataset got no episode.
        """
        if not self._open:
            return
        self._open = False
        if not self._rows:
            self._staging.discard()
            if self.num_episodes == 0:
                raise DatasetError(f"no episode was added to {self.folder}: nothing is written")
            return
        assert self._table is not None  # every row has one
        self._table.close()
        for video in self._videos.values():
            video.close()
        self._write_meta(self._staging.path)
        self._staging.link(self._others())
        self._staging.publish()

    def _others(self) -> list[str]:
        """What lies in the folder beside the data set, such as a scene or a card, and stays."""
        own = ("data", "videos", "meta")
        is_there = self.folder.is_dir()
        return [p.name for p in self.folder.iterdir() if p.name not in own] if is_there else []

    def _write_meta(self, root: Path) -> None:
        self._write_rows(root)
        info = {
            "robot_type": self.robot,
            "total_episodes": self.num_episodes,
            "total_frames": self.num_frames,
            "data_files_size_in_mb": self._limits[0] / MEGABYTE,
            "video_files_size_in_mb": self._limits[1] / MEGABYTE,
            "fps": self.fps,
        }
        extras = {"meta": self.extra_meta, "columns_2d": self._columns_2d}
        write_meta(root, info, self.features, self.tasks, extras)

    def _write_rows(self, root: Path) -> None:
        """The episode table: what was added joins the last file while that is small, else is new.

        Everybody who opens a dataset reads all of these files, and one that is committed after
        every episode would have as many files as episodes.
        """
        number = self._first_file.get("meta", 0)
        last = root / layout.EPISODES_PATH.format(**_place(number - 1))
        if number and last.stat().st_size < ROWS_MB * MEGABYTE:
            old, joined = pq.read_table(last), self._table_of_rows(number - 1)
            if old.schema.equals(joined.schema):
                last.unlink()  # a link: the file that the present dataset has is left alone
                pq.write_table(pa.concat_tables([old, joined]), last)
                return
        path = root / layout.EPISODES_PATH.format(**_place(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(self._table_of_rows(number), path)

    def _table_of_rows(self, number: int) -> pa.Table:
        at = {f"meta/episodes/{k}": v for k, v in _place(number).items()}
        return pa.Table.from_pylist([row | at for row in self._rows])

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif self._open:
            self._open = False
            self._staging.discard()


def _place(number: int) -> dict[str, int]:
    chunk, file = divmod(number, layout.CHUNK_SIZE)
    return {"chunk_index": chunk, "file_index": file}
