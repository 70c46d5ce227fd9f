"""TinyProgrammer: pictures and words in, the tokens of a program out, with their probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from octoworld.core.errors import ConfigError
from vla.checkpoint import read_config, read_weights, write_config, write_weights
from vla.text import Block

from ..written import PAD, Written
from .config import TinyProgrammerConfig
from .eye import Eye
from .grammar import Grammar
from .layers import Cache, DecoderBlock
from .words import Words

KIND = "tiny_programmer"
NOWHERE = -1
"""`at` of a robot that is at no picture's place."""
IN_ROOM = 3
"""In `Seen.mentioned`."""


@dataclass
class Seen:
    """What is seen in B scenes. The order of pictures carries nothing."""

    features: torch.Tensor
    """(B, P, F) float32, of the eye."""
    pictures: torch.Tensor
    """(B, P) bool, where there is one."""
    at: torch.Tensor
    """(B,) int64, picture of the place where the robot is, or NOWHERE."""
    mentioned: torch.Tensor
    """(B, P) int64: 0 not in the feedback, 1 in it, 2 where it says what failed; and IN_ROOM more
    for places in a room that the task names."""
    words: torch.Tensor
    """(B, W) int64: of the task, of the robot's state, of the feedback."""

    COLUMNS = ("features", "pictures", "at", "mentioned", "words")

    @classmethod
    def of(cls, columns: Mapping[str, torch.Tensor], rows: torch.Tensor | None = None) -> Seen:
        """From columns by name, some rows of them."""
        found = (columns[name] for name in cls.COLUMNS)
        return cls(*(c if rows is None else c[rows] for c in found))

    def columns(self) -> dict[str, torch.Tensor]:
        """The reverse of `of`."""
        return {name: getattr(self, name) for name in self.COLUMNS}

    def __len__(self) -> int:
        return len(self.at)


