"""`octoworld worldmodel eval RUN DATASET`: how well a world model foresees held-out recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse


@dataclass(frozen=True)
class WorldModelEvalArgs:
    """Replay recorded actions in a world model and compare, by horizon.

    Teacher-forced (each chunk from recorded frames) and free-running (from imagined ones): PSNR,
    SSIM, errors of latents and state, against a world where nothing moves. Writes eval.json,
    eval.md, film.png and film.mp4 (true, imagined, difference).
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld worldmodel train`."""
    dataset: Annotated[Path, tyro.conf.Positional]
    """Recordings of the same robot that were held out."""
    out: Path | None = None
    """Folder of the files; default: RUN/eval."""
    perceptual: Path | None = None
    """Folder of `octoworld worldmodel perceptual`, for perceptual and Fréchet distances."""
    steps: int = 48
    """Longest horizon [control steps]."""
    starts: int = 256
    """Moments from which actions are replayed."""
    films: int = 3
    """Episodes on the film strip and in the film; 0: neither."""
    film_start: int = 0
    """Step of those episodes at which imagination starts."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to imagine."""
    seed: int = 0
    """Moments and the model's noise are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(WorldModelEvalArgs, "worldmodel eval", argv)
    from octoworld.core.parallel import process_group
    from octoworld.recipes.worldmodel_eval import EvalConfig, evaluate_worldmodel, table

    config = EvalConfig(args.steps, args.starts, args.seed, args.films, args.film_start)
    out = args.out or args.run / "eval"
    with process_group(args.device) as device:
        facts = evaluate_worldmodel(
            args.run, args.dataset, config, out, perceptual=args.perceptual, device=device
        )
    print(table(facts))
    print(f"files: {out}")
    return 0
