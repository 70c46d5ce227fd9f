"""Head `flow`: an action expert that turns noise into a chunk while it looks at the model's mind.

Flow matching as in pi0 (arXiv 2410.24164, section 4 and appendix B): between noise e and a chunk a
lies x_t = t a + (1 - t) e, whose velocity is a - e; the expert learns to tell it from x_t and t.
As in SmolVLA (arXiv 2506.01844) the expert is a small transformer of its own, here with self- and
cross-attention in every layer, and proprioception is one of its tokens.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from .config import HfConfig

_LAST_TIME = 0.999
"""s of pi0's p(t) = Beta((s - t) / s; 1.5, 1), which prefers times of much noise."""
_BETA = 1.5
_PERIODS = (4e-3, 4.0)
"""Shortest and longest period of the sines that tell the time (pi0)."""
_MOST_WORDS = 10_000
"""Longest period, in words / 2 pi, of those that tell where a hidden state stands (Vaswani et al.
2017); pi0's expert knows it from rotary positions."""
_WORD_PERIODS = (2 * math.pi / _MOST_WORDS, 2 * math.pi)


class ExpertBlock(nn.Module):
    """Pre-norm self-attention, attention to the model's hidden states, and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.cross_query = nn.Linear(width, width)
        self.cross_key_value = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, memory_mask: torch.Tensor
    ) -> torch.Tensor:
        """(B, T, width) to the same; memory (B, L, width), its mask (B, L) False for padding."""
        query, keys, values = self.query_key_value(self.norms[0](x)).chunk(3, dim=-1)
        x = x + self.out(self._attend(query, keys, values, None))
        keys, values = self.cross_key_value(memory).chunk(2, dim=-1)
        query = self.cross_query(self.norms[1](x))
        x = x + self.cross_out(self._attend(query, keys, values, memory_mask[:, None, None, :]))
        return x + self.mlp(self.norms[2](x))

    def _attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        split = [
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value)
        ]
        return F.scaled_dot_product_attention(*split, attn_mask=mask).transpose(1, 2).flatten(2)


class FlowExpert(nn.Module):
    """Velocity of a noisy chunk, given what the model saw and read, and what the robot feels."""

    def __init__(self, config: HfConfig, hidden_size: int) -> None:
        """Random weights; `hidden_size` is the width of the model's hidden states."""
        super().__init__()
        width = config.width
        self.chunk_size, self.action_dim = config.chunk_size, config.action_dim
        self.memory = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, width))
        self.state = nn.Linear(config.state_dim, width)
        self.action = nn.Linear(config.action_dim, width)
        self.time = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))
        self.positions = nn.Parameter(0.02 * torch.randn(config.chunk_size, width))
        self.blocks = nn.ModuleList(ExpertBlock(width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width)
        self.velocity = nn.Linear(width, config.action_dim)

    def forward(
        self,
        hidden: torch.Tensor,
        hidden_mask: torch.Tensor,
        state: torch.Tensor,
        noisy: torch.Tensor,
        time: torch.Tensor,
    ) -> torch.Tensor:
        """(B, K, A) velocity [normalised actions a unit of time].

        Args:
            hidden: (B, L, hidden_size) the model's hidden states.
            hidden_mask: (B, L) bool, False for padding.
            state: (B, P) normalised proprioception.
            noisy: (B, K, A) x_t, normalised.
            time: (B,) t in [0, 1]: 0 is noise, 1 is the chunk.
        """
        told = sines(time, self.positions.shape[1], _PERIODS)[:, None].expand(
            -1, self.chunk_size, -1
        )
        actions = self.time(torch.cat([self.action(noisy), told], dim=-1)) + self.positions
        x = torch.cat([self.state(state)[:, None], actions], dim=1)
        # counted from the first word, so that an image stands where it stood, however long the text
        places = (hidden_mask.cumsum(dim=1) - 1).clamp(min=0) / _MOST_WORDS
        memory = self.memory(hidden) + sines(places, self.positions.shape[1], _WORD_PERIODS)
        for block in self.blocks:
            x = block(x, memory, hidden_mask)
        return self.velocity(self.norm(x[:, 1:]))


def sines(values: torch.Tensor, width: int, periods: tuple[float, float]) -> torch.Tensor:
    """(...,) values -> (..., width) sines and cosines, from the shortest to the longest period."""
    share = torch.linspace(0, 1, width // 2, device=values.device)
    period = periods[0] * (periods[1] / periods[0]) ** share
    angle = values.unsqueeze(-1) * (2 * math.pi / period)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def flow_loss(
    expert: FlowExpert,
    hidden: torch.Tensor,
    hidden_mask: torch.Tensor,
    state: torch.Tensor,
    actions: torch.Tensor,
    mask: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Mean squared error of the velocity over the actions (B, K, A) whose `mask` (B, K) is true."""
    noise = torch.randn(actions.shape, generator=generator).to(actions)
    # inverse of the distribution function: u^(1/1.5) is Beta(1.5, 1), if u is even
    u = torch.rand(len(actions), generator=generator).to(actions)
    time = _LAST_TIME * (1 - u ** (1 / _BETA))
    t = time[:, None, None]
    guess = expert(hidden, hidden_mask, state, t * actions + (1 - t) * noise, time)
    weight = mask.unsqueeze(-1).to(guess)
    error = (guess - (actions - noise)).square()
    return (error * weight).sum() / (weight.sum() * actions.shape[-1])


def denoise(
    expert: FlowExpert,
    hidden: torch.Tensor,
    hidden_mask: torch.Tensor,
    state: torch.Tensor,
    noise: torch.Tensor,
    steps: int,
) -> torch.Tensor:
    """(B, K, A) normalised actions: `noise` carried along the velocity by Euler's rule."""
    x = noise
    for step in range(steps):
        time = torch.full((len(x),), step / steps, device=x.device)
        x = x + expert(hidden, hidden_mask, state, x, time) / steps
    return x
