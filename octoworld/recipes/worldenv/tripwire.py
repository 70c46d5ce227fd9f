"""Tripwire of the job: the alarm with the other world model and the action reader that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gymnasium.vector import AutoresetMode

from worldmodels.alarm import Alarm
from worldmodels.checkpoint import load_latent_model
from worldmodels.dataset import EpisodeDataset
from worldmodels.env import WorldModelEnv
from worldmodels.latent_model import LatentWorldModel
from worldmodels.reflector import Reflector

from .config import WorldEnvConfig
from .readers import shipped_reward


def tripwire(
    config: WorldEnvConfig, model: LatentWorldModel, judge: Reflector, heldout: EpisodeDataset
) -> Alarm | None:
    """The alarm, which looks at imagined episodes from held-out starts; None where it is off.

    Raises:
        ConfigError: the second world model has another autoencoder, or the settings do not fit.
        CheckpointError: there is no such second world model.
    """
    if config.alarm is None:
        return None
    others: Sequence[LatentWorldModel] = ()
    if config.second_worldmodel:
        second = load_latent_model(Path(config.second_worldmodel))
        others = [second.to(judge.device)]  # type: ignore[arg-type]
    env = WorldModelEnv(
        model, judge, heldout, config.alarm.starts, replace(config.imagination, record=True),
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    return Alarm(
        env,
        horizon=config.trainer().horizon,
        others=others,
        reader=shipped_reward(config.tasks, config.cameras, str(judge.device)),
        config=config.alarm,
        seed=config.seed,
    )
