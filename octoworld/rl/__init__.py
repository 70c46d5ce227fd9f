"""The one post-training trainer: rollouts, returns, advantages, objective, hooks."""

from .advantages import gae, group_centred, group_normalised, leave_one_out
from .evaluate import Evaluation, evaluate
from .hooks import Evaluate, Hook, TrainerState, Tripwire
from .rollout import Rollouts, collect
from .trainer import Anchor, TrainerConfig, train

__all__ = [
    "Anchor",
    "Evaluate",
    "Evaluation",
    "Hook",
    "Rollouts",
    "TrainerConfig",
    "TrainerState",
    "Tripwire",
    "collect",
    "evaluate",
    "gae",
    "group_centred",
    "group_normalised",
    "leave_one_out",
    "train",
]
