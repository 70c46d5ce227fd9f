"""The reflector: reward and stop signal from frames and an instruction."""

from .calibrate import ReflectorCard, calibrate, evaluate_reflector, reflector_card, score_episodes
from .model import Reflector, ReflectorConfig, Verdict, debounce, first_stop
from .sampler import WindowConfig
from .train import ReflectorTrainConfig, train_reflector

__all__ = [
    "Reflector",
    "ReflectorCard",
    "ReflectorConfig",
    "ReflectorTrainConfig",
    "Verdict",
    "WindowConfig",
    "calibrate",
    "debounce",
    "evaluate_reflector",
    "first_stop",
    "reflector_card",
    "score_episodes",
    "train_reflector",
]
