"""StateModel and ObjectEyes: where the robot and the things will be, and where the things are.

Contact is easy to learn in a dozen numbers and hard in pixels: frames are drawn where these say.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .cells import CellBlock, to_cells


class StateModel(nn.Module):
    """State and an action to the next state, applied K times: a residual MLP.

    A state is proprioception followed by the objects' numbers. Where recordings do not tell the
    latter, the last frame tells the model about contacts instead (`scene` numbers read from it).
    """

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        latent_size: int,
        *,
        hidden: int,
        layers: int,
        scene: int,
    ) -> None:
        super().__init__()
        self.scene = (
            nn.Sequential(nn.Linear(latent_size, scene), nn.SiLU()) if scene else nn.Identity()
        )
        self.reads_scene = scene > 0
        self.enter = nn.Linear(state_dim + action_dim + scene, hidden)
        self.body = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers - 1))
        self.out = nn.Linear(hidden, state_dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        state: torch.Tensor,
        actions: torch.Tensor,
        latents: torch.Tensor,
        change: torch.Tensor,
    ) -> torch.Tensor:
        """Standardised state (B, D), actions (B, K, A) -> standardised (B, K, D).

        Args:
            state: what is known now.
            actions: what is done.
            latents: last frame seen (B, S, C).
            change: (D,) typical change of a step, in standardised units.
        """
        told = [self.scene(latents.flatten(1))] if self.reads_scene else []
        states = []
        for action in actions.unbind(1):
            x = self.enter(torch.cat([state, action, *told], -1))
            for layer in self.body:
                x = x + layer(F.silu(F.layer_norm(x, x.shape[-1:])))
            state = state + change * self.out(F.silu(x))
            states.append(state)
        return torch.stack(states, 1)


class ObjectEyes(nn.Module):
    """Frames and proprioception to the objects' numbers: where attention falls, and on what.

    It sees the first frame of the episode beside the present one: what a hand hides now may have
    been in sight then.
    """

    def __init__(
        self,
        object_dim: int,
        proprio_dim: int,
        channels: int,
        *,
        cameras: int,
        cells: int,
        width: int,
        points: int = 16,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.cameras, self.cells = cameras, cells
        self.enter = nn.Conv2d(2 * channels // cells**2, width, 3, padding=1)
        self.body = nn.ModuleList(CellBlock(width, proprio_dim) for _ in range(2))
        self.points = nn.Conv2d(width, points, 1)
        self.read = nn.Sequential(
            nn.Linear(cameras * points * (2 + width) + proprio_dim, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, object_dim),
        )  # fmt: skip

    def forward(
        self, first: torch.Tensor, now: torch.Tensor, proprio: torch.Tensor
    ) -> torch.Tensor:
        """Latents (B, S, C) of two frames, standardised proprio (B, P) -> standardised (B, O)."""
        both = [to_cells(x, self.cameras, self.cells) for x in (first, now)]
        x = self.enter(torch.cat(both, 1))
        for block in self.body:
            x = block(x, proprio.repeat_interleave(self.cameras, 0))
        x = F.silu(x)
        attention = self.points(x).flatten(2).softmax(-1)
        rows, columns = (torch.linspace(-1, 1, side, device=x.device) for side in x.shape[-2:])
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        places = torch.cat([attention @ grid, attention @ x.flatten(2).transpose(1, 2)], -1)
        seen = places.flatten(1).view(len(proprio), -1)
        return self.read(torch.cat([seen, proprio], -1))
