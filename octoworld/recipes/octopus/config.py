"""Config of the octopus bench: what is shown, taught and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from octoworld.core.cpus import usable_cpus
from octoworld.core.fit import FitConfig
from octoworld.rl import TrainerConfig
from tasks.household import PERFECT, Teacher
from vla.programmer.tiny import EyeConfig, TinyProgrammerConfig

from .language import GRAMMAR, LABELS, training_sentences, vocabulary

FORGETFUL = Teacher(0.6, 0.55, 0.35, 0.6, 0.0)
"""What it forgets more often than not, who imitates it forgets always. Some 56 % of its programs
succeed (the bench prints how many)."""
TEACHERS = {"forgetful": FORGETFUL, "perfect": PERFECT}
PURPOSES = ("stills", "demonstrations", "rewards", "validation")
"""Uses of training's own instances; each has numbers of its own."""
BLOCK = 100_000
"""Instance numbers of one purpose."""
SHARD = 10_000
"""Instance numbers of one shard of a purpose."""


@dataclass(frozen=True)
class OctopusConfig:
    """Defaults are the published bench."""

    stills: int = 1200
    """Homes whose pictures teach the eye."""
    demonstrations: int = 2400
    """Instances that teachers attempt."""
    rewards: int = 3600
    """Further instances of which training knows the goal, but no program."""
    validation: int = 300
    """Instances by which the best policy of a run is chosen."""
    tests: Mapping[str, int] = field(
        default_factory=lambda: {
            "seen": 1000, "layouts": 1000, "combinations": 1000, "furniture": 1000,
            "objects": 1000, "paraphrases": 1000,
        }
    )  # fmt: skip
    """Test instances of each split."""
    shards: int = 8
    """Pieces in which instances are prepared."""
    max_turns: int = 3
    """Programs of a teacher's attempt."""
    attempts: int = 6
    """Programs of an episode with retries, at most."""
    homes: int = 40
    """Homes of a split that are used, its first ones (each has 40)."""
    eye: EyeConfig = field(default_factory=EyeConfig)
    """How it looks and learns."""
    taught: str = ""
    """Folder with an eye that was taught before, such as `assets/checkpoints/programmer`, which
    is then taken: teaching one takes half an hour of two cores."""
    width: int = 112
    """Of the policy's tokens; with the eye the policy has 1.4 M parameters."""
    sft: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=700, batch_size=64, learning_rate=1e-3, ema_decay=0.99
        )
    )
    """Imitation, before anything else."""
    longer: int = 700
    """Further steps of imitation of the control that gets as much compute as RLEF."""
    rl: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            iterations=80, group_size=8, num_groups=32, max_groups=64, horizon=1, returns="sum",
            credit="episode", min_group_std=0.01, temperature=1.0, final_temperature=1.0,
            learning_rate=3e-4, epochs=2, minibatch_size=256, ratio_tolerance=1e-3, max_kl=0.0,
            anchor_weight=0.0, checkpoint_every=20,
        )
    )  # fmt: skip
    """Feedback: grouped programs from one start, a decision is a program."""
    groups: int = 32
    """Groups collected at a time."""
    validate_every: int = 20
    """Iterations between validations."""
    failures: int = 800
    """Further starts of training by feedback, for each seed: where programs of `sft` got stuck."""
    own_failures: int = 2400
    """The same of `rlef`, for arms that learn to try again."""
    labelled: int = 9000
    """Programs whose outcomes the environment tells a judge, for each seed; `rlef` has more than
    twice as many judged."""
    judge_samples: int = 3
    """Of them, programs that `sft` draws in a scene."""
    judge: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=900, batch_size=64, learning_rate=5e-4, ema_decay=0.99
        )
    )
    """How a judge learns; the pictures that it looks at afterwards cost more than that."""
    judge_tests: int = 400
    """Test instances in which a judge is tested on programs of three policies."""
    rounds: int = 2
    """Of rejection sampling."""
    samples: int = 4
    """Programs drawn for each instance in a round of rejection sampling."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Of the main arms."""
    side_seeds: tuple[int, ...] = (0, 1, 2)
    """Of the others."""
    retries: int = 500
    """Test instances of the comparison with and without feedback."""
    jobs: int = field(default_factory=usable_cpus)
    """Processes at a time, of one thread each."""

    def model(self, matches_feedback: bool = False) -> TinyProgrammerConfig:
        """The policy."""
        return TinyProgrammerConfig(
            grammar=GRAMMAR, labels=LABELS, vocabulary=vocabulary(training_sentences()),
            eye=self.eye, width=self.width, matches_feedback=matches_feedback,
        )  # fmt: skip

    @property
    def max_tokens(self) -> int:
        """Longest program."""
        return TinyProgrammerConfig.max_tokens

    def first(self, purpose: str, shard: int) -> int:
        """First instance number of a shard of a purpose, in the split `train`."""
        return BLOCK * PURPOSES.index(purpose) + SHARD * shard


def quick_octopus() -> OctopusConfig:
    """A minute from nothing: shows that the bench runs, and claims nothing."""
    full = OctopusConfig()
    return replace(
        full,
        failures=4, own_failures=12, homes=2,
        stills=12, demonstrations=24, rewards=12, validation=8,
        tests=dict.fromkeys(full.tests, 8), shards=1, width=32,
        eye=replace(
            full.eye, channels=(8, 8, 16, 16), features=16,
            fit=replace(full.eye.fit, steps=20, batch_size=32),
        ),
        sft=replace(full.sft, steps=20, batch_size=16), longer=10,
        rl=replace(full.rl, iterations=2, group_size=4, num_groups=2, max_groups=4), groups=4,
        labelled=48, judge=replace(full.judge, steps=10, batch_size=16), judge_tests=8,
        validate_every=2, rounds=1, samples=2, seeds=(0,), side_seeds=(0,), retries=4, jobs=1,
    )  # fmt: skip
