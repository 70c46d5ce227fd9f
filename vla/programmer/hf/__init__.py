"""Pretrained vision-language models of `transformers` as programmers, tuned with LoRA."""

from .config import HfProgrammerConfig
from .model import HfProgrammer
from .sft import Lesson, train_programmer

__all__ = ["HfProgrammer", "HfProgrammerConfig", "Lesson", "train_programmer"]
