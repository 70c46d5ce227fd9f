"""Config of the reflector bench: recordings, what is imagined from them, who learns, who judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from octoworld.core.cpus import usable_cpus
from octoworld.core.fit import FitConfig
from worldmodels.probe import ProbeConfig
from worldmodels.reflector import ReflectorConfig, ReflectorTrainConfig
from worldmodels.replay import ReplayConfig

from ..worldenv.config import TASKS

SEEDS_A_TASK = 10_000
KINDS = ("policy", "noisy", "play", "stubborn")
"""Who acts: a policy after five demonstrations a task, at several temperatures; the expert under
noise, which comes near to success and fails about as often; aimless handling; one command held on,
which is what a policy does that has found a fault of its judge."""
FIRST_SEED = {
    "demonstrations": 30_000_000,
    "train": 31_000_000,
    "validation": 32_000_000,
    "witness": 33_000_000,
    "test": 34_000_000,
}
"""First start seed of each split; each kind has `SEEDS_A_TASK` of its own for each task. No other
bench or recipe has seeds from 30 million on."""


@dataclass(frozen=True)
class ReflectorBenchConfig:
    """Defaults are the published bench."""

    world: str = ""
    """Folder with grounding/, autoencoder/ and worldmodel/; "" is `assets/checkpoints/tabletop`."""
    tasks: tuple[str, ...] = TASKS
    """Of one scene."""
    demonstrations: int = 5
    """Of each task, for the policy."""
    imitation_steps: int = 200
    """Optimiser steps of the policy: one that fails about as often as it succeeds."""
    temperatures: tuple[float, ...] = (0.0, 1.0, 2.0)
    """Factors on the policy's noise scale, in turn over its episodes."""
    noise: float = 0.5
    """Of the noisy expert."""
    episodes: Mapping[str, int] = field(
        default_factory=lambda: {"train": 100, "validation": 25, "witness": 60, "test": 50}
    )
    """Split -> episodes of each task and kind of actor."""
    replay: ReplayConfig = field(default_factory=lambda: ReplayConfig(clips=1000))
    """Imagined rows of training."""
    reflector: ReflectorTrainConfig = field(default_factory=ReflectorTrainConfig)
    """Who is put to the test."""
    witness: ProbeConfig = field(default_factory=ProbeConfig)
    """Who says what imagined test pictures show: from pixels, trained on episodes that neither
    the reflector nor the world model's eyes, which label its training, have seen."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Training seeds."""
    device: str = field(default_factory=lambda: "cuda" if torch.cuda.is_available() else "cpu")
    """Where networks learn."""
    jobs: int = field(default_factory=usable_cpus)
    """Processes at a time, of one thread each."""

    def start_seeds(self, split: str, kind: str, task: str) -> list[int]:
        """Start seeds of a task; no two splits, kinds or tasks share one."""
        block = KINDS.index(kind) * len(TASKS) + TASKS.index(task)
        first = FIRST_SEED[split] + SEEDS_A_TASK * block
        return list(range(first, first + self.episodes[split]))


def quick_reflector() -> ReflectorBenchConfig:
    """Shows that the bench runs, and claims nothing."""
    few = FitConfig(steps=6, batch_size=8)
    return ReflectorBenchConfig(
        tasks=("PickUp", "OpenDrawer"),
        demonstrations=1,
        imitation_steps=2,
        temperatures=(1.0,),
        episodes={"train": 4, "validation": 4, "witness": 4, "test": 4},
        replay=ReplayConfig(clips=6, chunks=3),
        reflector=replace(
            ReflectorTrainConfig(),
            model=ReflectorConfig(dim=32, width=16, blocks=1, points=4, text_layers=1),
            fit=few, validation_windows=8, check_every=3,
        ),
        witness=ProbeConfig(width=8, points=4, hidden=16, fit=few),
        seeds=(0,),
        device="cpu",
        jobs=1,
    )  # fmt: skip
