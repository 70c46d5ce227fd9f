"""Cassette: a chat model's answers on disk, so that runs and tests need no endpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json, write_json

from .answer import Problem
from .chat import ChatModel, Message, Reply


class Cassette:
    """A `ChatModel` that remembers another one's answers by what was asked.

    Pictures are kept as hashes only. Keys and addresses are not in it: they belong to the endpoint.
    """

    def __init__(
        self,
        path: Path | str,
        model: ChatModel | None = None,
        mode: Literal["replay", "record"] = "replay",
    ) -> None:
        """`replay` never asks the model; `record` asks it for what is not on the cassette yet.

        Raises ConfigError when `record` has no model, or `replay` no file.
        """
        self.path, self.model, self.mode = Path(path), model, mode
        if mode == "record" and model is None:
            raise ConfigError("a cassette that records needs the model to record")
        if mode == "replay" and not self.path.exists():
            raise ConfigError(f"no cassette at {path}; record one with mode='record'")
        self._tracks: dict[str, Any] = read_json(self.path) if self.path.exists() else {}
        self._asked: dict[str, int] = {}
        recorded = next(iter(self._tracks.values()), {"model": "cassette"})["model"]
        self.name: str = model.name if model is not None else recorded

    def complete(self, messages: Sequence[Message]) -> Reply | Problem:
        """See `ChatModel.complete`. ConfigError when this was never recorded."""
        question = [_plain(message) for message in messages]
        key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:24]
        self._asked[key] = self._asked.get(key, 0) + 1
        track = f"{key}-{self._asked[key]}"  # at a temperature the same question has many answers
        if track not in self._tracks:
            if self.mode == "replay" or self.model is None:
                last = messages[-1].text[-200:]
                raise ConfigError(f"{self.path} has no answer to {last!r}; record it anew")
            answer = self.model.complete(messages)
            self._tracks[track] = {
                "model": self.name,
                "question": question[-1],
                "answer": _answer(answer),
            }
            write_json(self.path, self._tracks)
        answer = self._tracks[track]["answer"]
        if "problem" in answer:
            return Problem(answer["problem"], answer["message"])
        return Reply(answer["text"], answer["is_cut"], (answer["tokens"][0], answer["tokens"][1]))


def _plain(message: Message) -> dict[str, Any]:
    images = [
        [name, hashlib.sha256(image.tobytes()).hexdigest()[:24], list(image.shape)]
        for name, image in message.images
    ]
    return {"role": message.role, "text": message.text, "images": images}


def _answer(answer: Reply | Problem) -> dict[str, Any]:
    if isinstance(answer, Problem):
        return {"problem": answer.kind, "message": answer.message}
    return {"text": answer.text, "is_cut": answer.is_cut, "tokens": list(answer.tokens)}
