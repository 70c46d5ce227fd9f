"""A static page of pictures of a run, for machines without a browser session: results and films."""

from __future__ import annotations

import html
from pathlib import Path

from octoworld.core.io import write_text
from octoworld.data.reader import Dataset
from octoworld.data.video import write_mp4

from .frames import contact_sheet, side_by_side, write_png
from .recording import (
    IMAGINED_IMAGES,
    Recording,
    cameras,
    imagined_images,
    open_recording,
    outcome,
    true_images,
)
from .tables import results_html

STYLE = """
:root { color-scheme: light dark; --line: #8b909a55; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; } h3 { margin-bottom: .2rem; }
figure { margin: 0; } .facts { opacity: .75; margin: 0 0 .5rem; }
.episode { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
img, video { max-width: 100%; border: 1px solid var(--line); image-rendering: pixelated; }
"""


def write_page(run: Path | str, out_dir: Path | str, *, episodes_per_dataset: int = 3) -> Path:
    """Write `index.html` with its pictures and films; returns its path.

    Args:
        run: a run folder, or one LeRobot v3 data set.
        out_dir: folder of the page; files of an earlier page there are overwritten.
        episodes_per_dataset: how many episodes of each data set are shown, evenly spaced.

    Raises:
        DatasetError: there is no recording at `run`.
    """
    recording = open_recording(run)
    folder = Path(out_dir)
    parts = [f"<h1>{html.escape(recording.folder.absolute().name)}</h1>"]
    if recording.results is not None:
        parts += ["<h2>Results</h2>", results_html(recording.results)]
    # what people come for is imagination beside truth: such data sets first
    for name, dataset in sorted(recording.datasets.items(), key=lambda d: not _compares(d[1])):
        count = len(dataset)
        shown = min(count, episodes_per_dataset)
        parts.append(f"<h2>{html.escape(name)}</h2>")
        parts.append(f'<p class="facts">{shown} of {count} episodes</p>')
        for k in range(shown):
            parts += _episode(recording, name, k * count // shown, folder)
    path = folder / "index.html"
    title = html.escape(recording.folder.absolute().name)
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>octoworld: {title}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n",
    )
    return path


def _compares(dataset: Dataset) -> bool:
    return any(name.startswith(IMAGINED_IMAGES) for name in dataset.features)


def _episode(recording: Recording, name: str, index: int, folder: Path) -> list[str]:
    """The HTML of one episode; its sheets and films are written to `folder`."""
    episode = recording.episode(name, index)
    parts = [f"<h3>{index:03d} “{html.escape(episode.instruction)}”</h3>"]
    parts.append(f'<p class="facts">{html.escape(outcome(episode))}</p>')
    for camera in cameras(episode):
        imagined = imagined_images(episode, camera)
        true = true_images(episode, camera)
        if true is None:
            true, imagined = imagined, None
        assert true is not None  # `cameras` lists only what has images
        if imagined is not None and imagined.shape != true.shape:
            imagined = None
        stem = f"{name}-{index:03d}-{camera}"
        write_png(folder / f"{stem}.png", contact_sheet(true, imagined, fps=episode.fps))
        scale = max(1, 192 // true.shape[1])
        film = side_by_side(true, imagined, scale, with_difference=True)
        write_mp4(folder / f"{stem}.mp4", film, episode.fps)
        order = "true, imagined, difference" if imagined is not None else "as recorded"
        parts.append(
            f'<div class="episode"><figure><video src="{stem}.mp4" controls autoplay loop muted>'
            "</video>"
            f"<figcaption>camera {html.escape(camera)}: {order}</figcaption></figure>"
            f'<img src="{stem}.png" alt="frames of {html.escape(stem)}"></div>'
        )
    return parts
