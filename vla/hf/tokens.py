"""Head `tokens`: actions said as words, one bin of one dimension each (RT-2, OpenVLA).

The B bins are the last B entries of the vocabulary that are no special or added tokens: a byte-pair
vocabulary is in the order of its merges, so that these are its rarest words. The policy can say
nothing else: the softmax runs over the B words alone, which makes its probabilities exact ones of
actions. (OpenVLA's runs over the whole vocabulary, of which training leaves these words.)
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from octoworld.core.errors import CheckpointError, ConfigError

from .pretrained import plain

Inputs = Mapping[str, torch.Tensor]


def action_tokens(processor: Any, bins: int, rows: int) -> torch.Tensor:
    """(B,) int64 ids of the words that stand for the bins, ascending.

    Args:
        processor: of the model.
        bins: B.
        rows: words that the model has embeddings for.

    Raises:
        ConfigError: the vocabulary is smaller than B.
    """
    tokenizer = processor.tokenizer
    taken = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    free = [i for i in range(min(len(tokenizer), rows)) if i not in taken]
    if len(free) < bins:
        raise ConfigError(
            f"bins = {bins}: the vocabulary has only {len(free)} words that are not special"
        )
    return torch.tensor(free[-bins:])


def logits(model: Any, inputs: Inputs, words: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """(N, D, B) logits of every bin after the bins before it, in one differentiable pass.

    Args:
        model: the vision-language model.
        inputs: of the prompt, N rows padded on the left.
        words: (B,) ids of the bins.
        index: (N, D) bins that are said.
    """
    said = words[index]
    count = said.shape[1]
    # what the last word is followed by is not asked
    extended = append(model, inputs, said[:, :-1])
    output = model(**extended, use_cache=False, **keep_logits(model, count))
    return output.logits[:, -count:, words].float()


def keep_logits(model: Any, count: int) -> dict[str, int]:
    """Argument by which a model gives logits of the last `count` words alone, if it knows it.

    Those of the whole prompt would fill the memory.
    """
    known = inspect.signature(plain(model).forward).parameters
    return {"logits_to_keep": count} if "logits_to_keep" in known else {}


def speak(
    model: Any,
    inputs: Inputs,
    words: torch.Tensor,
    count: int,
    temperature: float,
    generator: torch.Generator | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bins (N, count) int64 and their log-probabilities (N, count), said one after the other.

    `temperature` 0 takes the likeliest bin each time, with its probability at temperature 1.
    """
    speaker = _Speaker(words, temperature, generator)
    model.generate(
        **inputs,
        max_new_tokens=count,
        min_new_tokens=count,
        do_sample=False,
        logits_processor=[speaker],
    )
    return torch.stack(speaker.index, dim=1), torch.stack(speaker.log_probs, dim=1)


def check_order(model: Any, inputs: Inputs, words: torch.Tensor) -> None:
    """Raise CheckpointError if the model looks at words that are still to be said.

    A model that reads its prompt in both directions may do so, and imitation would learn to peep.
    `inputs` are of one observation.
    """
    first = torch.zeros(1, 3, dtype=torch.long, device=words.device)
    second = first.clone()
    second[:, 1] = len(words) - 1
    with torch.no_grad():
        a, b = (logits(model, inputs, words, index)[:, :2] for index in (first, second))
    if not torch.allclose(a, b, rtol=1e-2, atol=1e-2 * float(a.std()) + 1e-5):
        raise CheckpointError(
            f"{type(plain(model)).__name__} looks at words that are still to be said, so "
            "that head 'tokens' cannot train it; use head 'flow'"
        )


class _Speaker:
    """A logits processor for `generate` that chooses each word itself and keeps its probability."""

    def __init__(
        self, words: torch.Tensor, temperature: float, generator: torch.Generator | None
    ) -> None:
        self.words, self.temperature, self.generator = words, temperature, generator
        self.index: list[torch.Tensor] = []
        self.log_probs: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(N, V) scores of the next word -> all but the chosen word forbidden."""
        log_probs = (scores[:, self.words].float() / (self.temperature or 1.0)).log_softmax(-1)
        if self.temperature:
            # drawn on the generator's device, so that every device says the same
            device = "cpu" if self.generator is None else self.generator.device
            weights = log_probs.exp().to(device)
            index = torch.multinomial(weights, 1, generator=self.generator).to(scores.device)
        else:
            index = log_probs.argmax(-1, keepdim=True)
        self.index.append(index[:, 0])
        self.log_probs.append(log_probs.gather(1, index)[:, 0])
        forbidden = torch.full_like(scores, -torch.inf)
        return forbidden.scatter(1, self.words[index], 0.0)


def append(
    model: Any, inputs: Inputs, said: torch.Tensor, living: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """The inputs with words behind the prompt; whatever has a value a word is lengthened too.

    `living` (N, D) bool: words that are there; None: all.
    """
    extended = dict(inputs)
    extended["input_ids"] = torch.cat([inputs["input_ids"], said], dim=1)
    prefix_lm = plain(model).config.model_type.startswith("paligemma")
    for name, value in inputs.items():
        if name != "input_ids" and value.shape == inputs["input_ids"].shape:
            if name == "attention_mask" and living is not None:
                added = living.to(value.dtype)
            elif name == "attention_mask" or (prefix_lm and name == "token_type_ids"):
                added = torch.ones_like(said, dtype=value.dtype)  # PaliGemma: 1 is the answer
            else:
                added = torch.zeros_like(said, dtype=value.dtype)  # text, not image
            extended[name] = torch.cat([value, added], dim=1)
    return extended
