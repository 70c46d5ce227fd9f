"""Config of the RLIR bench: recordings, readers, world models, arms, budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from octoworld.core.cpus import usable_cpus
from octoworld.core.fit import FitConfig
from octoworld.rl import TrainerConfig
from worldmodels.autoregressive import (
    AutoregressiveConfig,
    AutoregressiveTrainConfig,
    TokenizerConfig,
)
from worldmodels.flow import FlowConfig, FlowTrainConfig
from worldmodels.flow.chain import ChainConfig
from worldmodels.inverse_dynamics import (
    GateConfig,
    InverseDynamicsTrainConfig,
    judge_config,
    reward_config,
)
from worldmodels.inverse_dynamics.spoil import SpoilConfig
from worldmodels.probe import ProbeConfig
from worldmodels.rlir import PromptConfig, RlirConfig

PARADIGMS = ("flow", "autoregressive")
TRAINED = ("continued", "data term", "pixels", "rlir")
"""Arms that train the base further, by the same compute."""
ARMS = ("base", "best of", *TRAINED)
SEEDS_A_TASK = 10_000
SOURCES = {
    "wander": 20_000_000,
    "play": 21_000_000,
    "noisy": 22_000_000,
    "wander test": 23_000_000,
    "expert test": 24_000_000,
    "wander validation": 25_000_000,
    "expert validation": 26_000_000,
}
"""What is recorded -> its first start seed; a task has `SEEDS_A_TASK` of its own."""
PER_TASK = {
    "wander": 120, "play": 75, "noisy": 60, "wander test": 30, "expert test": 30,
    "wander validation": 10, "expert validation": 10,
}  # fmt: skip
READ_FROM = ("wander", "play", "noisy")
"""Sources from which all models learn."""


@dataclass(frozen=True)
class RlirBenchConfig:
    """Defaults are the published bench."""

    tasks: tuple[str, ...] = ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")
    """Of one scene."""
    episodes: Mapping[str, int] = field(default_factory=lambda: dict(PER_TASK))
    """Source -> episodes of each task."""
    reward: InverseDynamicsTrainConfig = field(
        default_factory=lambda: reward_config(num_bins=3, dimensions=("dx", "dy", "dz"))
    )
    """Who gives the reward."""
    judge: InverseDynamicsTrainConfig = field(
        default_factory=lambda: judge_config(num_bins=3, dimensions=("dx", "dy", "dz"))
    )
    """Who judges."""
    readers: str = ""
    """Folder with `reward`, `judge`, `veto` and `witness`, such as `assets/checkpoints/readers`,
    which are then taken instead of being learned."""
    gate: GateConfig = field(default_factory=GateConfig)
    """What both have to pass, on recorded frames and on those redrawn by each codec."""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """Who reads places; one for a veto, another as witness."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """Codes of the autoregressive model."""
    tokenizer_fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=3000, batch_size=64, learning_rate=2e-3, ema_decay=0.995, checkpoint_every=250
        )
    )
    """Their training."""
    flow: FlowTrainConfig = field(
        default_factory=lambda: FlowTrainConfig(
            model=FlowConfig(told_state=False), fit=_base_fit(), polish=FitConfig(steps=0),
            picture_weight=40.0,
        )
    )  # fmt: skip
    """The flow model: frames and actions are all that it is told."""
    autoregressive: AutoregressiveTrainConfig = field(
        default_factory=lambda: AutoregressiveTrainConfig(
            model=AutoregressiveConfig(told_state=False, tokens_per_step=4), fit=_base_fit(),
            polish=FitConfig(steps=0),
        )
    )  # fmt: skip
    """The autoregressive one, likewise."""
    convergence: float = 0.2
    """Share of the base's steps that are trained on, to see whether it had converged."""
    chain: ChainConfig = field(default_factory=ChainConfig)
    """How a flow is sampled, in all of its arms."""
    rlir: RlirConfig = field(
        default_factory=lambda: RlirConfig(
            rl=TrainerConfig(
                iterations=300, group_size=8, num_groups=12, max_groups=12, returns="sum",
                credit="decision", estimator="grpo", min_group_std=0.01, learning_rate=1e-4,
                epochs=1, minibatch_size=64, anchor_weight=0.3, checkpoint_every=10,
            ),
            prompts=PromptConfig(chunks=2),
        )
    )  # fmt: skip
    """The trainer of the arms `rlir`, `pixels` and `data term`."""
    best_of: int = 8
    """Videos of which the arm `best of` keeps one."""
    temperatures: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "flow": (0.0, 0.3, 0.6, 1.0),
            "autoregressive": (0.1, 0.4, 0.7, 1.0),
        }
    )
    """Paradigm -> temperatures, swept for every arm on validation clips."""
    clips: int = 256
    """Test clips of each kind of actions (expert, wander)."""
    validation_clips: int = 96
    """Validation clips of each kind."""
    steps: int = 12
    """Actions of a clip."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the further training; the base is one for all."""
    device: str = field(default_factory=lambda: "cuda" if torch.cuda.is_available() else "cpu")
    """Where models learn."""
    jobs: int = field(default_factory=usable_cpus)
    """Processes at a time, of one thread each."""

    def start_seeds(self, source: str, task: str) -> list[int]:
        """Start seeds of a task's recordings; no two sources share one."""
        first = SOURCES[source] + SEEDS_A_TASK * self.tasks.index(task)
        return list(range(first, first + self.episodes[source]))

    def base(self, paradigm: str) -> FlowTrainConfig | AutoregressiveTrainConfig:
        """How a paradigm's base is trained."""
        return self.flow if paradigm == "flow" else self.autoregressive


