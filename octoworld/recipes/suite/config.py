"""Config of the suite bench: what is recorded, learned and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from octoworld.core.cpus import usable_cpus
from octoworld.core.fit import FitConfig
from tasks.splits import SPLITS
from tasks.suites import SCENES
from vla.act import ActConfig
from vla.augment import AugmentConfig
from vla.diffusion import DiffusionConfig
from vla.freeze import PERCEPTION
from vla.pretrain import GroundingConfig
from vla.sft import SftConfig
from vla.tiny import TinyConfig

KINDS = ("tiny", "act", "diffusion")
LATER = ("PlaceOnZone", "HoldOverBin")
"""Tasks that came after the published run, and are not in it."""
MEASURED = {name: tuple(t for t in some if t not in LATER) for name, some in SCENES.items()}
"""Scene -> tasks of the published run, whose start seeds go by their place in it."""
FIRST_SEED = {
    "demonstrations": 1_500_000, "training": 2_500_000, "validation": 3_500_000,
    "test": 6_000_000, "stills": 11_000_000,
}  # fmt: skip
"""First start seed of each purpose; a task has `SEEDS_A_TASK` of its own."""
SEEDS_A_TASK, SEEDS_A_SEED = 10_000, 1000
"""Start seeds of a task, and those of its demonstrations for one training seed."""


@dataclass(frozen=True)
class SuiteConfig:
    """Defaults are the published bench."""

    scenes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(MEASURED))
    """Scene -> its tasks; a policy is trained for each scene, on all tasks of it together."""
    kinds: tuple[str, ...] = KINDS
    """Policies."""
    demonstrations: tuple[int, ...] = (5, 10, 20, 50)
    """Of each task."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each has demonstrations, weights and batches of its own."""
    stills: int = 1500
    """Still pictures of each task, by which the tiny policy learns to see."""
    scene_stills: int = 6000
    """Fewest of each scene: eyes that saw fewer know those by heart."""
    grounding_steps: int = 4000
    """Optimiser steps over them."""
    eyes: str = ""
    """Folder with a grounded policy of each scene, such as `assets/checkpoints/eyes`, which is then
    taken instead of being learned (an hour of two cores)."""
    steps: Mapping[int, int] = field(default_factory=lambda: {5: 800, 10: 1000, 20: 1300, 50: 2000})
    """Demonstrations -> optimiser steps of imitation."""
    batch_size: int = 32
    """Frames of an optimiser step."""
    from_nothing: float = 1.5
    """Factor on the steps of policies that have no grounding to start from."""
    starts: int = 50
    """Test starts of each task."""
    expert_starts: int = 500
    """Starts of each task's expert."""
    split_starts: int = 50
    """Test starts of each task in each split."""
    splits: tuple[str, ...] = tuple(SPLITS)
    """Splits on which the tiny policy of most demonstrations is reported."""
    more_cameras: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"reach": ("wrist",)}
    )
    """Scene -> cameras beside the front one. A ball that hangs in the air is nowhere for one."""
    device: str = field(default_factory=lambda: "cuda" if torch.cuda.is_available() else "cpu")
    """Where policies learn."""
    jobs: int = field(default_factory=usable_cpus)
    """Processes at a time, of one thread each."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks."""
        return tuple(task for tasks in self.scenes.values() for task in tasks)

    def start_seeds(self, purpose: str, task: str, count: int) -> list[int]:
        """Start seeds of a task; no two tasks and no two purposes share one."""
        every = tuple(task for tasks in MEASURED.values() for task in tasks)
        first = FIRST_SEED[purpose] + SEEDS_A_TASK * every.index(task)
        return list(range(first, first + count))

    def num_stills(self, task: str) -> int:
        """Still pictures of a task."""
        scene = next(tasks for tasks in self.scenes.values() if task in tasks)
        return max(self.stills, -(-self.scene_stills // len(scene)))

    def cameras(self, task: str) -> tuple[str, ...]:
        """What policies see in the scene of a task."""
        scene = next(name for name, tasks in MEASURED.items() if task in tasks)
        return ("front", *self.more_cameras.get(scene, ()))

    def grounding(self, scene: str) -> GroundingConfig:
        """How the tiny policy learns to see."""
        return GroundingConfig(
            model=TinyConfig(cameras=self.cameras(MEASURED[scene][0])),
            fit=FitConfig(steps=self.grounding_steps, batch_size=self.batch_size, ema_decay=0.995),
        )

    def imitation(self, scene: str, kind: str, demonstrations: int) -> SftConfig:
        """How a policy imitates."""
        steps = self.steps[demonstrations]
        fit = FitConfig(steps=steps, batch_size=self.batch_size, learning_rate=5e-4, ema_decay=0.99)
        still = AugmentConfig(shift_pixels=0)
        if kind == "tiny":
            return SftConfig(fit=fit, augment=still, frozen=PERCEPTION, privileged_weight=0.0)
        model = (ActConfig if kind == "act" else DiffusionConfig)(
            cameras=self.cameras(MEASURED[scene][0])
        )
        more = replace(fit, steps=round(self.from_nothing * steps))
        return SftConfig(model=model, fit=more, augment=still)


def quick_suite() -> SuiteConfig:
    """One scene, few steps: shows that the bench runs, and claims nothing."""
    return SuiteConfig(
        scenes={"reach": ("Reach",)}, demonstrations=(1, 2), seeds=(0,), stills=20,
        scene_stills=20, grounding_steps=5, steps={1: 2, 2: 2}, batch_size=8, starts=4,
        expert_starts=20, split_starts=4,
        splits=("train", "positions"), device="cpu", jobs=1,
    )  # fmt: skip
