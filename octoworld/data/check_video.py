"""Check of the frames: every image decodes, on its clock, and belongs to its episode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

from . import layout
from .problem import Problem
from .reader import Dataset, EpisodeMeta
from .video import iterate_video


def tolerance(feature: dict[str, Any]) -> int:
    """Grey levels that a block mean may differ: none in PNG; h264 loses more the higher its crf.

    Rendered scenes differ by 3 levels at crf 18 and 6 at crf 30, coloured noise by 23 at crf 30.
    """
    return 6 + int(feature["info"].get("video.crf") or 0) if feature["dtype"] == "video" else 0


def check_videos(dataset: Dataset) -> Iterator[Problem]:
    """Problems of all cameras; missing files are reported elsewhere."""
    rows = dataset.episode_rows()
    for key, feature in dataset.features.items():
        if feature["dtype"] == "video":
            for path in dict.fromkeys(e.videos[key][0] for e in dataset.episodes):
                if (dataset.folder / path).is_file():
                    yield from _check_video(dataset, rows, key, path)
        elif feature["dtype"] == "image":
            for episode in dataset.episodes:
                if (dataset.folder / episode.data_file).is_file():
                    yield from _check_pngs(dataset, rows, key, episode)


def _check_video(
    dataset: Dataset, rows: list[dict[str, Any]], key: str, path: str
) -> Iterator[Problem]:
    here = [e for e in dataset.episodes if e.videos[key][0] == path]
    expected = sum(e.length for e in here)
    shape, small = tuple(dataset.features[key]["shape"]), []
    mend = "restore the file or collect the dataset again"
    try:
        for position, (number, image) in enumerate(
            iterate_video(dataset.folder / path, 0, dataset.fps)
        ):
            if image.shape != shape:
                yield Problem(path, f"frames are {image.shape}, expected {shape}", mend)
                return
            if number != position:
                yield Problem(
                    path,
                    f"frame {position} is shown at {number / dataset.fps:.4f} s, expected "
                    f"{position / dataset.fps:.4f} s",
                    mend,
                )
                return
            small.append(layout.thumbnails(image[None])[0])
    except DatasetError as error:
        yield Problem(path, f"{error}".split(";")[0].replace(f"{dataset.folder}/", ""), mend)
        return
    if len(small) != expected:
        yield Problem(path, f"has {len(small)} frames, its episodes have {expected}", mend)
    start = 0
    for episode in here:
        found = np.array(small[start : start + episode.length])
        if len(found) == episode.length:
            yield from _compare(dataset, rows, key, path, episode, found)
        start += episode.length


def _check_pngs(
    dataset: Dataset, rows: list[dict[str, Any]], key: str, episode: EpisodeMeta
) -> Iterator[Problem]:
    name = key.removeprefix(layout.IMAGE_PREFIX)
    try:
        frames = dataset.episode(episode.index, columns=[], cameras=[name])[key]
    except DatasetError as error:
        what = f"images of {name!r}: {error}".replace(f"{dataset.folder}/", "")
        yield Problem(
            f"{episode.data_file}, episode {episode.index}",
            what,
            "restore the file or collect again",
        )
        return
    yield from _compare(dataset, rows, key, episode.data_file, episode, layout.thumbnails(frames))


def _compare(
    dataset: Dataset,
    rows: list[dict[str, Any]],
    key: str,
    path: str,
    episode: EpisodeMeta,
    found: NDArray[np.uint8],
) -> Iterator[Problem]:
    """The block means that were kept at writing against those of the frames that are there."""
    stored = rows[episode.index].get(f"octoworld/thumbnails/{key}")
    if stored is None:  # a dataset of another writer
        return
    truth = np.frombuffer(stored, np.uint8)
    if truth.size != found.size:
        yield Problem(
            f"meta/episodes, episode {episode.index}",
            f"keeps thumbnails of {truth.size // 48} frames of {key}, not {episode.length}",
            "restore meta/episodes",
        )
        return
    error = np.abs(truth.reshape(found.shape).astype(int) - found)
    worst = error.reshape(len(found), -1).max(1)
    wrong = np.flatnonzero(worst > tolerance(dataset.features[key]))
    if len(wrong):
        yield Problem(
            f"{path}, episode {episode.index}",
            f"{len(wrong)} frames of {key} are not those recorded, the first is {wrong[0]} (block "
            f"means differ by {worst[wrong[0]]} of 255)",
            "restore the file, or the timestamps in meta/episodes",
        )
