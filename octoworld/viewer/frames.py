"""Pictures of recordings: true beside imagined, their difference, contact sheets, small films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from octoworld.core.io import atomic_file

Frames = NDArray[np.uint8]

GAP = 4
"""Space between tiles [px]."""
CAPTION_HEIGHT = 18
"""Height of the strip that carries a tile's caption [px]."""
INK = {"dark": (208, 212, 220), "light": (60, 64, 72)}
"""Colour of captions by theme."""
PAPER = {"dark": (36, 36, 36), "light": (255, 255, 255)}
"""Background by theme; the colours of the GUI's own panels."""
SKY = {"dark": ((60, 68, 80), (24, 26, 30)), "light": ((214, 224, 236), (250, 250, 250))}
"""Colours behind the 3D scene by theme, at the top and at the bottom."""


def upscale(frames: Frames, scale: int) -> Frames:
    """Nearest-neighbour enlargement, (..., H, W, 3) -> (..., scale H, scale W, 3)."""
    return frames.repeat(scale, axis=-3).repeat(scale, axis=-2)


def difference(true: Frames, imagined: Frames, gain: float = 2.0) -> Frames:
    """Absolute difference as grey levels, `gain` times brighter, (..., H, W, 3) uint8.

    The largest of the three channels is shown, so that a wrong hue is as visible as a wrong shade.
    """
    gap = np.abs(true.astype(np.int16) - imagined.astype(np.int16)).max(axis=-1, keepdims=True)
    return np.repeat(np.clip(gap * gain, 0, 255).astype(np.uint8), 3, axis=-1)


def side_by_side(
    true: Frames, imagined: Frames | None, scale: int = 4, *, with_difference: bool = False
) -> Frames:
    """Frames of a film, (T, H, W, 3) each -> (T, scale H, ..., 3): true, imagined, (difference).

    Args:
        true: what the camera saw.
        imagined: what the world model drew; cut to the shorter of the two. None gives `true` alone.
        scale: whole factor of the nearest-neighbour enlargement.
        with_difference: adds a third tile.

    Raises:
        ValueError: the frames have different sizes.
    """
    tiles = [true]
    if imagined is not None:
        if true.shape[1:] != imagined.shape[1:]:
            raise ValueError(
                f"true and imagined frames differ in size: {true.shape[1:]} and "
                f"{imagined.shape[1:]} (expected the same height, width, channels)"
            )
        length = min(len(true), len(imagined))
        tiles = [true[:length], imagined[:length]]
        if with_difference:
            tiles.append(difference(tiles[0], tiles[1]))
    grown = [upscale(t, scale) for t in tiles]
    gap = np.full((*grown[0].shape[:2], GAP, 3), 255, np.uint8)
    row = [grown[0]]
    for tile in grown[1:]:
        row += [gap, tile]
    return np.concatenate(row, axis=2)


def sky(theme: str, height: int = 128) -> Frames:
    """The picture behind the 3D scene: a vertical gradient, (height, 2, 3)."""
    top, bottom = (np.array(color, float) for color in SKY[theme])
    blend = np.linspace(0, 1, height)[:, None, None]
    return np.broadcast_to(top + blend * (bottom - top), (height, 2, 3)).astype(np.uint8)


def captioned_row(
    tiles: Sequence[Frames], captions: Sequence[str], scale: int, theme: str
) -> Frames:
    """One row of enlarged tiles (H, W, 3) under their captions, on the theme's background."""
    grown = [upscale(t, scale) for t in tiles]
    height = max(t.shape[0] for t in grown)
    width = sum(t.shape[1] for t in grown) + GAP * (len(grown) - 1)
    page = Image.new("RGB", (width, height + CAPTION_HEIGHT), PAPER[theme])
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=13)
    left = 0
    for tile, caption in zip(grown, captions, strict=True):
        page.paste(Image.fromarray(tile), (left, CAPTION_HEIGHT))
        draw.text((left + 1, 1), caption, fill=INK[theme], font=font)
        left += tile.shape[1] + GAP
    return np.asarray(page)


def stack_rows(rows: Sequence[Frames], theme: str) -> Frames:
    """Rows (H, W, 3) under one another, the narrower ones filled up with the background."""
    page = np.empty((sum(map(len, rows)), max(row.shape[1] for row in rows), 3), np.uint8)
    page[:] = PAPER[theme]
    top = 0
    for row in rows:
        page[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return page


def contact_sheet(
    true: Frames,
    imagined: Frames | None,
    *,
    fps: int,
    columns: int = 8,
    scale: int = 2,
    theme: str = "light",
) -> Frames:
    """Evenly spaced frames of an episode in one picture; a row each for true, imagined, difference.

    The first and the last frame are always among them; each column is headed by its time [s].
    """
    steps = np.unique(np.linspace(0, len(true) - 1, columns).round().astype(int))
    rows = [("true", true[steps])]
    if imagined is not None:
        steps = steps[steps < len(imagined)]
        rows = [("true", true[steps]), ("imagined", imagined[steps])]
        rows.append(("difference", difference(true[steps], imagined[steps])))
    font = ImageFont.load_default(size=13)
    margin = 78
    height, width = true.shape[1] * scale, true.shape[2] * scale
    size = (
        margin + len(steps) * (width + GAP),
        CAPTION_HEIGHT + len(rows) * (height + GAP),
    )
    page = Image.new("RGB", size, PAPER[theme])
    draw = ImageDraw.Draw(page)
    for column, step in enumerate(steps):
        left = margin + column * (width + GAP)
        draw.text((left + 1, 1), f"{step / fps:.1f} s", fill=INK[theme], font=font)
        for row, (_, frames) in enumerate(rows):
            tile = Image.fromarray(upscale(frames[column], scale))
            page.paste(tile, (left, CAPTION_HEIGHT + row * (height + GAP)))
    for row, (name, _) in enumerate(rows):
        middle = CAPTION_HEIGHT + row * (height + GAP) + height // 2 - 8
        draw.text((4, middle), name, fill=INK[theme], font=font)
    return np.asarray(page)


def write_png(path: Path | str, image: Frames) -> None:
    """Write one picture, (H, W, 3) uint8, atomically."""
    with atomic_file(path) as temporary:
        Image.fromarray(image).save(temporary)


def write_gif(path: Path | str, frames: Frames, fps: int) -> None:
    """Write a looping GIF of (T, H, W, 3) frames, atomically."""
    pictures = [Image.fromarray(f) for f in frames]
    with atomic_file(path) as temporary:
        pictures[0].save(
            temporary, save_all=True, append_images=pictures[1:], duration=1000 // fps, loop=0
        )
