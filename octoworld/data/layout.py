"""The LeRobot v3.0 layout: where files lie, what a feature is, and arrays to Arrow and back."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

from .episode import Episode
from .video import VideoConfig

VERSION = "v3.0"
CHUNK_SIZE = 1000
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EXTRAS_PATH = "meta/octoworld.json"
"""What LeRobot has no field for; LeRobot itself never looks at this file."""
THUMBNAIL = (4, 4, 3)
"""Every frame's block means, kept an episode, by which `check` knows frames of another episode."""
IMAGE_PREFIX = "observation.images."

Features = dict[str, dict[str, Any]]

AUTOMATIC: Features = {
    name: {"dtype": dtype, "shape": [1], "names": None}
    for name, dtype in {
        "timestamp": "float32",
        "frame_index": "int64",
        "episode_index": "int64",
        "index": "int64",
        "task_index": "int64",
    }.items()
}
"""Columns that the writer makes and the reader drops."""


def infer_features(
    episode: Episode,
    fps: int,
    is_video: dict[str, bool],
    names: dict[str, list[str]],
    video: VideoConfig,
) -> Features:
    """Feature table of an episode's columns.

    Raises:
        DatasetError: a column has no place in the format, or carries a reserved name.
    """
    features: Features = {}
    for key, values in episode.columns.items():
        if key in AUTOMATIC or "/" in key:
            raise DatasetError(
                f"column {key!r}: the names {', '.join(AUTOMATIC)} are made by the writer, and "
                "'/' is not allowed; rename it"
            )
        if key.startswith(IMAGE_PREFIX):
            features[key] = _image_feature(key, values, fps, is_video, video)
        elif values.dtype.kind not in "fiub" or values.ndim > 2:
            raise DatasetError(
                f"column {key!r} is {values.dtype} of shape {values.shape}; expected numbers or "
                "bools of shape (T,) or (T, D)"
            )
        else:
            shape = [values.shape[1]] if values.ndim == 2 else [1]
            told = names.get(key)
            if told is not None and len(told) != shape[0]:
                raise DatasetError(
                    f"column {key!r} has {shape[0]} numbers a step, but {len(told)} names: "
                    f"{', '.join(told)}"
                )
            features[key] = {"dtype": values.dtype.name, "shape": shape, "names": told}
    return features | AUTOMATIC


def element_names(features: Features) -> dict[str, list[str]]:
    """What the D numbers of a column (T, D) are called, of the columns that say it.

    LeRobot leaves the form of `names` open: what is no list of one name a number is left out, and
    so are cameras, whose axes are named.
    """
    return {
        key: [str(name) for name in feature["names"]]
        for key, feature in features.items()
        if isinstance(feature.get("names"), list)
        and [len(feature["names"])] == list(feature["shape"])
    }


def _image_feature(
    key: str, values: NDArray, fps: int, is_video: dict[str, bool], video: VideoConfig
) -> dict[str, Any]:
    if values.dtype != np.uint8 or values.ndim != 4 or values.shape[-1] != 3:
        raise DatasetError(
            f"camera {key!r} is {values.dtype} of shape {values.shape}; expected uint8 (T, H, W, 3)"
        )
    height, width = values.shape[1:3]
    feature: dict[str, Any] = {
        "dtype": "image",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
    }
    if is_video.get(key[len(IMAGE_PREFIX) :], True):
        if video.pix_fmt == "yuv420p" and (height % 2 or width % 2):
            raise DatasetError(
                f"camera {key!r}: yuv420p video needs even sizes, got {height}x{width}; use yuv444p"
            )
        feature["dtype"] = "video"
        feature["info"] = {
            "video.height": height,
            "video.width": width,
            "video.codec": "h264",
            "video.pix_fmt": video.pix_fmt,
            "video.fps": fps,
            "video.channels": 3,
            "video.is_depth_map": False,
            "has_audio": False,
            "video.g": video.gop,
            "video.crf": video.crf,
            "video.preset": video.preset,
        }
    return feature


def arrow_type(feature: dict[str, Any]) -> pa.DataType:
    """Arrow type of a stored column: a scalar, a list of fixed size, or PNG bytes with a path."""
    if feature["dtype"] == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    scalar = pa.from_numpy_dtype(np.dtype(feature["dtype"]))
    size = feature["shape"][0]
    return scalar if feature["shape"] == [1] else pa.list_(scalar, size)


def data_schema(features: Features) -> pa.Schema:
    """Schema of the data files; video features have no column."""
    return pa.schema([(k, arrow_type(f)) for k, f in features.items() if f["dtype"] != "video"])


def to_arrow(values: NDArray, feature: dict[str, Any]) -> pa.Array:
    """(T,), (T, D) or (T, H, W, 3) to one Arrow column."""
    kind = arrow_type(feature)
    if feature["dtype"] == "image":
        rows = [
            {"bytes": encode_png(v), "path": f"frame-{i:06d}.png"} for i, v in enumerate(values)
        ]
        return pa.array(rows, kind)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if not pa.types.is_fixed_size_list(kind):
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)


def to_numpy(column: pa.ChunkedArray, feature: dict[str, Any]) -> NDArray:
    """The array of `to_arrow`; a feature of shape [1] gives (T,).

    Raises:
        ValueError: the column does not hold what the feature says.
    """
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no rows at all
        array = pa.concat_arrays(array.chunks)
    if feature["dtype"] == "image":
        return np.stack([decode_png(b.as_py()) for b in array.field("bytes")])
    while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    values = array.to_numpy(zero_copy_only=False)
    shape = [] if feature["shape"] == [1] else feature["shape"]
    return np.array(values).reshape(len(column), *shape)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) RGB uint8 to PNG, without loss."""
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def decode_png(data: bytes | None) -> NDArray[np.uint8]:
    """PNG to (H, W, 3) RGB uint8; raises ValueError when it is damaged."""
    image = cv2.imdecode(np.frombuffer(data or b"\0", np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a PNG image is damaged")
    return np.asarray(image, np.uint8)[..., ::-1]


def thumbnails(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Block means of every frame: (T, H, W, 3) -> (T, 4, 4, 3) uint8."""
    size = THUMBNAIL[1::-1]
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def tasks_table(tasks: list[str]) -> pa.Table:
    """`meta/tasks.parquet`; pandas reads the column `task` as the index, as LeRobot expects."""
    text = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    whole = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [{"name": None, "field_name": None} | text],
        "columns": [
            {"name": "task_index", "field_name": "task_index"} | whole,
            {"name": "task", "field_name": "task"} | text,
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    table = pa.table(
        {
            "task_index": pa.array(range(len(tasks)), pa.int64()),
            "task": pa.array(tasks, pa.string()),
        }
    )
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})
