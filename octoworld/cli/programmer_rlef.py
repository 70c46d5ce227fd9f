"""`octoworld programmer rlef RUN`: a programmer learns from what its own programs do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class ProgrammerRlefArgs:
    """Train a programmer of `octoworld programmer sft` by feedback of the environment.

    Groups of answers to one scene are drawn and their programs run; the goal that holds afterwards
    is the reward (leave-one-out or any other estimator of the shared trainer, token-level masks).
    The best policy by validation is kept in OUT/policy.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the programmer, or of the run that taught it."""
    out: Path
    """Run folder; a run that was stopped there goes on."""
    iterations: int = 100
    """Rounds of writing, running and learning."""
    set: tuple[str, ...] = ()
    """Other fields by dotted names, e.g. rl.estimator=grpo rl.group_size=4 groups=8
    rl.learning_rate=1e-5."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """Scenes, draws and batches are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(ProgrammerRlefArgs, "programmer rlef", argv)
    from octoworld.core.config import changed
    from octoworld.recipes.programming.job import FeedbackConfig, reinforce
    from vla.checkpoint import policy_folder
    from vla.programmer.hf import HfProgrammer

    asked = {"rl.iterations": args.iterations} | pairs("set", args.set)
    config = changed(FeedbackConfig(), asked)
    programmer = HfProgrammer.from_pretrained(policy_folder(args.run), device=args.device)
    spent = reinforce(programmer, config, args.out, args.seed)
    print(
        f"best of validation: {spent['best_score']:.3f} after {spent['best_iteration']} of "
        f"{config.rl.iterations} iterations ({spent['programs']} programs were run)"
    )
    print(f"programmer: {args.out / 'policy'}")
    return 0
