"""Films of an episode: each camera a row of true, imagined and difference, row under row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.video import write_mp4

from .frames import Frames, captioned_row, difference, stack_rows
from .recording import cameras, imagined_images, true_images

PAIRED_TILE, LONE_TILE = 192, 128
"""Width that a camera tile is enlarged to, with and without an imagined one beside it [px]."""
FILM_TILE = 256
"""The same in films, where there is room [px]."""


def tiles(episode: Episode, camera: str, step: int) -> tuple[list[Frames], list[str]]:
    """What there is of a camera at a step, (H, W, 3) each: true, imagined, difference; captions."""
    true = true_images(episode, camera)
    imagined = imagined_images(episode, camera)
    pictures, captions = [], []
    if true is not None:
        pictures.append(true[step])
        captions.append("true")
    if imagined is not None:
        pictures.append(imagined[step])
        captions.append("imagined")
    if true is not None and imagined is not None and true.shape == imagined.shape:
        pictures.append(difference(true[step], imagined[step]))
        captions.append("difference x2")
    return pictures, captions


def picture(
    episode: Episode, camera: str, step: int, theme: str, *, width: int | None = None
) -> Frames:
    """One camera at a step as a captioned row, (H, W, 3); tiles are about `width` [px] wide."""
    pictures, captions = tiles(episode, camera, step)
    wanted = width or (PAIRED_TILE if len(pictures) > 1 else LONE_TILE)
    scale = max(1, wanted // pictures[0].shape[1])
    return captioned_row(pictures, captions, scale, theme)


def beside_picture(
    shown: Sequence[tuple[str, Episode]], camera: str, step: int, theme: str
) -> Frames:
    """One camera of several episodes at a step, each under its name; short ones stand at the end.

    Side by side where each has one picture; else a row of true, imagined and difference each.
    """
    found = [
        (name, *tiles(episode, camera, min(step, len(episode) - 1)))
        for name, episode in shown
        if camera in cameras(episode)
    ]
    if all(len(pictures) == 1 for _, pictures, _ in found):
        pictures = [pictures[0] for _, pictures, _ in found]
        scale = max(1, FILM_TILE // pictures[0].shape[1])
        return captioned_row(pictures, [name for name, _, _ in found], scale, theme)
    rows = [
        captioned_row(
            pictures, [f"{name}: {c}" for c in captions],
            max(1, PAIRED_TILE // pictures[0].shape[1]), theme,
        )
        for name, pictures, captions in found
    ]  # fmt: skip
    return stack_rows(rows, theme)


def film(
    episode: Episode, chosen: Sequence[str] | None = None, theme: str = "light"
) -> Iterator[Frames]:
    """Frames (H, W, 3) of an episode, one a step: the rows of `chosen` cameras (None: all).

    Raises:
        DatasetError: the episode has no camera, or not one of the chosen.
    """
    known = cameras(episode)
    for name in chosen or []:
        if name not in known:
            raise DatasetError(
                f"camera {name!r} is not in this episode; it has {', '.join(known) or 'none'}"
            )
    names = list(known if chosen is None else chosen)
    if not names:
        raise DatasetError(
            "this episode has no columns observation.images.<camera>: nothing to film; collect it "
            "with cameras, or export it as html or rrd"
        )
    for step in range(len(episode)):
        yield stack_rows([picture(episode, n, step, theme, width=FILM_TILE) for n in names], theme)


def write_film(
    path: Path | str,
    episode: Episode,
    chosen: Sequence[str] | None = None,
    theme: str = "light",
) -> Path:
    """Write `film` as an mp4 that every browser plays, atomically."""
    return write_mp4(path, film(episode, chosen, theme), episode.fps)
