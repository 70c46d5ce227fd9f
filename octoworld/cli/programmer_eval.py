"""`octoworld programmer eval AGENT`: success of an agent that writes programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse


@dataclass(frozen=True)
class ProgrammerEvalArgs:
    """Let an agent play households: success with its 95 % interval, split by split.

    Everything that was said and done is in OUT/SPLIT/episodes.jsonl, line by line; a run that was
    stopped goes on there.
    """

    agent: Annotated[str, tyro.conf.Positional]
    """Folder of a programmer or of the run that trained it; a pretrained vision-language model, by
    hub id or folder; with --endpoint, a model's name there."""
    out: Path
    """Folder for the episodes and eval.json."""
    endpoint: str = ""
    """Address of an OpenAI-compatible server, e.g. http://localhost:11434/v1."""
    splits: tuple[str, ...] = ("seen",)
    """seen, layouts, objects, furniture, combinations, paraphrases, ..."""
    episodes: int = 100
    """Instances of each split."""
    first: int = 0
    """Number of the first one."""
    strategy: str = ""
    """single_turn, retry, retry_untold, react or plan_and_solve; default: the programmer's own,
    else retry."""
    packing: str = ""
    """What it is shown: album, sheet, separate, text or blind; default: what it was made for."""
    fidelity: Literal["kinematic", "physical"] = "kinematic"
    """How skills move the robot."""
    verify: bool = False
    """`done` fails while the goal does not hold, and says what is not so: the agent may go on."""
    runner: Literal["grammar", "monty"] = "grammar"
    """Who runs the programs."""
    device: Literal["cpu", "cuda"] | None = None
    """Where a model of ours computes; default: the GPU where there is one."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(ProgrammerEvalArgs, "programmer eval", argv)
    from octoworld.core.errors import ConfigError
    from octoworld.recipes.programming.testing import agent_of, play, store, summary, table
    from vla.programmer import make_runner

    if args.episodes < 1:
        raise ConfigError(f"episodes {args.episodes}: expected 1 or more")
    agent, scene = agent_of(
        args.agent, strategy=args.strategy, endpoint=args.endpoint, device=args.device
    )
    if args.packing:
        scene["packing"] = args.packing
    if args.verify:
        scene["verifies"] = True
    runner = make_runner(args.runner)
    found = {}
    try:
        for split in args.splits:
            records = play(
                agent, split, args.episodes, args.out, runner, first=args.first,
                fidelity=args.fidelity, **scene,
            )  # fmt: skip
            found[split] = summary(records)
    finally:
        runner.close()
    store(found, agent, args.out)
    print(table(found))
    return 0