class TinyProgrammer(nn.Module):
    """Encoder over pictures and words, decoder over programs, the eye beside them."""

    chunk_size = 1
    of_token: torch.Tensor
    """(words of the grammar,) their numbers in the vocabulary."""
    of_label: torch.Tensor
    """(labels, vocabulary) share of each word in a label."""
    names: torch.Tensor
    """(labels, vocabulary) 1 for each word of a label."""

    def __init__(self, config: TinyProgrammerConfig) -> None:
        super().__init__()
        self.config = config
        self.grammar, self.reading = Grammar(config.grammar), Words(config.vocabulary)
        width = config.width
        self.eye = Eye(config.eye, config.labels, config.grammar.nouns).requires_grad_(False).eval()
        self.words = nn.Embedding(len(config.vocabulary) + 2, width)
        # small, so that the untrained embedding of an unknown word says next to nothing
        nn.init.normal_(self.words.weight, std=0.1)
        self.feature = nn.Sequential(nn.Linear(self.eye.size, width), nn.LayerNorm(width))
        self.flags = nn.Parameter(0.02 * torch.randn(2 + 2 * IN_ROOM, width))
        """Of a picture; of where the robot is; of each value of `Seen.mentioned`."""
        length = config.task_words + config.state_words + config.feedback_words
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))
        self.matched = nn.Linear(width, width)
        """Of a picture: where the task names what it shows."""
        self.encoder = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.encoder_layers)
        )
        self.memory_norm = nn.LayerNorm(width)
        self.token_positions = nn.Parameter(0.02 * torch.randn(config.max_tokens, width))
        self.first = nn.Parameter(0.1 * torch.randn(width))
        """Stands before the first token."""
        self.place = nn.Linear(width, width)
        """A place that was gone to, as a token."""
        self.decoder = nn.ModuleList(
            DecoderBlock(width, config.heads) for _ in range(config.decoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.say, self.point = nn.Linear(width, width), nn.Linear(width, width)
        self.pointed = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(self.grammar.size))
        of_token = [self.reading.index.get(w, 1) for w in self.grammar.words]
        self.register_buffer("of_token", torch.tensor(of_token), persistent=False)
        self.register_buffer("of_label", self._label_words(), persistent=False)
        self.register_buffer("names", (self.of_label > 0).float(), persistent=False)

    def _label_words(self) -> torch.Tensor:
        """(labels, vocabulary) share of each word in a label."""
        shares = torch.zeros(len(self.config.labels), len(self.config.vocabulary) + 2)
        for row, label in enumerate(self.config.labels):
            parts = label.split()
            for word in parts:
                shares[row, self.reading.index[word]] += 1 / len(parts)
        return shares

    @property
    def blocks(self) -> list[DecoderBlock]:
        """Of the decoder."""
        return cast("list[DecoderBlock]", list(self.decoder))

    # -- what is seen ------------------------------------------------------------------------------

    def read(self, instruction: str, state: str = "", feedback: str = "") -> list[int]:
        """Numbers of the words that are told (W,)."""
        config, row = self.config, self.reading.row
        return [
            *row(instruction, config.task_words),
            *row(state, config.state_words),
            *row(feedback, config.feedback_words, keep_end=True),
        ]

    def encode(self, seen: Seen) -> tuple[torch.Tensor, torch.Tensor]:
        """Memory (B, P + W', width) and where something is; pictures first, then words in use."""
        sure = self.eye.recognise(seen.features)
        recognised = sure @ self.of_label @ self.words.weight
        flags = self.flags[0] + self.flags[2:][seen.mentioned]
        spots = torch.arange(seen.pictures.shape[1], device=seen.at.device)
        here = (seen.at[:, None] == spots)[..., None] * self.flags[1]
        pictures = self.feature(seen.features) + recognised + flags + here
        # most scenes have no feedback yet: columns without a word anywhere cost time for nothing
        used = (seen.words != 0).any(0).nonzero()[:, 0]
        words = seen.words[:, used]
        pictures = pictures + self._matches(sure, words, used)
        told = self.words(words) + self.positions[used]
        x = torch.cat([pictures, told], 1)
        mask = torch.cat([seen.pictures, words != 0], 1)
        for block in self.encoder:
            x = block(x, mask)
        return self.memory_norm(x), mask

    def _matches(self, sure: torch.Tensor, words: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        """(B, P, width) from the positions of the words of the task that name what pictures show.

        Attention would have to learn word by word that what is seen and what is said are the same;
        some thousand programs are too few for that.
        """
        shown = (sure @ self.names).clamp(max=1)
        config = self.config
        pointing = used < config.task_words
        if config.matches_feedback:
            pointing = pointing | (used >= config.task_words + config.state_words)
        named = words[:, None, pointing].expand(-1, sure.shape[1], -1)
        return self.matched(shown.gather(2, named) @ self.positions[used[pointing]])

    # -- programs ----------------------------------------------------------------------------------

    def inputs(
        self, tokens: torch.Tensor, memory: torch.Tensor, owner: torch.Tensor
    ) -> torch.Tensor:
        """Tokens (N, T) as the decoder reads them (N, T, width)."""
        words = self.words(self.of_token)[tokens.clamp(0, self.grammar.size - 1)]
        spots = (tokens - self.grammar.size).clamp_min(0)
        places = self.place(memory[owner[:, None], spots])
        return torch.where((tokens >= self.grammar.size)[..., None], places, words)

    def _logits(self, x: torch.Tensor, pointed: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
        """(N, T, width) -> (N, T, size + P)."""
        x = self.norm(x)
        said = self.say(x) @ self.words(self.of_token).T + self.bias
        shown = self.point(x) @ pointed[owner].transpose(1, 2) / self.config.width**0.5
        return torch.cat([said, shown], -1)

    def token_log_prob(
        self,
        seen: Seen,
        tokens: torch.Tensor,
        owner: torch.Tensor | None = None,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N, L) log-probability of each token, 0 at PAD; `owner` (N,) is the scene of each row."""
        if owner is None:
            owner = torch.arange(len(tokens), device=tokens.device)
        memory, mask = self.encode(seen)
        pointed = self.pointed(memory[:, : seen.pictures.shape[1]])
        x = torch.cat(
            [self.first.expand(len(tokens), 1, -1), self.inputs(tokens[:, :-1], memory, owner)], 1
        )
        x = x + self.token_positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, block.remember(memory, mask).of(owner))
        logits = self._logits(x, pointed, owner) / temperature
        allowed = self._allowed(tokens, seen.at[owner] >= 0, seen.pictures[owner])
        log_prob = logits.masked_fill(~allowed, -torch.inf).log_softmax(-1)
        found = log_prob.gather(2, tokens.clamp_min(0)[..., None])[..., 0]
        return torch.where(tokens >= 0, found, 0.0)

    def _allowed(
        self, tokens: torch.Tensor, has_place: torch.Tensor, pictures: torch.Tensor
    ) -> torch.Tensor:
        """(N, L, size + P) what the grammar allows before each token."""
        states, rows = self.grammar.start(has_place), []
        for t in range(tokens.shape[1]):
            rows.append(self.grammar.mask(states, pictures))
            states = self.grammar.step(states, tokens[:, t])
        allowed = torch.stack(rows, 1)
        # after the end nothing is allowed, and a softmax over nothing is not a number
        return allowed | (tokens < 0)[..., None]

    @torch.no_grad()
    def write(
        self,
        seen: Seen,
        owner: torch.Tensor | None = None,
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        beginnings: torch.Tensor | None = None,
    ) -> Written:
        """Programs for N rows, each of the scene that `owner` (N,) names; greedy at 0.

        `beginnings` (N, L) are tokens that rows start with, up to PAD.
        """
        device = seen.at.device
        if owner is None:
            owner = torch.arange(len(seen), device=device)
        count, length = len(owner), self.config.max_tokens
        memory, mask = self.encode(seen)
        pointed = self.pointed(memory[:, : seen.pictures.shape[1]])
        remembered = [block.remember(memory, mask).of(owner) for block in self.blocks]
        caches = [Cache() for _ in self.decoder]
        pictures = seen.pictures[owner]
        states = self.grammar.start(seen.at[owner] >= 0)
        tokens = torch.full((count, length), PAD, device=device)
        log_probs = torch.zeros(count, length, device=device)
        chosen = torch.zeros(count, length, dtype=torch.bool, device=device)
        x = self.first.expand(count, 1, -1)
        for t in range(length):
            living = ~self.grammar.ended(states)
            if not living.any():
                break
            x = x + self.token_positions[t]
            for block, memories, cache in zip(self.decoder, remembered, caches, strict=True):
                x = block(x, memories, cache)
            logits = self._logits(x, pointed, owner)[:, 0] / (temperature or 1.0)
            allowed = self.grammar.mask(states, pictures) | ~living[:, None]
            log_prob = logits.masked_fill(~allowed, -torch.inf).log_softmax(-1)
            token = _draw(log_prob, temperature, generator)
            given = torch.full_like(token, PAD) if beginnings is None else beginnings[:, t]
            drawn = living & (given < 0)
            token = torch.where(given >= 0, given, token).where(living, PAD)
            found = log_prob.gather(1, token.clamp_min(0)[:, None])[:, 0]
            tokens[:, t], chosen[:, t] = token, drawn
            log_probs[:, t] = torch.where(living, found, 0.0)
            states = self.grammar.step(states, token)
            x = self.inputs(token[:, None], memory, owner)
        actions = tokens[:, None].float()
        return Written(actions, actions, log_probs, chosen)

    # -- the trainer's policy ----------------------------------------------------------------------

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing is kept between programs."""

    def act(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Written:
        """Programs for what N worlds show; worlds of one `scene` (N,) are looked at once."""
        seen, owner = distinct(obs)
        return self.write(seen, owner, temperature=temperature, generator=generator)

    def log_prob(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        *,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(b, L) of each token of programs (b, 1, L)."""
        seen, owner = distinct(obs)
        return self.token_log_prob(seen, raw_actions[:, 0].long(), owner, temperature)

    # -- files -------------------------------------------------------------------------------------

    def save_pretrained(self, folder: Path | str) -> None:
        """Write config and weights."""
        write_config(folder, KIND, self.config)
        write_weights(folder, self)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> TinyProgrammer:
        """Read what `save_pretrained` wrote; CheckpointError where that is not possible."""
        model = cls(read_config(folder, KIND, TinyProgrammerConfig))
        read_weights(folder, model)
        return model.eval()


def distinct(obs: Mapping[str, torch.Tensor]) -> tuple[Seen, torch.Tensor]:
    """Each scene once, and the scene of each of N rows: members of a group see the same."""
    if "scene" not in obs:
        raise ConfigError(f"obs has no column 'scene', only {', '.join(sorted(obs))}")
    scenes, owner = obs["scene"].unique(return_inverse=True)
    first = torch.full((len(scenes),), len(owner), device=owner.device)
    rows = torch.arange(len(owner), device=owner.device)
    first = first.scatter_reduce(0, owner, rows, "amin")
    return Seen.of(obs, first), owner


def _draw(
    log_prob: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    if temperature <= 0:
        return log_prob.argmax(-1)
    # Gumbel: the same draws whatever the number of choices is padded to
    device = generator.device if generator is not None else log_prob.device
    noise = torch.rand(log_prob.shape, generator=generator, device=device).to(log_prob)
    return (log_prob - (-noise.clamp(1e-9, 1 - 1e-7).log()).log()).argmax(-1)
