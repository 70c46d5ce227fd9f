"""HfProgrammer: a pretrained vision-language model that writes programs in conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed
from vla.checkpoint import read_config, write_config
from vla.hf.files import load_tuned, save_tuned
from vla.hf.pretrained import load_model, load_processor
from vla.hf.prompt import process, resize, with_images
from vla.hf.tuning import prepare, set_mode

from ..answer import Problem
from ..chat import Message, Reply
from ..written import PAD, Written
from .config import HfProgrammerConfig
from .writing import Words, token_log_prob, write

KIND = "hf_programmer"
IMAGES, SHOWN = "images", "shown"
"""Columns of an observation: pictures (N, P, H, W, 3) uint8, and how many of them are there (N,).
"""


class HfProgrammer(nn.Module):
    """Any model of `transformers.AutoModelForImageTextToText`, with LoRA adapters.

    It is a `ChatModel` (`complete`), so that `ChatAgent` plays episodes with it, and a policy of
    the shared trainer whose decision is an answer (`act`, `log_prob`): there, the instruction of a
    world is all that the user says in words, and `briefing` is the system's message before it.
    """

    chunk_size = 1

    def __init__(self, config: HfProgrammerConfig, model: Any, processor: Any) -> None:
        """Around a loaded model; adapters come from torch's global generator. See `build`."""
        super().__init__()
        self.config, self.processor = config, processor
        self.source = config.model
        self.name = Path(config.model).name or KIND
        self.briefing = ""
        """What the system says before an instruction, in `act` and `log_prob`."""
        self.words = Words.of(model, processor)
        self.model = prepare(model, config)
        self.to(model.device)
        self.trained = tuple(name for name, p in self.named_parameters() if p.requires_grad)
        """Names of the weights that training changes."""

    @classmethod
    def build(
        cls, config: HfProgrammerConfig, seed: int, device: torch.device | str = "cpu"
    ) -> HfProgrammer:
        """Load the pretrained model; its adapters are a function of `seed`.

        Raises:
            CheckpointError: the model cannot be had, has no eyes, or has no image processor.
            ConfigError: the config does not fit the model or the device.
            DependencyError: the model's processor needs a package that is not installed.
        """
        processor = load_processor(config)
        model = load_model(config, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, KIND, "weights"))
            return cls(config, model, processor).eval()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def train(self, mode: bool = True) -> HfProgrammer:
        """Training mode, or not; what is frozen stays as in use."""
        super().train(mode)
        set_mode(self.model, self.config, mode)
        return self

    # -- in conversations --------------------------------------------------------------------------

    def complete(self, messages: Sequence[Message]) -> Reply | Problem:
        """See `ChatModel.complete`; what is likeliest."""
        inputs = self.inputs([messages])
        was = self.training
        self.eval()
        written = write(self.model, inputs, self.config.max_tokens, self.words)
        self.train(was)
        tokens = written.tokens[0]
        counts = int(inputs["attention_mask"].sum()), int((tokens != PAD).sum())
        return Reply(self.text(tokens), is_cut=not self.words.is_end(tokens).any(), tokens=counts)

    def inputs(self, conversations: Sequence[Sequence[Message]]) -> dict[str, torch.Tensor]:
        """The model's inputs of N conversations, padded on the left; pictures of all alike many.

        Raises:
            ConfigError: the processor refuses them.
        """
        from PIL import Image

        rows, texts = [], []
        for messages in conversations:
            shown = [torch.as_tensor(image) for m in messages for _, image in m.images]
            small = [resize(image[None], self.config.image_size)[0] for image in shown]
            rows.append([Image.fromarray(image.cpu().numpy()) for image in small])
            texts.append(self._told(messages))
        inputs = process(self.processor, texts, rows)
        dtype = getattr(torch, self.config.dtype)
        return {
            name: value.to(self.device, dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }

    def _told(self, messages: Sequence[Message]) -> str:
        """A conversation in the model's own format; without one, its texts one after the other."""
        if not getattr(self.processor, "chat_template", None):
            text = "\n\n".join(m.text for m in messages)
            return with_images(self.processor, text, sum(len(m.images) for m in messages))
        told = [
            {"role": m.role, "content": [*({"type": "image"} for _ in m.images),
                                         {"type": "text", "text": m.text}]}
            for m in messages
        ]  # fmt: skip
        return self.processor.apply_chat_template(told, tokenize=False, add_generation_prompt=True)

    # -- text and tokens ---------------------------------------------------------------------------

    def text(self, tokens: torch.Tensor) -> str:
        """Tokens (L,) of an answer in words."""
        kept = [t for t in tokens.tolist() if t != PAD and t not in self.words.ends]
        return self.processor.tokenizer.decode(kept, skip_special_tokens=True)

    def tokens(self, answers: Sequence[str]) -> torch.Tensor:
        """Answers as tokens (N, L) int64, each with its end, PAD after it.

        Raises:
            ConfigError: an answer is longer than `max_tokens`.
        """
        tokenizer, longest = self.processor.tokenizer, self.config.max_tokens
        rows = [tokenizer(a, add_special_tokens=False)["input_ids"] for a in answers]
        rows = [[*row, self.words.ends[0]] for row in rows]
        if (length := max(map(len, rows))) > longest:
            raise ConfigError(f"an answer of {length} tokens: expected at most {longest}")
        return torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows])

    # -- the trainer's policy ----------------------------------------------------------------------

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing is kept between answers."""

    def act(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Written:
        """Answers of N worlds, (N, 1, max_tokens) tokens."""
        length = self.config.max_tokens
        inputs = self.inputs(self._conversations(obs, instructions))
        written = write(self.model, inputs, length, self.words, temperature, generator)
        missing = length - written.tokens.shape[1]
        actions = F.pad(written.actions, (0, missing), value=float(PAD))
        log_prob = F.pad(written.log_prob, (0, missing))
        return Written(actions, actions, log_prob, F.pad(written.chosen, (0, missing)))

    def log_prob(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        *,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N, L) of each token of answers (N, 1, L)."""
        tokens = raw_actions[:, 0].long()
        used = max(1, int((tokens != PAD).sum(1).max()))
        inputs = self.inputs(self._conversations(obs, instructions))
        found = token_log_prob(self.model, inputs, tokens[:, :used], self.words, temperature)
        return F.pad(found, (0, tokens.shape[1] - used))

    def loss(
        self, conversations: Sequence[Sequence[Message]], answers: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """What imitation minimises: `loss`, mean over the answers' tokens."""
        tokens = self.tokens(answers).to(self.device)
        found = token_log_prob(self.model, self.inputs(conversations), tokens, self.words)
        return {"loss": -found.sum() / (tokens != PAD).sum()}

    def _conversations(
        self, obs: Mapping[str, torch.Tensor], instructions: Sequence[str]
    ) -> list[tuple[Message, ...]]:
        system = (Message("system", self.briefing),) if self.briefing else ()
        told = []
        for row, text in enumerate(instructions):
            count = int(obs[SHOWN][row])
            shown = obs[IMAGES][row, :count].cpu().numpy() if count else ()
            told.append((*system, Message("user", text, tuple(("", image) for image in shown))))
        return told

    # -- files -------------------------------------------------------------------------------------

    def save_pretrained(self, folder: Path | str, *, save_base: bool = False) -> None:
        """Write config, processor and adapters, and with `save_base` the pretrained model too."""
        save_tuned(self, Path(folder), save_base)
        write_config(folder, KIND, self.config)

    @classmethod
    def from_pretrained(
        cls, folder: Path | str, *, device: torch.device | str | None = None
    ) -> HfProgrammer:
        """Read what `save_pretrained` wrote.

        Raises:
            CheckpointError: a file is missing, damaged or does not fit; the pretrained model cannot
                be had.
        """
        config = read_config(folder, KIND, HfProgrammerConfig)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        made = load_tuned(Path(folder), config, device, lambda m, p: cls(config, m, p))
        return made.eval()
