"""`octoworld worldenv`: post-train a policy inside a learned world model, from data to the test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .parse import parse


@dataclass(frozen=True)
class WorldEnvArgs:
    """World-Env from start to end: data, SFT, world model, reflector, post-training, test.

    Post-training is halted when the policy begins to live off the world model's errors, and the
    last iterate before that goes to the test; `alarm` in a --config sets the limits, `alarm: null`
    turns it off, `second_worldmodel` names a model whose denials count.
    """

    profile: str = "small"
    """smoke (minutes: shows that it runs), demo (from our checkpoints), small (hours)."""
    seed: int = 0
    """Root of every random stream."""
    out: Path | None = None
    """New run folder; default runs/worldenv-PROFILE-SEED."""
    config: Path | None = None
    """YAML as saved in a run folder, instead of a profile."""
    resume: Path | None = None
    """Run folder of a job that was stopped; it goes on with its own config."""
    until: str | None = None
    """Stop after this stage."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(WorldEnvArgs, "worldenv", argv)
    from octoworld.core.config import load_config
    from octoworld.recipes.worldenv import Run, WorldEnvConfig, profile, run_worldenv

    if args.resume is not None:
        run = Run.resume(args.resume, WorldEnvConfig)
    elif args.config is not None:
        config = load_config(WorldEnvConfig, args.config)
        run = Run.create(args.out or Path("runs") / f"worldenv-{args.config.stem}", config)
    else:
        config = profile(args.profile, args.seed)
        out = args.out or Path("runs") / f"worldenv-{args.profile}-{args.seed}"
        run = Run.create(out, config)
    print(f"run folder: {run.folder}")
    run_worldenv(run, args.until)
    table = run.path("results.md")
    if table.exists():
        print(table.read_text())
        print(f"look at it: octoworld view {run.folder}")
    return 0
