"""`octoworld worldmodel eval WORLD --card`: does success in a world model tell success in truth?"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .parse import parse


@dataclass(frozen=True)
class WorldModelCardArgs:
    """Policies in imagination and in true physics, from the same starts: a card of the world model.

    Writes card.json, card.md and card.png, and every unit (policy x temperature x task) as soon as
    it is done: the same command goes on where it was killed.
    """

    world: Annotated[Path, tyro.conf.Positional]
    """Folder with worldmodel/ and reflector/, e.g. assets/checkpoints/tabletop, or a run of
    `octoworld worldenv`."""
    policies: tuple[Path, ...] = ()
    """Folders of policies that see pictures, of as different strength as can be had."""
    tasks: tuple[str, ...] = ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")
    """Registered tasks, whose words the reflector knows."""
    temperatures: Annotated[tuple[float, ...], tyro.conf.arg(aliases=["--noise"])] = (0.0,)
    """Factors on the policies' own noise scale, each a unit of its own: 0 is the mean action, 1
    samples, more is worse."""
    episodes: int = 40
    """Starts of each unit."""
    first_seed: int = 13_000_000
    """Start seeds are first_seed and those that follow; none may have served in training."""
    num_envs: int = 20
    """Worlds rolled out together."""
    horizon: int = 0
    """Steps after which an imagined episode has failed; 0 is each task's own clock."""
    out: Path | None = None
    """Folder of the card; default runs/worldmodel-card-NAME."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    # what chose this command among those of `worldmodel eval` is no option of it
    given = [a for a in argv if a != "--card"]
    args = parse(WorldModelCardArgs, "worldmodel eval --card", given)
    from octoworld.recipes.world_card import CardConfig, described, run_card
    from octoworld.recipes.world_card_page import write_page

    config = CardConfig(
        world=str(args.world),
        policies=tuple(map(str, args.policies)),
        tasks=args.tasks,
        temperatures=args.temperatures,
        episodes=args.episodes,
        first_seed=args.first_seed,
        num_envs=args.num_envs,
        horizon=args.horizon,
    )
    out = args.out or Path("runs") / f"worldmodel-card-{args.world.name}"
    records = run_card(config, out)
    facts = {"command": shlex.join(["octoworld", "worldmodel", "eval", "--card", *given])}
    print(write_page(records, facts | described(config, out), out))
    print(out / "card.png")
    return 0
