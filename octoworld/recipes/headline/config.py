"""Config of the headline bench: what is shown, explored, imagined and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from octoworld.core.cpus import usable_cpus
from octoworld.core.fit import FitConfig
from octoworld.rl import TrainerConfig
from tasks.suites import SCENES
from vla.augment import AugmentConfig
from vla.freeze import PERCEPTION
from vla.posttrain import PosttrainConfig
from vla.sft import SftConfig
from worldmodels.alarm import AlarmConfig
from worldmodels.env import ImaginationConfig
from worldmodels.starts import StartConfig

FEW = 5
"""Demonstrations of each task that a policy is shown."""
SEEDS_A_TASK, SEEDS_A_SEED = 20_000, 1000
"""Start seeds of a task for one purpose, and those of one training seed among them."""
FIRST_SEED = {
    "demonstrations": 50_000_000,
    "exploration": 51_000_000,
    "starts": 52_000_000,
    "choice": 53_000_000,
    "physics": 54_000_000,
    "test": 55_000_000,
}
"""First start seed of each purpose. No other bench or recipe has seeds from 50 million on."""
CAMERAS = ("front",)


@dataclass(frozen=True)
class HeadlineConfig:
    """Defaults are the published bench."""

    world: str = ""
    """Folder with grounding/, autoencoder/, worldmodel/ and reflector/; "" is
    `assets/checkpoints/tabletop`. Nothing of it is trained here."""
    tasks: tuple[str, ...] = SCENES["table"]
    """Of one scene: the instruction alone says which is meant."""
    demonstrations: tuple[int, ...] = (10, 20, 50)
    """Of each task, of policies that were shown more than `FEW`."""
    steps: Mapping[int, int] = field(default_factory=lambda: {5: 800, 10: 1000, 20: 1300, 50: 2000})
    """Demonstrations of a task -> optimiser steps of imitation."""
    longer: int = 1200
    """Further steps of imitation, as many as post-training takes at most."""
    batch_size: int = 32
    """Frames of a step of imitation."""
    budgets: tuple[int, ...] = (0, 50, 200, 800)
    """Episodes of true physics of all tasks together that an arm may spend."""
    headline: int = 0
    """Of them, the one for which the claims are made."""
    temperatures: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Factors on the policy's noise in exploration, in turn."""
    stills: int = 200
    """Pictures of starts of each task from which episodes are imagined; nothing moves in them."""
    choice: int = 24
    """The same, by which the best iterate is chosen, and the alarm looks."""
    imagination: ImaginationConfig = field(
        default_factory=lambda: ImaginationConfig(
            horizon=48, starts=StartConfig(middle_share=0.2), sampling_steps=1
        )
    )
    """Episodes inside the world model, as long as true ones, drawn in one Euler step."""
    posttrain: PosttrainConfig = field(
        default_factory=lambda: PosttrainConfig(
            frozen=PERCEPTION,
            fixed_scale=0.15,
            rl=TrainerConfig(
                iterations=60, num_groups=16, max_groups=16, group_size=8, horizon=12,
                returns="last", discount=0.99, estimator="gae", learning_rate=5e-5, epochs=3,
                max_kl=0.02,
            ),
        )
    )  # fmt: skip
    """Post-training in imagination, with the settings that lift it in true physics (`headroom`)."""
    choose_every: int = 10
    """Updates between two choices."""
    alarm: AlarmConfig = field(default_factory=lambda: AlarmConfig(every=5))
    """What halts it."""
    physics_groups: int = 6
    """Groups of an iteration where true physics judges: one of each task."""
    physics_rate: float = 2e-4
    """Learning rate there: few updates must do."""
    starts: int = 250
    """Test starts of each task and seed of `sft` and the headline."""
    side_starts: int = 100
    """Of the others, the first ones of those."""
    num_envs: int = 25
    """Worlds rolled out together."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each has demonstrations, weights, exploration and test starts of its own."""
    jobs: int = field(default_factory=usable_cpus)
    """Processes at a time, of one thread each."""

    def start_seeds(self, purpose: str, task: str, seed: int, count: int) -> list[int]:
        """Start seeds of a task; no two purposes, tasks or training seeds share one."""
        first = FIRST_SEED[purpose] + SEEDS_A_TASK * self.tasks.index(task) + SEEDS_A_SEED * seed
        return list(range(first, first + count))

    def imitation(self, steps: int) -> SftConfig:
        """How a policy imitates."""
        fit = FitConfig(steps=steps, batch_size=self.batch_size, learning_rate=5e-4, ema_decay=0.99)
        return SftConfig(
            fit=fit, augment=AugmentConfig(shift_pixels=0), frozen=PERCEPTION, privileged_weight=0.0
        )

    def steps_of(self, demonstrations: float) -> int:
        """Steps of imitation of so many demonstrations of a task, or the next more."""
        enough = [n for n in sorted(self.steps) if n >= demonstrations]
        return self.steps[enough[0] if enough else max(self.steps)]


def quick_headline() -> HeadlineConfig:
    """Shows that the bench runs, and claims nothing."""
    full = HeadlineConfig()
    rl = replace(full.posttrain.rl, iterations=2, num_groups=2, max_groups=2, group_size=2)
    return replace(
        full,
        tasks=("PickUp", "OpenDrawer"), demonstrations=(6,), steps={5: 2, 6: 2}, longer=1,
        batch_size=4, budgets=(0, 4), stills=3, choice=2,
        imagination=replace(full.imagination, horizon=8),
        posttrain=replace(full.posttrain, rl=replace(rl, horizon=2), anchor_batch_size=4),
        choose_every=1, alarm=AlarmConfig(starts=2), physics_groups=2, starts=3, side_starts=2,
        num_envs=3, seeds=(0,), jobs=1,
    )  # fmt: skip
