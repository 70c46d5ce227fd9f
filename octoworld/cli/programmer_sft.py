"""`octoworld programmer sft MODEL`: a pretrained vision-language model learns to write programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .parse import parse
from .settings import pairs


@dataclass(frozen=True)
class ProgrammerSftArgs:
    """Fine-tune any vision-language model of transformers on a teacher's programs, with LoRA.

    The teacher attempts instances of the split train; what it was shown and told, and what it
    answered, turn after turn, is what the model learns. OUT/policy is what `rlef` and `eval` take.
    """

    model: Annotated[str, tyro.conf.Positional]
    """Hub id, e.g. HuggingFaceTB/SmolVLM2-500M-Video-Instruct, or the model's folder."""
    out: Path
    """Run folder; a run that was stopped there goes on."""
    demonstrations: int = 400
    """Instances that the teacher attempts."""
    teacher: Literal["forgetful", "perfect"] = "forgetful"
    """Whose answers it learns; the forgetful one is right in little more than half of them."""
    only_successes: bool = False
    """Leave out answers after which the goal did not hold."""
    steps: int = 1000
    """Optimiser steps."""
    batch_size: int = 8
    """Answers a step."""
    learning_rate: float = 2e-4
    """Peak rate."""
    set: tuple[str, ...] = ()
    """Fields of the model by name: packing=text, lora_rank=32, dtype=bfloat16, tune_vision=true,
    max_tokens=512, strategy=react, ..."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    seed: int = 0
    """Adapters and batches are a function of it."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(ProgrammerSftArgs, "programmer sft", argv)
    from octoworld.core.config import from_dict
    from octoworld.core.fit import FitConfig
    from octoworld.recipes.programming.job import TeachConfig, teach
    from vla.programmer.hf import HfProgrammerConfig

    config = TeachConfig(
        model=from_dict(HfProgrammerConfig, {"model": args.model} | pairs("set", args.set)),
        demonstrations=args.demonstrations,
        teacher=args.teacher,
        only_successes=args.only_successes,
        fit=FitConfig(
            steps=args.steps, batch_size=args.batch_size, learning_rate=args.learning_rate
        ),
    )
    teach(config, args.out, args.seed, args.device)
    print(f"programmer: {args.out / 'policy'}")
    return 0
