"""The reflector: reward and stop signal from frames and an instruction."""

from .calibrate import calibrate
from .card import ReflectorCard, card_of, evaluate_reflector, judge_episode, score_episodes
from .model import Reflector, ReflectorConfig, Verdict, debounce, first_stop
from .questions import Question, Questions, recorded_questions
from .sampler import WindowConfig
from .train import ReflectorTrainConfig, train_reflector

__all__ = [
    "Question",
    "Questions",
    "Reflector",
    "ReflectorCard",
    "ReflectorConfig",
    "ReflectorTrainConfig",
    "Verdict",
    "WindowConfig",
    "calibrate",
    "card_of",
    "debounce",
    "evaluate_reflector",
    "first_stop",
    "judge_episode",
    "recorded_questions",
    "score_episodes",
    "train_reflector",
]
