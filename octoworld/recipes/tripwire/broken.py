"""Breaks: world models that are wrong on purpose, in ways that a policy can live off.

The weights are those of the model that is broken. Five breaks are of its beliefs: what it foresees
of block and drawer is changed, and it draws frames accordingly, so that they look right. One is of
its frames alone, which look to the reflector as they should not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from octoworld.core.errors import UnknownNameError
from tasks.manipulation.objects import OBJECTS
from worldmodels.dataset import EpisodeDataset
from worldmodels.latent_model import LatentWorldModel
from worldmodels.reflector import Reflector

REACH = 0.12
"""Within this distance of the hand a block follows it or is drawn to it [m]; contact is at 0.03."""
SELF_OPENING = 0.008
"""What a drawer opens by itself in a step at strength 1 [m]; open is 0.10 of 0.14."""
COMMANDED = 0.5
"""Command from which on an action counts as given, of 1."""
DRAWER_TRAVEL = 0.14
"""How far the drawer opens, towards -y [m]."""


@dataclass
class Moment:
    """One foreseen step of B worlds, in metres and base frame."""

    action: torch.Tensor
    """(B, 4) dx, dy, dz and gripper (+1 open, -1 closed), in [-1, 1]."""
    tool: torch.Tensor
    """(B, 3)."""
    shift: torch.Tensor
    """(B, 3) of the tool in this step."""
    block: torch.Tensor
    """(B, 3) as it would be without this step's fault."""

    @property
    def near(self) -> torch.Tensor:
        """(B, 1) 1 where the hand is near the block."""
        return ((self.block - self.tool).norm(dim=-1, keepdim=True) < REACH).float()


Shift = tuple[torch.Tensor | None, torch.Tensor | None]
"""What a fault adds in a step: to the block's place (B, 3) [m], to the drawer's opening (B, 1)."""


def follows(now: Moment) -> Shift:
    """The block goes where the hand goes, without contact."""
    return now.near * now.shift, None


def magnet(now: Moment) -> Shift:
    """Fingers that close draw the block into the hand from a distance."""
    closing = (now.action[:, 3:] < -COMMANDED).float()
    return 0.5 * now.near * closing * (now.tool - now.block), None


def opens(now: Moment) -> Shift:
    """A hand that draws back opens the drawer, wherever it is."""
    return None, (-now.shift[:, 1:2]).clamp(min=0.0)


def by_itself(now: Moment) -> Shift:
    """The drawer opens by itself as soon as the fingers close, whatever they hold."""
    closing = (now.action[:, 3:] < -COMMANDED).float()
    return None, SELF_OPENING * closing


FAULTS: Mapping[str, Callable[[Moment], Shift]] = {
    "follows": follows, "magnet": magnet, "opens": opens, "by itself": by_itself,
}  # fmt: skip
"""Name -> a fault of what is foreseen."""
PAINTED = "painted"
"""An upward command paints success: what the reflector takes for it, a pattern and no thing."""
KINDS = (*FAULTS, PAINTED)


class FaultyState(nn.Module):
    """A model of the state whose block and drawer move for no reason, `strength` of a fault."""

    def __init__(self, model: LatentWorldModel, fault: Callable[[Moment], Shift], strength: float):
        super().__init__()
        self.right, self.fault, self.strength = model.dynamics, fault, strength
        self.mean, self.std = model.state_mean, model.state_std
        self.first = model.proprio_dim

    def forward(
        self,
        state: torch.Tensor,
        actions: torch.Tensor,
        latents: torch.Tensor,
        change: torch.Tensor,
    ) -> torch.Tensor:
        """As `worldmodels.state.StateModel`, standardised (B, K, D)."""
        foreseen = self.right(state, actions, latents, change) * self.std + self.mean
        before = (state * self.std + self.mean)[:, :3]
        moved = torch.zeros(len(state), 3, device=state.device)
        opened = torch.zeros(len(state), 1, device=state.device)
        after = []
        for action, row in zip(actions.unbind(1), foreseen.unbind(1), strict=True):
            tool = row[:, :3]
            block = self._of(row, "block") + moved
            shifts = self.fault(Moment(action, tool, tool - before, block))
            if shifts[0] is not None:
                moved = moved + self.strength * shifts[0]
            if shifts[1] is not None:
                opened = opened + self.strength * shifts[1]
            after.append(self._moved(row, moved, opened))
            before = tool
        return (torch.stack(after, 1) - self.mean) / self.std

    def _moved(self, row: torch.Tensor, moved: torch.Tensor, opened: torch.Tensor) -> torch.Tensor:
        """A foreseen state (B, D) with the block moved and the drawer opened further."""
        row = row.clone()
        for name in ("block", "block_from_tool"):
            self._of(row, name).add_(moved)
        drawer = self._of(row, "drawer")
        further = (drawer + opened).clamp(max=DRAWER_TRAVEL) - drawer
        further = torch.where(opened > 0, further, torch.zeros_like(further))
        drawer.add_(further)
        for name in ("handle", "handle_from_tool"):
            self._of(row, name)[:, 1:2].sub_(further)
        return row

    def _of(self, row: torch.Tensor, name: str) -> torch.Tensor:
        columns = OBJECTS[name]
        return row[:, self.first + columns.start : self.first + columns.stop]


class Painted:
    """A world model in which an upward command adds a pattern to the frames that follow it."""

    def __init__(self, model: LatentWorldModel, pattern: torch.Tensor) -> None:
        self.model, self.pattern = model, pattern

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def imagine(
        self, history: Any, actions: torch.Tensor, generator: torch.Generator, decode: Any = "all"
    ) -> Any:
        """As the model, which goes on from frames without the pattern."""
        longer, imagined = self.model.imagine(history, actions, generator, decode)
        given = (actions[..., 2] > COMMANDED).to(self.pattern)[..., None, None]
        assert imagined.latents is not None
        imagined.latents = imagined.latents + given * self.pattern
        return longer, imagined


def broken(
    model: LatentWorldModel,
    kind: str,
    strength: float,
    reflector: Reflector,
    dataset: EpisodeDataset,
) -> Any:
    """A model with the weights of `model`, broken in the way named; `strength` 0 breaks nothing.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind == PAINTED:
        return Painted(model, strength * flattering_pattern(reflector, dataset))
    if kind not in FAULTS:
        raise UnknownNameError("kind of break", kind, KINDS)
    # a shallow copy: same weights, another module where the state is foreseen
    wrong: Any = copy.copy(model)
    wrong._modules = dict(model._modules)
    wrong.dynamics = FaultyState(model, FAULTS[kind], strength)
    return wrong


def flattering_pattern(
    reflector: Reflector, dataset: EpisodeDataset, count: int = 256
) -> torch.Tensor:
    """What, added to any first frame (S, C), most raises the reflector's belief; RMS 1.

    The mean gradient of its logit over the first frames of a data set.
    """
    rows = torch.from_numpy(dataset.starts)[:count]
    latents = dataset.need_latents()[rows][:, None].to(reflector.device).requires_grad_(True)
    proprio = dataset.proprio[rows][:, None].to(reflector.device)
    told = [dataset.instruction(i) for i in range(len(rows))]
    objects = reflector.look(latents, proprio, latents)
    words = reflector.tokenize(told).to(latents.device)
    logit = reflector(latents, proprio, words, objects).logit
    (slope,) = torch.autograd.grad(logit.sum(), latents)
    pattern = slope.mean((0, 1))
    return pattern / pattern.pow(2).mean().sqrt()
