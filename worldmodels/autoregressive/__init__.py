"""The autoregressive world model: images as whole numbers, foreseen one after the other."""

from .config import AutoregressiveConfig, TokenizerConfig
from .model import AutoregressiveWorldModel, TokenHistory, TokenRollout
from .tokenizer import FrameTokenizer
from .tokenizer_train import train_tokenizer
from .train import AutoregressiveTrainConfig, train_autoregressive

__all__ = [
    "AutoregressiveConfig",
    "AutoregressiveTrainConfig",
    "AutoregressiveWorldModel",
    "FrameTokenizer",
    "TokenHistory",
    "TokenRollout",
    "TokenizerConfig",
    "train_autoregressive",
    "train_tokenizer",
]
