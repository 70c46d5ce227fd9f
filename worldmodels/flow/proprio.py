"""ProprioModel: proprioception and an action -> the next proprioception, step by step."""

from __future__ import annotations

import torch
from torch import nn


class ProprioModel(nn.Module):
    """A small MLP applied K times; the last context frame tells it about contacts."""

    def __init__(
        self, proprio_dim: int, action_dim: int, latent_size: int, hidden: int, scene: int = 64
    ) -> None:
        super().__init__()
        self.scene = nn.Sequential(nn.Linear(latent_size, scene), nn.SiLU())
        self.step = nn.Sequential(
            nn.Linear(proprio_dim + action_dim + scene, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            out := nn.Linear(hidden, proprio_dim),
        )
        nn.init.zeros_(out.weight)
        nn.init.zeros_(out.bias)

    def forward(
        self,
        proprio: torch.Tensor,
        actions: torch.Tensor,
        latents: torch.Tensor,
        change: torch.Tensor,
    ) -> torch.Tensor:
        """Standardised proprio (B, P), actions (B, K, A) -> standardised (B, K, P).

        Args:
            proprio: the state that is known.
            actions: what is done.
            latents: last context frame (B, S, C).
            change: (P,) typical change of a step, in standardised units.
        """
        scene = self.scene(latents.flatten(1))
        steps = []
        for action in actions.unbind(1):
            proprio = proprio + change * self.step(torch.cat([proprio, action, scene], -1))
            steps.append(proprio)
        return torch.stack(steps, 1)
