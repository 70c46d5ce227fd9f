"""Episodes on disk and in memory: LeRobot v3.0 datasets, video, splits, words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .check import Problem
    from .episode import Episode
    from .reader import Dataset
    from .splits import SplitManifest
    from .video import VideoConfig, write_mp4
    from .writer import DatasetWriter

# loaded when first used: `import octoworld` must not wait for pyarrow, PyAV and torch
_HOMES = {
    "Dataset": "reader",
    "DatasetWriter": "writer",
    "Episode": "episode",
    "Problem": "check",
    "SplitManifest": "splits",
    "VideoConfig": "video",
    "write_mp4": "video",
}

__all__ = [
    "Dataset",
    "DatasetWriter",
    "Episode",
    "Problem",
    "SplitManifest",
    "VideoConfig",
    "write_mp4",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
