"""Config of the World-Env job: data, the learned parts, imagination, evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig
from octoworld.data.splits import SplitManifest
from octoworld.rl import TrainerConfig
from vla.augment import AugmentConfig
from vla.freeze import PERCEPTION
from vla.posttrain import PosttrainConfig
from vla.pretrain import GroundingConfig
from vla.sft import SftConfig
from vla.tiny import TinyConfig
from worldmodels.alarm import AlarmConfig
from worldmodels.autoencoder import AutoencoderConfig
from worldmodels.env import ImaginationConfig
from worldmodels.flow import FlowTrainConfig
from worldmodels.reflector import ReflectorTrainConfig
from worldmodels.replay import ReplayConfig

TASKS = ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")
SEEDS_A_TASK = 10_000
"""Width of each task's own range of seeds inside a split."""
SPLITS = {
    "demonstrations": 1_000_000,
    "exploration": 2_000_000,
    "validation": 3_000_000,
    "play": 4_000_000,
    "motion": 7_000_000,
    "test": 5_000_000,
    "grounding": 10_000_000,
}
"""First start seed of each split; a split is `SEEDS_A_TASK` seeds for each of up to 50 tasks."""


@dataclass(frozen=True)
class DataConfig:
    """How much of what is recorded: `play`, `motion`, `exploration` are true physics' budget."""

    scenes_per_task: int = 2000
    """Still pictures for grounding; nothing moves in them."""
    demonstrations_per_task: int = 5
    """Expert episodes that the policy imitates."""
    play_per_task: int = 300
    """Episodes of aimless handling (`recipes/play.py`) for world model and reflector: without
    them, a policy that seldom grasps shows them too little of what a moved block looks like."""
    motion_per_task: int = 2000
    """Further episodes of such handling without pictures, which take most of the time: the world
    model's state model learns contact from them. 0 records none."""
    exploration_per_task: int = 100
    """Episodes of the fine-tuned policy in true physics, failures included."""
    exploration_temperatures: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Factors on the policy's noise scale, in turn over the exploration episodes."""
    heldout_share: float = 0.15
    """Share of the exploration kept from training, for calibration and validation."""
    judged_from: int = 0
    """Held-out play episodes before this number of their task are not judged on: set it where a
    checkpoint that is taken or trained further has seen them."""
    num_envs: int = 25
    """Worlds rolled out together."""
    hold_steps: int = 6
    """Steps recorded after success, so that models see what 'done' looks like."""

    def __post_init__(self) -> None:
        if not 0 < self.heldout_share < 1:
            raise ConfigError(f"heldout_share: expected inside (0, 1), got {self.heldout_share}")
        for field_ in fields(self):
            if not field_.name.endswith("_per_task"):
                continue
            name, value = field_.name, getattr(self, field_.name)
            least = 0 if name == "motion_per_task" else 1
            if not least <= value <= SEEDS_A_TASK:
                raise ConfigError(f"{name}: expected {least}..{SEEDS_A_TASK}, got {value}")


@dataclass(frozen=True)
class EvaluationConfig:
    """The final test in true physics."""

    episodes_per_task: int = 125
    """Start states of each task; both policies get the same."""
    num_envs: int = 25
    """Worlds rolled out together."""


@dataclass(frozen=True)
class WorldEnvConfig:
    """The whole job. Defaults are the `small` profile; see profiles.py for the others."""

    seed: int = 0
    """Root of every random stream of the job."""
    tasks: tuple[str, ...] = TASKS
    """Registered tasks of one scene; the instruction says which is meant."""
    cameras: tuple[str, ...] = ("front",)
    """Cameras that policy and world model see: each costs 16 tokens a frame."""
    pretrained: str = ""
    """Folder with any of grounding/, autoencoder/, worldmodel/, reflector/: what it lacks, and
    with "" all four, is trained here."""
    continue_worldmodel: bool = False
    """Train the world model of `pretrained` further (on its own autoencoder) instead of taking
    it as it is."""
    data: DataConfig = field(default_factory=DataConfig)
    """Recordings."""
    grounding: GroundingConfig = field(
        default_factory=lambda: GroundingConfig(
            fit=FitConfig(steps=2000, batch_size=64, learning_rate=1e-3, ema_decay=0.995)
        )
    )
    """Where things are in a picture, learned from stills."""
    sft: SftConfig = field(
        default_factory=lambda: SftConfig(
            model=TinyConfig(),
            fit=FitConfig(steps=800, batch_size=64, learning_rate=5e-4, ema_decay=0.99),
            augment=AugmentConfig(shift_pixels=0),
            frozen=PERCEPTION,
            privileged_weight=0.0,
        )
    )
    """Imitation of the demonstrations."""
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    """Frames to tokens."""
    autoencoder_fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=2200, batch_size=64, learning_rate=4e-3, ema_decay=0.995, checkpoint_every=250
        )
    )
    """Its training."""
    worldmodel: FlowTrainConfig = field(
        default_factory=lambda: FlowTrainConfig(
            fit=FitConfig(
                steps=8000, batch_size=16, learning_rate=1e-3, ema_decay=0.995, checkpoint_every=250
            ),
            polish=FitConfig(
                steps=600, batch_size=16, learning_rate=4e-4, ema_decay=0.995, checkpoint_every=250
            ),
            polish_chunks=3,
        )
    )
    """The video world model."""
    report_starts: int = 128
    """Held-out roll-outs by which the world model is measured."""
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    """Generated frames that the reflector learns from."""
    reflector: ReflectorTrainConfig = field(default_factory=ReflectorTrainConfig)
    """Reward and stop signal."""
    imagination: ImaginationConfig = field(default_factory=ImaginationConfig)
    """Episodes inside the world model."""
    validation_starts: int = 96
    """Imagined episodes by which the best iterate is chosen; none of them is a test start."""
    posttrain: PosttrainConfig = field(default_factory=lambda: PosttrainConfig(frozen=PERCEPTION))
    """Policy gradient in imagination."""
    alarm: AlarmConfig | None = field(default_factory=AlarmConfig)
    """When post-training is halted, because the policy lives off the world model's errors; None
    never halts it."""
    second_worldmodel: str = ""
    """Folder of another world model over the same autoencoder, whose denials the alarm heeds; with
    "" it asks the one that there is again, with other noise."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """The final test."""

    def trainer(self) -> TrainerConfig:
        """The policy-gradient trainer's settings."""
        return self.posttrain.rl


def split_manifest(config: WorldEnvConfig) -> SplitManifest:
    """Start seeds of every split, disjoint by construction and checked."""
    width = SEEDS_A_TASK * len(config.tasks)
    return SplitManifest({name: [(first, first + width)] for name, first in SPLITS.items()})


def split_seeds(config: WorldEnvConfig, split: str, task: str, count: int) -> list[int]:
    """The first `count` seeds of a task in a split; no two tasks and no two splits share one."""
    first = SPLITS[split] + SEEDS_A_TASK * config.tasks.index(task)
    return list(range(first, first + count))
