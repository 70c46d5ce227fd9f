"""ChatModel: messages in, text out; whatever answers, near or far, real or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from .answer import Problem


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[tuple[str, NDArray[Any]], ...] = ()
    """Name and picture, (H, W, 3) uint8, in order."""


@dataclass(frozen=True)
class Reply:
    """What a model wrote."""

    text: str
    is_cut: bool = False
    """Whether its token limit stopped it."""
    tokens: tuple[int, int] = (0, 0)
    """Of the prompt and of the reply; 0 where nobody counted."""


class ChatModel(Protocol):
    """Anything that continues a conversation."""

    name: str

    def complete(self, messages: Sequence[Message]) -> Reply | Problem:
        """The next message, or why there is none. Never raises for what an endpoint does."""
        ...
