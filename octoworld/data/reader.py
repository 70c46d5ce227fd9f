"""Dataset: a LeRobot v3.0 folder, ours or another's, read back as episodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError, OctoworldError
from octoworld.core.io import read_json

from . import layout
from .episode import Episode
from .lazy_video import LazyFrames
from .staging import recover
from .stats import STATISTICS, Stats
from .video import read_frames


@dataclass(frozen=True)
class EpisodeMeta:
    """Where an episode lies and what it is."""

    index: int
    """Number of the episode, from 0."""
    length: int
    """Steps."""
    instruction: str
    """What the robot was told to do."""
    info: dict[str, Any]
    """Facts of the whole episode (empty in datasets of other writers)."""
    first_frame: int
    """Index of its first step in the whole dataset."""
    data_file: str
    """Table file, relative to the dataset folder."""
    videos: dict[str, tuple[str, float]]
    """Video feature -> (file relative to the folder, start in that file [s])."""


class Dataset:
    """Episodes of one robot on disk; nothing but the metadata is read before it is asked for."""

    def __init__(self, folder: Path | str, *, expect_robot: str | None = None) -> None:
        """Open a dataset.

        Raises:
            DatasetError: it is missing, not of version v3.0, damaged, or not of `expect_robot`.
        """
        self.folder = Path(folder)
        recover(self.folder)
        if not (self.folder / "meta/info.json").is_file():
            raise DatasetError(
                f"{folder} is no dataset: {self.folder / 'meta/info.json'} does not exist; "
                "check the path"
            )
        self.info: dict[str, Any] = self._json("meta/info.json")
        version = self.info.get("codebase_version")
        if version != layout.VERSION:
            raise DatasetError(
                f"{folder} has format {version!r}, expected {layout.VERSION!r}; convert it with "
                "LeRobot's convert_dataset script"
            )
        try:
            self.fps = int(self.info["fps"])
            self.robot = str(self.info["robot_type"])
            self.num_frames = int(self.info["total_frames"])
            self.features: layout.Features = dict(self.info["features"])
            self._data_path = str(self.info["data_path"])
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{folder}/meta/info.json is damaged ({error!r}); restore it"
            ) from None
        if expect_robot is not None and self.robot != expect_robot:
            raise DatasetError(
                f"{folder} was recorded with robot {self.robot!r}, expected {expect_robot!r}"
            )
        has_extras = (self.folder / layout.EXTRAS_PATH).is_file()
        extras = self._json(layout.EXTRAS_PATH) if has_extras else {}
        self.is_ours = has_extras
        self.extra_meta: dict[str, Any] = extras.get("meta", {})
        self.columns_2d: list[str] = extras.get("columns_2d", [])
        self.episodes = self._read_episodes()

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras recorded."""
        return [k.removeprefix(layout.IMAGE_PREFIX) for k in self._image_keys]

    @property
    def names(self) -> dict[str, list[str]]:
        """What the numbers of a column are called, for the columns (T, D) that say it."""
        return layout.element_names(self.features)

    @property
    def _image_keys(self) -> list[str]:
        return [k for k, f in self.features.items() if f["dtype"] in ("video", "image")]

    @cached_property
    def tasks(self) -> list[str]:
        """Instructions by task index."""
        table = self.table("meta/tasks.parquet")
        texts = [n for n in table.column_names if pa.types.is_string(table.schema.field(n).type)]
        if not texts or "task_index" not in table.column_names:
            raise DatasetError(f"{self.folder}/meta/tasks.parquet is damaged; restore it")
        rows = dict(zip(table["task_index"].to_pylist(), table[texts[0]].to_pylist(), strict=True))
        return [rows[i] for i in sorted(rows)]

    @cached_property
    def stats(self) -> dict[str, Stats]:
        """Statistics of the whole dataset, by feature."""
        stats = self._json("meta/stats.json")
        return {k: {n: np.array(v) for n, v in s.items()} for k, s in stats.items()}

    def episode(
        self,
        index: int,
        columns: Sequence[str] | None = None,
        cameras: Sequence[str] | None = None,
        *,
        lazy: bool = False,
    ) -> Episode:
        """One episode; `columns` and `cameras` None give all that there are.

        With `lazy`, video is decoded when it is looked at: its columns are `LazyFrames`.

        Raises:
            DatasetError: no such episode, column or camera, or a file is missing or damaged.
        """
        if not 0 <= index < len(self):
            raise DatasetError(
                f"episode {index} is not in {self.folder}; it has 0..{len(self) - 1}"
            )
        keys = self._select(columns, cameras)
        meta = self.episodes[index]
        first = next(e for e in self.episodes if e.data_file == meta.data_file).first_frame
        table = self._rows(meta.data_file, meta.first_frame - first, meta.length, keys)
        arrays: dict[str, Any] = {
            k: self._numpy(k, table[k], meta.data_file) for k in table.column_names
        }
        for key in keys:
            if self.features[key]["dtype"] == "video":
                path, start = meta.videos[key]
                shape = self.features[key]["shape"]
                arrays[key] = (LazyFrames if lazy else read_frames)(
                    self.folder / path, round(start * self.fps), meta.length, shape, self.fps
                )
        return self._episode(meta, {k: arrays[k] for k in keys})

    def load_all(
        self,
        columns: Sequence[str] | None = None,
        cameras: Sequence[str] | None = None,
    ) -> list[Episode]:
        """All episodes, reading every file once from front to back.

        Args:
            columns: table columns to load; None is all, [] none.
            cameras: cameras to load; None is all, [] none.
        """
        keys = self._select(columns, cameras)
        parts: list[dict[str, NDArray]] = [{} for _ in self.episodes]
        stored = [k for k in keys if self.features[k]["dtype"] != "video"]
        for path in dict.fromkeys(e.data_file for e in self.episodes) if stored else []:
            here = [e for e in self.episodes if e.data_file == path]
            table = self.table(path, stored)
            needed = here[-1].first_frame + here[-1].length - here[0].first_frame
            if len(table) < needed:
                raise DatasetError(
                    f"{self.folder / path} has {len(table)} rows, its episodes have {needed}; run "
                    "`octoworld dataset check`"
                )
            for key in stored:
                values = self._numpy(key, table[key], path)
                for e in here:
                    start = e.first_frame - here[0].first_frame
                    parts[e.index][key] = values[start : start + e.length]
        for key in (k for k in keys if self.features[k]["dtype"] == "video"):
            for path in dict.fromkeys(e.videos[key][0] for e in self.episodes):
                for index, frames in self._decode_file(key, path).items():
                    parts[index][key] = frames
        return [
            self._episode(e, {k: part[k] for k in keys})
            for e, part in zip(self.episodes, parts, strict=True)
        ]

    def _decode_file(self, key: str, path: str) -> dict[int, NDArray[np.uint8]]:
        here = [e for e in self.episodes if e.videos[key][0] == path]
        starts = [round(e.videos[key][1] * self.fps) for e in here]
        count = max(s + e.length for s, e in zip(starts, here, strict=True))
        frames = read_frames(self.folder / path, 0, count, self.features[key]["shape"], self.fps)
        return {e.index: frames[s : s + e.length] for s, e in zip(starts, here, strict=True)}

    def _select(self, columns: Sequence[str] | None, cameras: Sequence[str] | None) -> list[str]:
        images = self._image_keys
        tables = [k for k in self.features if k not in images and k not in layout.AUTOMATIC]
        wanted = None
        if cameras is not None:
            wanted = [c if c in images else layout.IMAGE_PREFIX + c for c in cameras]
        for kind, asked, known in (("column", columns, tables), ("camera", wanted, images)):
            for name in asked or []:
                if name not in known:
                    names = [n.removeprefix(layout.IMAGE_PREFIX) for n in known]
                    raise DatasetError(
                        f"{kind} {name.removeprefix(layout.IMAGE_PREFIX)!r} is not in "
                        f"{self.folder}; it has {', '.join(names) or 'none'}"
                    )
        chosen = {
            *(tables if columns is None else columns),
            *(images if wanted is None else wanted),
        }
        if not chosen:
            raise DatasetError("an episode needs at least one column or camera; both were empty")
        return [k for k in self.features if k in chosen]

    def _episode(self, meta: EpisodeMeta, arrays: dict[str, NDArray]) -> Episode:
        shaped = {k: v[:, None] if k in self.columns_2d else v for k, v in arrays.items()}
        names = {k: tuple(v) for k, v in self.names.items() if k in shaped}
        return Episode(shaped, meta.instruction, self.fps, dict(meta.info), names)

    def _numpy(self, key: str, column: pa.ChunkedArray, path: str) -> NDArray:
        try:
            return layout.to_numpy(column, self.features[key])
        except (ValueError, TypeError) as error:
            raise DatasetError(
                f"column {key!r} of {self.folder / path} is not as meta/info.json says ({error}); "
                "run `octoworld dataset check`"
            ) from None

    def _rows(self, path: str, start: int, length: int, keys: list[str]) -> pa.Table:
        """Rows start .. start + length of a table file, reading only the row groups they lie in."""
        names = [k for k in keys if self.features[k]["dtype"] != "video"]
        with self._parquet(path) as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            first = int(np.searchsorted(ends, start, "right"))
            last = int(np.searchsorted(ends, start + length, "left"))
            if last >= len(sizes):
                raise DatasetError(
                    f"{self.folder / path} has {sum(sizes)} rows, but rows up to {start + length} "
                    "were asked for; run `octoworld dataset check`"
                )
            try:
                table = file.read_row_groups(list(range(first, last + 1)), columns=names)
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(path, error) from None
        return table.slice(start - (ends[first] - sizes[first]), length)

    def _parquet(self, path: str) -> pq.ParquetFile:
        full = self.folder / path
        if not full.is_file():
            raise DatasetError(f"{full} is missing; restore it or collect the dataset again")
        try:
            return pq.ParquetFile(full)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(path, error) from None

    def table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """A whole parquet file of the dataset; DatasetError when it is missing or damaged."""
        with self._parquet(path) as file:
            missing = [c for c in columns or [] if c not in file.schema_arrow.names]
            if missing:
                raise DatasetError(f"{self.folder / path} lacks column {missing[0]!r}; restore it")
            try:
                return file.read(columns=columns)
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(path, error) from None

    def _damaged(self, path: str, error: Exception) -> DatasetError:
        text = str(error).splitlines()[0]
        return DatasetError(
            f"{self.folder / path} is damaged ({text}); restore it or collect again"
        )

    def _json(self, name: str) -> Any:
        try:
            value = read_json(self.folder / name)
        except OctoworldError as error:
            raise DatasetError(str(error)) from None
        if not isinstance(value, dict):
            raise DatasetError(f"{self.folder / name} is damaged: expected a mapping; restore it")
        return value

    def episode_rows(self) -> list[dict[str, Any]]:
        """The rows of `meta/episodes`, without statistics."""
        rows = []
        for path in sorted((self.folder / "meta/episodes").glob("*/*.parquet")):
            name = str(path.relative_to(self.folder))
            with self._parquet(name) as file:
                names = [n for n in file.schema_arrow.names if not n.startswith("stats/")]
            rows += self.table(name, names).to_pylist()
        return rows

    def _read_episodes(self) -> list[EpisodeMeta]:
        videos = [k for k, f in self.features.items() if f["dtype"] == "video"]
        episodes = []
        try:
            for index, row in enumerate(self.episode_rows()):
                place = {k: row[f"data/{k}"] for k in ("chunk_index", "file_index")}
                files = {}
                for key in videos:
                    at = {k: row[f"videos/{key}/{k}"] for k in ("chunk_index", "file_index")}
                    path = str(self.info["video_path"]).format(video_key=key, **at)
                    files[key] = (path, row[f"videos/{key}/from_timestamp"])
                episodes.append(
                    EpisodeMeta(
                        index=index,
                        length=row["length"],
                        instruction=row["tasks"][0],
                        info=json.loads(row.get("octoworld/info") or "{}"),
                        first_frame=row["dataset_from_index"],
                        data_file=self._data_path.format(**place),
                        videos=files,
                    )
                )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{self.folder}/meta/episodes is damaged ({error!r}); restore it or collect again"
            ) from None
        if len(episodes) != self.info.get("total_episodes"):
            raise DatasetError(
                f"{self.folder}/meta/episodes lists {len(episodes)} episodes, meta/info.json "
                f"{self.info.get('total_episodes')}; restore the missing file"
            )
        return episodes


def read_episode_stats(root: Path, key: str) -> list[Stats]:
    """A feature's statistics of each episode, in order."""
    names = [f"stats/{key}/{s}" for s in STATISTICS]
    stats = []
    for path in sorted((root / "meta/episodes").glob("*/*.parquet")):
        rows = pq.read_table(path, columns=names).to_pylist()
        stats += [{s: np.array(row[f"stats/{key}/{s}"]) for s in STATISTICS} for row in rows]
    return stats
