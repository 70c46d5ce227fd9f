"""Config of an `hf` programmer: which pretrained model, how it is tuned, what it is told."""

from __future__ import annotations

from dataclasses import dataclass

from vla.hf.config import PretrainedConfig


@dataclass(frozen=True)
class HfProgrammerConfig(PretrainedConfig):
    """A pretrained model that writes programs."""

    packing: str = "album"
    """How scenes show themselves to it, by the scene's own name for that."""
    strategy: str = "retry"
    """How often it is asked and what it is told, see `vla.programmer.STRATEGIES`."""
    max_tokens: int = 384
    """Most tokens of an answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check((self.max_tokens > 0, "max_tokens", "at least 1"))
