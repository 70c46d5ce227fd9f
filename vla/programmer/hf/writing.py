"""Answers token by token: drawn one after the other, or given and looked up in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from octoworld.core.errors import CheckpointError
from vla.hf.pretrained import plain
from vla.hf.tokens import append, keep_logits

from ..written import PAD, Written

Inputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Words:
    """Tokens that mean something else than text."""

    ends: tuple[int, ...]
    """Any of them ends an answer, the last that is drawn: the tokenizer's own comes first."""
    never: tuple[int, ...]
    """Never drawn: places of pictures and other marks, which no answer has."""

    @classmethod
    def of(cls, model: Any, processor: Any) -> Words:
        """Of a model of `load_model` and its processor.

        Raises:
            CheckpointError: no token ends an answer.
        """
        tokenizer = processor.tokenizer
        told = getattr(plain(model), "pretrained_generation_config", None)
        makers = getattr(told, "eos_token_id", None)
        found = [tokenizer.eos_token_id, *(makers if isinstance(makers, list) else [makers])]
        ends = tuple(dict.fromkeys(token for token in found if token is not None))
        if not ends:
            raise CheckpointError("the model's tokenizer has no token that ends an answer")
        return cls(ends, tuple(sorted({*tokenizer.all_special_ids} - {*ends})))

    def allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores (..., V) with those that are never drawn forbidden."""
        never = torch.tensor(self.never, dtype=torch.long, device=scores.device)
        return scores.index_fill(-1, never, -torch.inf)

    def is_end(self, tokens: torch.Tensor) -> torch.Tensor:
        """Which of tokens (...) end an answer."""
        return torch.isin(tokens, torch.tensor(self.ends, device=tokens.device))


@torch.no_grad()
def write(
    model: Any,
    inputs: Inputs,
    length: int,
    words: Words,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> Written:
    """Answers of N prompts (padded on the left), `length` tokens at most; greedy at 0."""
    drawer = _Drawer(words, temperature, generator)
    model.generate(
        **inputs, max_new_tokens=length, do_sample=False, eos_token_id=list(words.ends),
        logits_processor=[drawer],
    )  # fmt: skip
    tokens = torch.stack(drawer.tokens, 1)
    log_prob = torch.stack(drawer.log_probs, 1)
    chosen = tokens != PAD
    actions = tokens[:, None].float()
    return Written(actions, actions, torch.where(chosen, log_prob, 0.0), chosen)


def token_log_prob(
    model: Any, inputs: Inputs, tokens: torch.Tensor, words: Words, temperature: float = 1.0
) -> torch.Tensor:
    """(N, L) log-probability of each token of answers (N, L), 0 at PAD. Differentiable."""
    living = tokens != PAD
    said = tokens.clamp_min(0)
    count = said.shape[1]
    # what the last token is followed by is not asked
    extended = append(model, inputs, said[:, :-1], living[:, :-1])
    output = model(**extended, use_cache=False, **keep_logits(model, count))
    scores = words.allowed(output.logits[:, -count:].float()) / temperature
    found = scores.log_softmax(-1).gather(2, said[..., None])[..., 0]
    return torch.where(living, found, 0.0)


class _Drawer:
    """A logits processor for `generate` that draws each token itself and keeps its probability."""

    def __init__(self, words: Words, temperature: float, generator: torch.Generator | None) -> None:
        self.words, self.temperature, self.generator = words, temperature, generator
        self.tokens: list[torch.Tensor] = []
        self.log_probs: list[torch.Tensor] = []
        self._ended: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(N, V) scores of the next token -> all but the drawn token forbidden."""
        scores = self.words.allowed(scores.float())
        log_probs = (scores / (self.temperature or 1.0)).log_softmax(-1)
        if self.temperature:
            # drawn on the generator's device, so that every device writes the same
            device = "cpu" if self.generator is None else self.generator.device
            weights = log_probs.exp().to(device)
            token = torch.multinomial(weights, 1, generator=self.generator).to(scores.device)
        else:
            token = log_probs.argmax(-1, keepdim=True)
        if self._ended is None:
            self._ended = torch.zeros_like(token[:, 0], dtype=torch.bool)
        self.tokens.append(token[:, 0].masked_fill(self._ended, PAD))
        self.log_probs.append(log_probs.gather(1, token)[:, 0])
        self._ended = self._ended | self.words.is_end(token[:, 0])
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)
