"""TokenTransformer: context frames, actions and states to the codes of the frames that follow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.errors import ConfigError

from ..cells import CellBlock, to_cells, to_tokens
from ..conditioning import rich
from .config import AutoregressiveConfig, TokenizerConfig
from .fsq import FiniteScalars
from .head import CodeHead

KeyValue = tuple[torch.Tensor, torch.Tensor]
Extend = Callable[[torch.Tensor, torch.Tensor], KeyValue]
"""(own keys, own values) -> all that are seen."""


@dataclass
class Context:
    """What new frames get from the context frames."""

    cache: list[KeyValue]
    """Keys and values (B, heads, S, D/heads) of each block."""
    beneath: torch.Tensor
    """(B, 1, S, D) added to every new token at the same place."""
    cells: torch.Tensor
    """(B, cameras, W, h, w) added to the cells of every new frame."""


@dataclass
class Conditions:
    """What is known beforehand of K new frames: actions and states."""

    summary: torch.Tensor
    """(B, K, D)."""
    modulation: torch.Tensor
    """(layers, 6, B, K, 1, D): shift, scale and gate of each block (adaLN-single)."""
    token: torch.Tensor
    """(B, K, D) added to every token of the frame."""
    carried: torch.Tensor | None
    """(B, K, cameras, channels, h, w) of `carry.carried`."""

    def frame(self, k: int) -> Conditions:
        """Those of frame k alone."""
        one = slice(k, k + 1)
        return Conditions(
            self.summary[:, one],
            self.modulation[:, :, :, one],
            self.token[:, one],
            None if self.carried is None else self.carried[:, one],
        )


class Cache:
    """Keys and values of the context and of the tokens drawn so far, with room for all."""

    def __init__(self, context: Context, room: int) -> None:
        self.length = context.cache[0][0].shape[2]
        self._kept = []
        for layer in context.cache:
            pair = [x.new_empty(*x.shape[:2], self.length + room, x.shape[3]) for x in layer]
            for kept, x in zip(pair, layer, strict=True):
                kept[:, :, : self.length] = x
            self._kept.append(pair)

    def extend(self, layer: int) -> Extend:
        """Writes a block's own keys and values behind the others and gives all."""

        def add(key: torch.Tensor, value: torch.Tensor) -> KeyValue:
            end = self.length + key.shape[2]
            keys, values = self._kept[layer]
            keys[:, :, self.length : end], values[:, :, self.length : end] = key, value
            return keys[:, :, :end], values[:, :, :end]

        return add


