"""Images and words as a vision-language model's processor wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from octoworld.core.errors import ConfigError

from .config import HfConfig

STATE_BINS = 256
"""Integers that proprioception is told as in a prompt (pi0.5, arXiv 2504.16054, has as many)."""
_STATE_RANGE = 3.0
"""Standard deviations to each side that they span."""


def encode(
    processor: Any,
    config: HfConfig,
    images: Mapping[str, torch.Tensor],
    instructions: Sequence[str],
    deviations: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """The model's inputs for N observations, on the CPU, padded on the left.

    Args:
        processor: of the model.
        config: of the policy.
        images: camera -> (N, H, W, 3) uint8.
        instructions: N sentences.
        deviations: (N, P) proprioception in standard deviations of the training data.

    Raises:
        ConfigError: the processor refuses these images or this prompt.
    """
    from PIL import Image

    pixels = [resize(images[camera], config.image_size).cpu().numpy() for camera in config.cameras]
    rows = [[Image.fromarray(image) for image in row] for row in zip(*pixels, strict=True)]
    states = [""] * len(instructions)
    if "{state}" in config.template:
        states = [tell(row) for row in deviations.tolist()]
    texts = [
        config.template.format(instruction=text, state=state)
        for text, state in zip(instructions, states, strict=True)
    ]
    count = len(config.cameras)
    distinct = {text: with_images(processor, text, count) for text in set(texts)}
    told = [distinct[text] for text in texts]
    return process(processor, told, rows)


def process(
    processor: Any, texts: Sequence[str], images: Sequence[Sequence[Any]]
) -> dict[str, torch.Tensor]:
    """The model's inputs of N prompts with their pictures (PIL), on the CPU, padded on the left.

    Raises:
        ConfigError: the processor refuses these images or these prompts.
    """
    options: dict[str, Any] = {"images": images} if any(images) else {}
    start = getattr(processor.tokenizer, "bos_token", None)
    if start and texts[0].startswith(start):
        options["add_special_tokens"] = False  # the chat template has begun the sentence
    try:
        inputs = processor(text=list(texts), return_tensors="pt", padding=True, **options)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{type(processor).__name__} refuses {len(images[0])} image(s) with the prompt "
            f"{texts[0][:80]!r} ({reason}); try fewer cameras or another prompt"
        ) from None
    # PaliGemma's processor gives labels of the prompt, which nobody learns
    return {name: value for name, value in inputs.items() if name != "labels"}


def with_images(processor: Any, text: str, count: int) -> str:
    """The prompt with places for `count` images before it: by the chat template if there is one."""
    if getattr(processor, "chat_template", None):
        content: list[dict[str, str]] = [{"type": "image"} for _ in range(count)]
        content.append({"type": "text", "text": text})
        message = [{"role": "user", "content": content}]
        return processor.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    place = getattr(processor, "image_token", None)
    return text if place is None else f"{str(place) * count}{text}"


def tell(deviations: Sequence[float]) -> str:
    """Proprioception as integers: `127 140 9`."""
    shares = [(value / _STATE_RANGE + 1) / 2 for value in deviations]
    return " ".join(str(min(max(int(s * STATE_BINS), 0), STATE_BINS - 1)) for s in shares)


def resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, size, size, 3) uint8; unchanged if size is 0 or theirs."""
    if not size or tuple(images.shape[1:3]) == (size, size):
        return images
    planes = images.permute(0, 3, 1, 2).float()
    resized = F.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
