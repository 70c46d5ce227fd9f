"""`octoworld view RUN`: open a recorded run in the browser, or write what is in it to share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse


@dataclass(frozen=True)
class ViewArgs:
    """Show a run: 3D replay, true and imagined video, rewards, the reflector, the results."""

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder, or one LeRobot v3 data set."""
    port: int = 8080
    """First port to try; when it is taken, the next free one is used."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in, with a token."""
    theme: Literal["dark", "light"] = "dark"
    """Colours of the page in the browser."""
    beside: Path | None = None
    """Another run or data set: its episodes from the same start are shown beside."""
    page: Path | None = None
    """Write a static page of pictures and films to this folder and do not serve."""
    episodes: int = 3
    """With --page: episodes shown of each data set."""
    export: Path | None = None
    """Write one episode to FILE.mp4, .html (plays offline) or .rrd (Rerun) and do not serve."""
    dataset: str | None = None
    """With --export: data set of the run; needed where it has several."""
    episode: int = 0
    """With --export: number of the episode, from 0."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(ViewArgs, "view", argv)
    if args.page is not None:
        from octoworld.viewer.page import write_page

        print(write_page(args.run, args.page, episodes_per_dataset=args.episodes))
        return 0
    if args.export is not None:
        from octoworld.viewer.export import export_episode

        print(export_episode(args.run, args.export, dataset=args.dataset, episode=args.episode))
        return 0
    from octoworld.viewer.app import serve

    serve(args.run, port=args.port, host=args.host, theme=args.theme, beside=args.beside)
    return 0
