"""Profiles: the World-Env job at several sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from octoworld.core.errors import UnknownNameError
from octoworld.core.fit import FitConfig
from octoworld.core.paths import asset
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
from worldmodels.flow import FlowConfig, FlowTrainConfig
from worldmodels.reflector import ReflectorConfig, ReflectorTrainConfig
from worldmodels.replay import ReplayConfig

from .config import DataConfig, EvaluationConfig, WorldEnvConfig


def small(seed: int = 0) -> WorldEnvConfig:
    """The real one: all from nothing, hours on two cores."""
    return WorldEnvConfig(seed=seed)


def demo(seed: int = 0) -> WorldEnvConfig:
    """Minutes: eyes, world model and reflector are ours from `assets/`; policy and gain are new."""
    base = small(seed)
    trainer = replace(base.trainer(), iterations=6, num_groups=8, max_groups=8)
    return replace(
        base,
        pretrained=str(asset("checkpoints", "tabletop")),
        data=replace(
            base.data,
            scenes_per_task=1,
            play_per_task=10,
            motion_per_task=0,
            exploration_per_task=10,
        ),
        sft=replace(base.sft, fit=replace(base.sft.fit, steps=600)),
        # the parts are ours, and were measured with more when they were published
        report_starts=32,
        replay=replace(base.replay, clips=200),
        posttrain=replace(base.posttrain, rl=trainer),
        alarm=AlarmConfig(starts=16),
        evaluation=EvaluationConfig(episodes_per_task=25),
    )


def smoke(seed: int = 0) -> WorldEnvConfig:
    """Every stage from nothing within minutes: shows that the job runs, not that it succeeds."""
    policy = TinyConfig(width=96, depth=2, heads=4, stem_channels=32)
    still = AugmentConfig(shift_pixels=0)
    return WorldEnvConfig(
        seed=seed,
        data=DataConfig(
            scenes_per_task=200, play_per_task=8, motion_per_task=60, exploration_per_task=8,
            heldout_share=0.25,
        ),
        grounding=GroundingConfig(
            model=policy, fit=FitConfig(steps=300, batch_size=32, ema_decay=0.99), augment=still
        ),
        sft=SftConfig(
            model=policy,
            fit=FitConfig(steps=300, batch_size=32, ema_decay=0.99),
            augment=still,
            frozen=PERCEPTION,
            privileged_weight=0.0,
        ),
        autoencoder=AutoencoderConfig(width=16, latent_channels=48),
        autoencoder_fit=FitConfig(steps=300, batch_size=32, ema_decay=0.98),
        worldmodel=FlowTrainConfig(
            model=FlowConfig(dim=96, layers=3, heads=4, cell_width=24, cell_blocks=(1, 1)),
            fit=FitConfig(steps=400, batch_size=16, learning_rate=2e-3, ema_decay=0.99),
            polish=FitConfig(steps=60, batch_size=16, learning_rate=4e-4, ema_decay=0.98),
            polish_chunks=2,
            state=FitConfig(steps=600, batch_size=96, ema_decay=0.99),
            eyes=FitConfig(steps=200, batch_size=64, learning_rate=2e-3, ema_decay=0.98),
        ),
        replay=ReplayConfig(clips=40, chunks=6),
        reflector=ReflectorTrainConfig(
            model=ReflectorConfig(dim=64, text_layers=1, width=16, blocks=2, points=12),
            fit=FitConfig(steps=250, batch_size=16, learning_rate=2e-3, ema_decay=0.98),
            validation_windows=64,
            check_every=125,
        ),
        imagination=ImaginationConfig(horizon=24),
        posttrain=PosttrainConfig(
            frozen=PERCEPTION,
            rl=TrainerConfig(
                iterations=3, group_size=4, num_groups=4, max_groups=4, horizon=6,
                learning_rate=1e-4, discount=0.99,
            )
        ),
        alarm=AlarmConfig(starts=16),
        evaluation=EvaluationConfig(episodes_per_task=10, num_envs=10),
    )  # fmt: skip


def tiny(seed: int = 0) -> WorldEnvConfig:
    """Under a minute: every stage on two tasks, nothing is learned. For tests."""
    base = smoke(seed)
    few = {"steps": 12, "batch_size": 8, "checkpoint_every": 6, "log_every": 6, "warmup_steps": 2}
    fit = FitConfig(**few)
    trainer = replace(base.trainer(), iterations=2, num_groups=2, max_groups=2, horizon=3)
    return replace(
        base,
        tasks=("PickUp", "OpenDrawer"),
        data=DataConfig(
            scenes_per_task=8, demonstrations_per_task=2, play_per_task=3, motion_per_task=4,
            exploration_per_task=3, heldout_share=0.34, num_envs=6,
        ),
        grounding=replace(base.grounding, fit=fit),
        sft=replace(base.sft, fit=fit),
        autoencoder_fit=fit,
        worldmodel=replace(base.worldmodel, fit=fit, polish=fit, state=fit, eyes=fit),
        replay=ReplayConfig(clips=8, chunks=2),
        reflector=replace(base.reflector, fit=fit, validation_windows=8, check_every=6),
        report_starts=8,
        imagination=ImaginationConfig(horizon=12),
        validation_starts=8,
        posttrain=replace(base.posttrain, rl=trainer, anchor_batch_size=8),
        alarm=AlarmConfig(starts=4),
        evaluation=EvaluationConfig(episodes_per_task=3, num_envs=3),
    )  # fmt: skip


PROFILES: dict[str, Callable[[int], WorldEnvConfig]] = {
    "tiny": tiny,
    "smoke": smoke,
    "demo": demo,
    "small": small,
}


def profile(name: str, seed: int = 0) -> WorldEnvConfig:
    """The config of a profile; raises UnknownNameError with the choices."""
    if name not in PROFILES:
        raise UnknownNameError("profile", name, PROFILES)
    return PROFILES[name](seed)
