"""The one post-training trainer: rollouts, returns, advantages, objective, hooks."""

from .advantages import gae, group_centred, group_normalised, leave_one_out
from .critic import Critic, CriticConfig, by_decision
from .evaluate import Evaluation, evaluate
from .hooks import Evaluate, Hook, TrainerState, Tripwire
from .rollout import Rollouts, collect
from .trainer import GAE, Anchor, TrainerConfig, train

__all__ = [
    "GAE",
    "Anchor",
    "Critic",
    "CriticConfig",
    "Evaluate",
    "Evaluation",
    "Hook",
    "Rollouts",
    "TrainerConfig",
    "TrainerState",
    "Tripwire",
    "by_decision",
    "collect",
    "evaluate",
    "gae",
    "group_centred",
    "group_normalised",
    "leave_one_out",
    "train",
]
