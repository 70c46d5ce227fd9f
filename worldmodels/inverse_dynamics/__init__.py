"""Inverse dynamics: which actions made these frames? RLIR's reward, and its independent judge."""

from .augment import DisturbConfig
from .config import InverseDynamicsConfig
from .gate import BROKEN, GateConfig, GateError, GateReport, gate
from .model import InverseDynamics, Reading
from .reward import InverseReward, InverseScore
from .roles import check_independent, check_unseen, episode_ids, split_for_roles
from .scores import InverseCard, clips_card, evaluate_inverse_dynamics
from .train import (
    InverseDynamicsTrainConfig,
    judge_config,
    reward_config,
    train_inverse_dynamics,
)

__all__ = [
    "BROKEN",
    "DisturbConfig",
    "GateConfig",
    "GateError",
    "GateReport",
    "InverseCard",
    "InverseDynamics",
    "InverseDynamicsConfig",
    "InverseDynamicsTrainConfig",
    "InverseReward",
    "InverseScore",
    "Reading",
    "check_independent",
    "check_unseen",
    "clips_card",
    "episode_ids",
    "evaluate_inverse_dynamics",
    "gate",
    "judge_config",
    "reward_config",
    "split_for_roles",
    "train_inverse_dynamics",
]