class _Block(nn.Module):
    """Pre-norm block as in LLaMA; scale, shift and gate come per frame."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.heads = heads
        hidden = int(dim * mlp_ratio)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(
        self,
        x: torch.Tensor,
        modulation: torch.Tensor,
        extend: Extend,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """X (B, K, n, D), n tokens of each of K frames, and their modulation (6, B, K, 1, D)."""
        batch, frames, tokens, dim = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.unbind(0)
        h = F.rms_norm(x, (dim,)) * (1 + scale1) + shift1
        qkv = self.qkv(h).view(batch, frames * tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        k, v = extend(k, v)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + gate1 * self.out(h.transpose(1, 2).reshape(x.shape))
        h = F.rms_norm(x, (dim,)) * (1 + scale2) + shift2
        gate, up = self.up(h).chunk(2, -1)
        return x + gate2 * self.down(F.silu(gate) * up)


class TokenTransformer(nn.Module):
    """Context read once; then new tokens, each seeing all before it.

    All context frames together are one set of S tokens (their latents side by side), kept as keys
    and values, so a longer context costs nothing. New frames are drafted one by one: convolutions
    over the cells of the frame before, the context's and the carried things', conditioned on action
    and state. A token is then chosen from the draft at its place, the token drawn before it and, by
    attention, all earlier ones.
    """

    order: torch.Tensor
    """(S,) places in the order of drawing."""
    place: torch.Tensor
    """(S,) number in that order of each place."""

    def __init__(
        self,
        config: AutoregressiveConfig,
        tokenizer: TokenizerConfig,
        fsq: FiniteScalars,
        *,
        num_tokens: int,
        channels: int,
        state_dim: int,
        action_dim: int,
        cameras: int,
        cells: int,
        carried: int,
    ) -> None:
        super().__init__()
        dim, width, size = config.dim, config.cell_width, tokenizer.code_size
        self.num_tokens, self.together = num_tokens, config.tokens_per_step
        if num_tokens % self.together:
            raise ConfigError(
                f"tokens_per_step {self.together} must divide the {num_tokens} tokens of a frame"
            )
        self.cameras, self.cells, self.octaves = cameras, cells, config.state_octaves
        slots, cell_channels = 1 + config.context_length, channels // cells**2
        grid = cells * round((num_tokens // cameras) ** 0.5)
        rich_dim = state_dim * (1 + 2 * self.octaves)
        self.position = nn.Parameter(torch.randn(num_tokens, dim) * 0.02)
        self.slot = nn.Parameter(torch.randn(config.max_chunk, dim) * 0.02)
        self.begin = nn.Parameter(torch.randn(dim) * 0.02)
        self.context_in = nn.Linear(slots * channels, dim)
        self.beneath_in = nn.Linear(slots * channels, dim)
        self.context_cells = nn.Conv2d(slots * cell_channels, width, 3, padding=1)
        self.previous_cells = nn.Conv2d(cell_channels, width, 3, padding=1)
        self.cell_position = nn.Parameter(torch.randn(width, grid, grid) * 0.02)
        self.carried_cells = nn.Conv2d(carried, width, 3, padding=1) if carried else None
        self.draft = nn.ModuleList(CellBlock(width, dim) for _ in range(config.draft_blocks))
        self.draft_in = nn.Linear(cells**2 * width, dim)
        self.previous_in = nn.Linear(size, dim)
        self.token_in = nn.Linear(size, dim)
        self.context_condition = nn.Linear(slots * rich_dim, dim)
        self.condition = nn.Sequential(
            nn.Linear(action_dim + 2 * rich_dim + state_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.action_token = nn.Sequential(
            nn.Linear(action_dim + rich_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.modulation = nn.Linear(dim, 6 * dim)
        self.own_modulation = nn.Parameter(
            torch.randn(config.layers, 6, 1, 1, 1, dim) / math.sqrt(dim)
        )
        self.blocks = nn.ModuleList(
            _Block(dim, config.heads, config.mlp_ratio) for _ in range(config.layers)
        )
        self.head_condition = nn.Linear(dim, 2 * dim)
        self.head = CodeHead(dim, config.head_width, tokenizer.levels, fsq)
        for layer in (self.modulation, self.head_condition):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        # tokens of one step lie apart: with 4 of 16, a step is a column of the image
        order = torch.arange(num_tokens).view(self.together, -1).T.flatten()
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("place", order.argsort(), persistent=False)

    @property
    def steps(self) -> int:
        """Steps in which a frame is drawn."""
        return self.num_tokens // self.together

    def read_context(self, latents: torch.Tensor, state: torch.Tensor) -> Context:
        """Latents (B, 1+c, S, C), anchor first, and their states (B, 1+c, D)."""
        stacked = latents.transpose(1, 2).flatten(2)
        x = (self.context_in(stacked) + self.position)[:, None]
        told = self.context_condition(rich(state, self.octaves).flatten(1))[:, None]
        modulation = self._modulation(told)
        cache: list[KeyValue] = []

        def keep(key: torch.Tensor, value: torch.Tensor) -> KeyValue:
            cache.append((key, value))
            return key, value

        for block, own in zip(self.blocks, modulation, strict=True):
            x = block(x, own, keep)
        slots = [to_cells(latents[:, i], self.cameras, self.cells) for i in range(latents.shape[1])]
        cells = self.context_cells(torch.cat(slots, 1)) + self.cell_position
        return Context(
            cache, self.beneath_in(stacked)[:, None], cells.unflatten(0, (-1, self.cameras))
        )

    def conditions(
        self,
        actions: torch.Tensor,
        before: torch.Tensor,
        after: torch.Tensor,
        carried: torch.Tensor | None,
    ) -> Conditions:
        """Of actions (B, K, A) and the states (B, K, D) before and after each.

        `carried` (B * K * cameras, channels, h, w) is that of `carry.carried`.
        """
        was, now = (rich(x, self.octaves) for x in (before, after))
        summary = self.condition(torch.cat([actions, was, now, after - before], -1))
        token = self.action_token(torch.cat([actions, now], -1)) + self.slot[: actions.shape[1]]
        if carried is not None:
            carried = carried.unflatten(0, (*actions.shape[:2], self.cameras))
        return Conditions(summary, self._modulation(summary), token, carried)

    def ground(
        self,
        latents: torch.Tensor,
        values: torch.Tensor,
        context: Context,
        conditions: Conditions,
    ) -> torch.Tensor:
        """What tokens (B, K, S, D), in the order of drawing, start from.

        Latents (B, K, S, C) and codes' levels (B, K, S, G * d) are of the frames before each.
        """
        lead = (*latents.shape[:2], self.cameras)
        cells = self.previous_cells(to_cells(latents.flatten(0, 1), self.cameras, self.cells))
        if self.carried_cells is not None:
            assert conditions.carried is not None
            cells = cells + self.carried_cells(conditions.carried.flatten(0, 2))
        cells = (cells.unflatten(0, lead) + context.cells[:, None]).flatten(0, 2)
        cells = cells.contiguous(memory_format=torch.channels_last)
        film = F.silu(conditions.summary).flatten(0, 1).repeat_interleave(self.cameras, 0)
        for block in self.draft:
            cells = block(cells, film)
        draft = to_tokens(F.silu(cells), self.cameras, self.cells).unflatten(0, lead[:2])
        x = self.draft_in(draft) + self.previous_in(values) + context.beneath + self.position
        return x[:, :, self.order] + conditions.token[:, :, None]

    def forward(
        self,
        values: torch.Tensor,
        latents: torch.Tensor,
        beneath: torch.Tensor,
        first_values: torch.Tensor,
        context: Context,
        conditions: Conditions,
        targets: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits (B, K, S, G, V) of all tokens of K frames at once (teacher forcing).

        Args:
            values: levels (B, K, S, G * d) of the frames' own codes; a token sees earlier ones.
            latents: (B, K, S, C) of the frames before each: the last one's are not needed.
            beneath: codes (B, K, S, G) of the frames before each.
            first_values: levels (B, S, G * d) of the last context frame.
            context: what `read_context` returned.
            conditions: what `conditions` returned.
            targets: levels of the codes that the head is told within a token, if they differ from
                `values` (which may hold noise).
        """
        previous = torch.cat([first_values[:, None], values[:, :-1]], 1)
        x = self.ground(latents, previous, context, conditions)
        drawn = self.token_in(values[:, :, self.order[: -self.together]])
        begin = self.begin.expand(*x.shape[:2], self.together, -1)
        x = x + torch.cat([begin.to(drawn.dtype), drawn], 2)
        mask = self._mask(x.shape[1], x.device)
        for layer, (block, (keys, kept)) in enumerate(zip(self.blocks, context.cache, strict=True)):
            x = block(
                x,
                conditions.modulation[layer],
                lambda k, v, a=keys, b=kept: (torch.cat([a, k], 2), torch.cat([b, v], 2)),
                mask,
            )
        x = self.known(x, conditions.summary)[:, :, self.place]
        return self.head(x, values if targets is None else targets, beneath)

    def step(self, x: torch.Tensor, modulation: torch.Tensor, cache: Cache) -> torch.Tensor:
        """One step of drawing: x (B, 1, together, D) through the blocks, the cache grows."""
        for layer, block in enumerate(self.blocks):
            x = block(x, modulation[layer], cache.extend(layer))
        cache.length += x.shape[2]
        return x

    def known(self, x: torch.Tensor, summary: torch.Tensor) -> torch.Tensor:
        """What the blocks found, x (B, K, n, D), as the head takes it."""
        shift, scale = self.head_condition(F.silu(summary)).unsqueeze(2).chunk(2, -1)
        return F.rms_norm(x, x.shape[-1:]) * (1 + scale) + shift

    def _modulation(self, summary: torch.Tensor) -> torch.Tensor:
        """Of every block for frames (B, K, D): (layers, 6, B, K, 1, D)."""
        shared = self.modulation(F.silu(summary)).unflatten(-1, (6, 1, -1)).movedim(2, 0)
        return shared + self.own_modulation

    def _mask(self, frames: int, device: torch.device) -> torch.Tensor:
        """(K*S, S + K*S) True where a token may look: the context, steps before, its own step."""
        step = torch.arange(frames * self.num_tokens, device=device) // self.together
        seen = torch.ones(len(step), self.num_tokens, dtype=torch.bool, device=device)
        return torch.cat([seen, step[:, None] >= step[None]], 1)
