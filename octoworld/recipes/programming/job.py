"""Jobs: a pretrained model learns a teacher's answers, then from what its programs do (RLEF)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from octoworld.core.config import save_config
from octoworld.core.fit import FitConfig
from octoworld.core.io import read_json
from octoworld.rl import Evaluate, TrainerConfig, train
from octoworld.rl.trained import Trained
from tasks.household import Household, household_split
from vla.programmer.agent import briefing
from vla.programmer.hf import HfProgrammer, HfProgrammerConfig, train_programmer

from .answer_env import AnswerEnv
from .lessons import lessons_in

VALIDATION_FIRST = 500_000
"""First instance of the split `train` by which the best of a run is chosen."""


@dataclass(frozen=True)
class TeachConfig:
    """Supervised fine-tuning on a teacher's answers."""

    model: HfProgrammerConfig = field(default_factory=HfProgrammerConfig)
    """The pretrained model, and how it is tuned."""
    demonstrations: int = 400
    """Instances of the split `train` that the teacher attempts."""
    teacher: str = "forgetful"
    """Who answers, one of `lessons.TEACHERS`."""
    only_successes: bool = False
    """Leave out answers after which the goal did not hold."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=1000, batch_size=8, learning_rate=2e-4)
    )
    """The training loop."""


@dataclass(frozen=True)
class FeedbackConfig:
    """Reinforcement learning from environmental feedback, one answer an episode."""

    rl: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            iterations=100, group_size=8, num_groups=8, max_groups=16, start_range=(0, 100_000),
            horizon=1, returns="sum", credit="episode", estimator="loo", min_group_std=0.01,
            temperature=1.0, final_temperature=1.0, learning_rate=2e-5, epochs=1,
            minibatch_size=16, ratio_tolerance=1e-2, max_kl=0.0, anchor_weight=0.0,
            checkpoint_every=5,
        )
    )  # fmt: skip
    """The shared trainer; starts are instances of the split `train`."""
    groups: int = 4
    """Groups that are played at a time."""
    validation: int = 64
    """Instances by which the best policy of the run is chosen."""
    validate_every: int = 10
    """Iterations between validations."""


def teach(
    config: TeachConfig, folder: Path, seed: int, device: torch.device | str = "cpu"
) -> HfProgrammer:
    """Fine-tune a pretrained model; a killed run in `folder` goes on. It is saved in `policy/`.

    Raises:
        CheckpointError: the pretrained model cannot be loaded.
        ConfigError: no such teacher; an answer is longer than the model may write.
    """
    programmer = HfProgrammer.build(config.model, seed, device)
    lessons = lessons_in(
        household_split("train"), config.demonstrations, config.teacher, config.model,
        only_successes=config.only_successes,
    )  # fmt: skip
    save_config(config, folder / "config.yaml")
    train_programmer(programmer, lessons, config.fit, folder, seed)
    programmer.save_pretrained(folder / "policy")
    return programmer


def reinforce(
    programmer: HfProgrammer, config: FeedbackConfig, folder: Path, seed: int
) -> dict[str, float]:
    """Train a programmer in place on what its programs come to; returns what it took.

    A killed run in `folder` goes on; the best by validation is kept, and saved in `policy/`.
    """
    split = household_split("train")
    programmer.briefing = briefing(
        Household(split.instance(0), packing="blind").skills, programmer.config.strategy
    )
    packing = programmer.config.packing

    def world(count: int) -> AnswerEnv:
        return AnswerEnv(split, count, programmer.text, packing)

    save_config(config, folder / "config.yaml")
    starts = range(VALIDATION_FIRST, VALIDATION_FIRST + config.validation)
    check = Evaluate(
        world(min(config.validation, config.groups * config.rl.group_size)), starts,
        horizon=1, every=config.validate_every, select=True,
    )  # fmt: skip
    settings = replace(config.rl, horizon=1)
    env = world(config.groups * settings.group_size)
    # the state of the run holds adapters alone
    train(env, Trained(programmer), settings, folder, seed=seed, hooks=[check], label="rlef")
    programmer.save_pretrained(folder / "policy")
    outcome = read_json(folder / "outcome.json")
    return {
        "programs": outcome["true_episodes"],
        "calls": outcome["true_steps"],
        "best_iteration": outcome["best_iteration"],
        "best_score": outcome["best_score"],
    }