def _base_fit() -> FitConfig:
    return FitConfig(
        steps=12_000, batch_size=32, learning_rate=1e-3, ema_decay=0.995, checkpoint_every=500
    )


def quick_rlir() -> RlirBenchConfig:
    """Shows that the bench runs, and claims nothing."""
    few, more = FitConfig(steps=4, batch_size=8), FitConfig(steps=40, batch_size=8)
    none, never = FitConfig(steps=0), SpoilConfig(share=0.0)
    small: dict[str, Any] = {
        "dim": 32,
        "layers": 1,
        "heads": 2,
        "cell_width": 16,
        "state_hidden": 32,
    }
    latent: dict[str, Any] = {"fit": few, "polish": none, "state": few, "eyes": few}
    reader: dict[str, Any] = {"num_bins": 3, "dimensions": ("dx", "dy"), "width": 16, "hidden": 16}
    full = RlirBenchConfig()
    return replace(
        full,
        tasks=("PickUp",),
        episodes={name: 4 for name in SOURCES},
        reward=replace(reward_config(**reader, num_points=4), fit=more, spoil=never),
        judge=replace(judge_config(**reader, reach=2, layers=1), fit=more, spoil=never),
        gate=GateConfig(clips=4, steps=4, real=1e-6, broken=1.0, measure="dimension"),
        probe=ProbeConfig(width=8, points=4, hidden=16, fit=few),
        tokenizer=TokenizerConfig(groups=2, levels=(5, 5), hidden=16, decoder_width=8),
        tokenizer_fit=few,
        flow=FlowTrainConfig(model=FlowConfig(told_state=False, **small), **latent),
        autoregressive=AutoregressiveTrainConfig(
            model=AutoregressiveConfig(told_state=False, tokens_per_step=8, **small), **latent
        ),
        rlir=replace(
            full.rlir,
            rl=replace(full.rlir.rl, iterations=1, group_size=2, num_groups=2, max_groups=2),
            data_batch_size=2,
        ),
        best_of=2,
        temperatures={"flow": (1.0,), "autoregressive": (1.0,)},
        clips=4,
        validation_clips=4,
        steps=8,
        seeds=(0,),
        device="cpu",
        jobs=1,
    )
