"""Tripwire of the job: the alarm with the other world model and the action reader that fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from octoworld.rl import Evaluate
from worldmodels.alarm import Alarm
from worldmodels.checkpoint import load_latent_model
from worldmodels.env import WorldModelEnv
from worldmodels.latent_model import LatentWorldModel

from .config import WorldEnvConfig
from .readers import shipped_reward


def tripwire(config: WorldEnvConfig, env: WorldModelEnv, watched: Evaluate) -> Alarm | None:
    """The alarm over the evaluation by which iterates are chosen; None where it is off.

    Raises:
        ConfigError: the second world model has another autoencoder, or the settings do not fit.
        CheckpointError: there is no such second world model.
    """
    if config.alarm is None:
        return None
    others: Sequence[LatentWorldModel] = ()
    if config.second_worldmodel:
        model = load_latent_model(Path(config.second_worldmodel))
        others = [model.to(env.reflector.device)]  # type: ignore[arg-type]
    return Alarm(
        env,
        horizon=config.trainer().horizon,
        others=others,
        reader=shipped_reward(config.tasks, config.cameras, str(env.reflector.device)),
        watched=watched,
        config=config.alarm,
        seed=config.seed,
    )
