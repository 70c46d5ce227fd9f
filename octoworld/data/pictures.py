"""Pictures of a dataset: a contact sheet of its episodes, histograms of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from octoworld.core.errors import DatasetError
from octoworld.core.io import atomic_file

from .captions import Word, caption, words_of
from .reader import Dataset, EpisodeMeta
from .summary import SUCCESS, elements, task_of

TILE, GAP, MARGIN = 128, 3, 14
"""Height of a frame, space between frames, and between episodes [px]."""
WIDEST = 1800
"""Of a contact sheet [px], unless one episode is wider."""
PAPER, INK, FAINT, GOOD, BAD = (
    (255, 255, 255), (32, 36, 42), (110, 116, 126), (20, 128, 62), (190, 44, 36),
)  # fmt: skip
BLUE = "#0072b2"
BINS = 40


def chosen(dataset: Dataset, count: int) -> list[EpisodeMeta]:
    """Up to `count` episodes, as many of each task as of another, from all over the dataset."""
    groups: dict[str, list[EpisodeMeta]] = {}
    for episode in dataset.episodes:
        groups.setdefault(task_of(episode), []).append(episode)
    shares = [0] * len(groups)
    left = min(count, len(dataset))
    while left:  # one more for every task that has one
        for i, group in enumerate(groups.values()):
            if left and shares[i] < len(group):
                shares[i], left = shares[i] + 1, left - 1
    found = []
    for share, group in zip(shares, groups.values(), strict=True):
        spread = np.linspace(0, len(group) - 1, share).round().astype(int)
        found += [group[i] for i in spread]
    return found


def contact_sheet(
    dataset: Dataset, columns: dict[str, list[NDArray]], count: int = 12
) -> NDArray[np.uint8]:
    """First, middle and last frame of some episodes by every camera, (H, W, 3).

    Args:
        dataset: has cameras and episodes.
        columns: its `load_columns`, which tell success.
        count: how many episodes.

    Raises:
        DatasetError: there is nothing to show, or a file is missing or damaged.
    """
    if not dataset.cameras or not len(dataset):
        raise DatasetError(f"{dataset.folder} has no cameras or no episodes to show")
    blocks = []
    for meta in chosen(dataset, count):
        won = bool(np.any(columns[SUCCESS][meta.index])) if SUCCESS in columns else None
        blocks.append(_block(dataset, meta, won))
    height, width = (max(b.shape[k] for b in blocks) for k in (0, 1))
    across = max(1, min(len(blocks), (WIDEST - MARGIN) // (width + MARGIN)))
    down = -(-len(blocks) // across)
    page = np.empty((down * (height + MARGIN) + MARGIN, across * (width + MARGIN) + MARGIN, 3),
                    np.uint8)  # fmt: skip
    page[:] = PAPER
    for i, block in enumerate(blocks):
        top = MARGIN + (i // across) * (height + MARGIN)
        left = MARGIN + (i % across) * (width + MARGIN)
        page[top : top + block.shape[0], left : left + block.shape[1]] = block
    return page


def _block(dataset: Dataset, meta: EpisodeMeta, won: bool | None) -> NDArray[np.uint8]:
    """An episode: what was said and what came of it, then its frames by camera."""
    episode = dataset.episode(meta.index, columns=[])
    steps = (0, meta.length // 2, meta.length - 1)
    groups = []
    for camera in dataset.cameras:
        frames = [_tile(episode[f"observation.images.{camera}"][step]) for step in steps]
        row = _beside(frames, GAP)
        label = words_of(f"{camera}, steps {', '.join(map(str, steps))}", FAINT)
        groups.append(np.concatenate([caption([label], row.shape[1], PAPER), row]))
    pictures = _beside(groups, 3 * GAP)
    task = task_of(meta)
    head: list[Word] = words_of(f"#{meta.index}", FAINT)
    if task != meta.instruction:
        head += words_of(f"{task}:", INK)
    head += words_of(f'"{meta.instruction}"', INK)
    if won is not None:
        head.append(("success", GOOD) if won else ("no success", BAD))
    return np.concatenate([caption([head], pictures.shape[1], PAPER), pictures])


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`TILE` pixels high; small images are enlarged without blurring."""
    height, width = image.shape[:2]
    size = (max(1, round(width * TILE / height)), TILE)
    kind = Image.Resampling.NEAREST if height <= TILE else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize(size, kind))


def _beside(images: Sequence[NDArray[np.uint8]], gap: int) -> NDArray[np.uint8]:
    height = max(image.shape[0] for image in images)
    parts = []
    for i, image in enumerate(images):
        padding = ((height - image.shape[0], 0), (gap if i else 0, 0), (0, 0))
        parts.append(np.pad(image, padding, constant_values=255))
    return np.concatenate(parts, axis=1)


def histograms(dataset: Dataset, columns: dict[str, list[NDArray]], name: str) -> Figure:
    """How each element of a column is spread over all steps: share of steps by value.

    A dotted line stands at the mean, dashed ones at the 1 % and 99 % quantiles.
    """
    values = np.concatenate(columns[name]).astype(np.float64)
    values = values.reshape(len(values), -1)
    found = elements(name, values, dataset)
    across = min(4, values.shape[1])
    down = -(-values.shape[1] // across)
    figure = Figure(figsize=(3.2 * across, 2.2 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for i, label in enumerate(found["names"]):
        weights = np.full(len(values), 1 / len(values))
        axes[i].hist(values[:, i], BINS, weights=weights, color=BLUE)
        axes[i].axvline(found["mean"][i], color="black", linestyle=":", linewidth=1)
        for quantile in ("q01", "q99"):
            axes[i].axvline(found[quantile][i], color="black", linestyle="--", linewidth=0.6)
        axes[i].set_title(label if not label.isdecimal() else f"{name} [{label}]", fontsize=9)
        axes[i].tick_params(labelsize=7)
        axes[i].locator_params(axis="x", nbins=5)
        axes[i].spines[["top", "right"]].set_visible(False)
    for spare in axes[values.shape[1] :]:
        spare.set_visible(False)
    for axis in axes[::across]:
        axis.set_ylabel("share of steps", fontsize=8)
    title = f"{dataset.folder.name}: {name}, {len(values)} steps"
    figure.suptitle(f"{title} (dotted: mean; dashed: 1 % and 99 %)", fontsize=10)
    return figure


def write_pictures(
    dataset: Dataset, columns: dict[str, list[NDArray]], folder: Path, episodes: int = 12
) -> list[Path]:
    """Write `contact_sheet.png` and a `histogram-COLUMN.png` for each column, as far as they go."""
    written = []
    if dataset.cameras and len(dataset):
        written.append(folder / "contact_sheet.png")
        with atomic_file(written[-1]) as temporary:
            Image.fromarray(contact_sheet(dataset, columns, episodes)).save(temporary)
    for name in columns:
        if name != SUCCESS:
            written.append(folder / f"histogram-{name.split('.')[-1]}.png")
            with atomic_file(written[-1]) as temporary:
                histograms(dataset, columns, name).savefig(temporary, format="png", dpi=110)
    return written
