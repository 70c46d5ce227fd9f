"""Critic: what an episode will still bring, seen from a decision; for the estimator `gae` (PPO).

Returns alone say that an episode went well, not which decision made it so. A critic, trained beside
the policy on what the rollouts brought, tells the decisions of one episode apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.errors import ConfigError

from .advantages import gae
from .rollout import Rollouts

Features = Callable[[Mapping[str, torch.Tensor], Sequence[str]], torch.Tensor]
"""(observation of N worlds, instructions) -> (N, F) what the critic knows, without gradient."""


@dataclass(frozen=True)
class CriticConfig:
    """Size and training of a critic, and how far it looks."""

    hidden: int = 256
    """Width of its two hidden layers."""
    learning_rate: float = 1e-3
    """Of Adam."""
    epochs: int = 6
    """Passes over an iteration's decisions."""
    minibatch_size: int = 256
    """Decisions in one step."""
    trace: float = 0.95
    """lambda of GAE, per decision: 1 trusts returns alone, 0 the critic alone."""
    batch_size: int = 256
    """Decisions whose features are computed at a time."""


class Critic(nn.Module):
    """Two hidden layers over features and the share of the clock that has run."""

    mean: torch.Tensor
    std: torch.Tensor
    is_ready: torch.Tensor

    def __init__(self, features: Features, size: int, config: CriticConfig | None = None) -> None:
        """`size`: F, length of the features."""
        super().__init__()
        self.features, self.config = features, config or CriticConfig()
        hidden = self.config.hidden
        self.net = nn.Sequential(
            nn.Linear(size + 1, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, 1),
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.register_buffer("is_ready", torch.zeros((), dtype=torch.bool))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=self.config.learning_rate)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, F + 1) features, the clock last -> (n,) values."""
        known = ((features[:, :-1] - self.mean) / self.std).clamp(-5, 5)
        return self.net(torch.cat([known, features[:, -1:]], 1))[:, 0]

    @torch.no_grad()
    def look(self, rollouts: Rollouts, horizon: int) -> torch.Tensor:
        """Features (n, F + 1) of the n decisions of `rollouts.mask`, row after row."""
        index = rollouts.mask.nonzero()
        parts = []
        for rows in index.split(self.config.batch_size):
            decision, world = rows.unbind(1)
            obs = {k: v[decision, world] for k, v in rollouts.obs.items()}
            seen = self.features(obs, [rollouts.instructions[i] for i in world.tolist()])
            parts.append(torch.cat([seen, decision[:, None].to(seen) / horizon], 1))
        return torch.cat(parts)

    def judge(
        self,
        rollouts: Rollouts,
        rewards: torch.Tensor,
        horizon: int,
        discount: float,
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Advantages (D, N) of all decisions, standardised; then learn from what came.

        Args:
            rollouts: of the policy that acts now.
            rewards: (D, N) of each decision; 0 after the end.
            horizon: most decisions of an episode.
            discount: per decision.
            generator: of the minibatches.
        """
        mask, config = rollouts.mask, self.config
        features = self.look(rollouts, horizon)
        if not self.is_ready:  # scales of the first rollouts, kept from then on
            self.mean.copy_(features[:, :-1].mean(0))
            self.std.copy_(features[:, :-1].std(0).clamp(min=1e-4))
            self.is_ready.fill_(True)
        values = torch.zeros(len(mask) + 1, mask.shape[1], device=mask.device)
        with torch.no_grad():
            values[:-1][mask] = self(features)
        # an episode's end is an end, the clock's too: what it brought is in its rewards
        over = mask & ~torch.cat([mask[1:], torch.zeros_like(mask[:1])])
        advantages, targets = gae(
            rewards, values, over, torch.zeros_like(over), discount=discount, trace=config.trace
        )
        wanted = targets[mask]
        explained = 1 - (wanted - values[:-1][mask]).var() / wanted.var().clamp(min=1e-8)
        for _ in range(config.epochs):
            order = torch.randperm(len(wanted), generator=generator).to(wanted.device)
            for rows in order.split(config.minibatch_size):
                loss = F.mse_loss(self(features[rows]), wanted[rows])
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()
        kept = advantages[mask]
        standard = (advantages - kept.mean()) / kept.std().clamp(min=1e-6)
        return standard * mask, {"explained_variance": float(explained)}


def by_decision(rollouts: Rollouts, returns: str) -> torch.Tensor:
    """(D, N) rewards of the decisions, whose sum is the episode's return of that name.

    `last` is told as the change of the reward from one decision to the next: progress is earned
    where it is made.

    Raises:
        ConfigError: that return cannot be told by decision.
    """
    earned = rollouts.rewards * rollouts.alive
    if returns == "sum":
        return earned.sum(2)
    steps = rollouts.alive.sum(2)
    if returns == "last":
        now = rollouts.rewards.gather(2, (steps - 1).clamp_min(0)[..., None])[..., 0]
        before = torch.cat([torch.zeros_like(now[:1]), now[:-1]])
        return (now - before) * rollouts.mask
    if returns == "success":
        last = rollouts.mask.sum(0) - 1
        number = torch.arange(len(steps), device=last.device)[:, None]
        return (number == last) * rollouts.success.float()
    raise ConfigError(f"returns {returns!r} cannot be told by decision: use sum, last or success")
