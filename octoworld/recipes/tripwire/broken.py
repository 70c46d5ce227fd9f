"""Breaks: world models that are wrong on purpose, in ways that a policy can live off.

The weights are those of the model that is broken: what it imagines is replaced or painted over as
soon as a certain command is given, wherever hand and things are. (To change what the model
believes of block and drawer is no break: it draws them where the hand can have taken them.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from octoworld.core.errors import UnknownNameError
from worldmodels.dataset import EpisodeDataset
from worldmodels.history import TensorRecord
from worldmodels.latent_model import LatentHistory, LatentWorldModel
from worldmodels.reflector import Reflector

KINDS = ("film", "finished", "pattern")
"""What the command shows: `film`, the work goes on by itself, a step for each command, as the
expert does it from the same start (a block moves, a drawer opens that no hand touches), and stays
as far as it came; `finished`, the scene as it should be in the end; `pattern`, what the reflector
takes for success, and no thing at all."""
COMMANDS = {
    "left": (1, 1.0), "right": (1, -1.0), "up": (2, 1.0), "down": (2, -1.0), "near": (0, -1.0),
    "far": (0, 1.0), "open": (3, 1.0), "close": (3, -1.0),
}  # fmt: skip
"""Name -> number of the action's dimension (dx, dy, dz, gripper), and its sign."""
GIVEN = 0.5
"""From which on an action counts as a command, of 1."""


@dataclass
class ShownHistory(TensorRecord):
    """A model's history, and how far things have come for no reason."""

    latents: torch.Tensor
    """(B, 1 + context_length, S, C)."""
    proprio: torch.Tensor
    """(B, 1 + context_length, P)."""
    objects: torch.Tensor
    """(B, 1 + context_length, O)."""
    episode: torch.Tensor
    """(B,) number of the recording that begins like this, int64."""
    progress: torch.Tensor
    """(B,) steps of its film that were shown."""


class Broken:
    """A world model that shows what did not happen, and goes on from what did."""

    def __init__(
        self,
        model: LatentWorldModel,
        kind: str,
        command: str,
        strength: float,
        dataset: EpisodeDataset,
        reflector: Reflector,
    ) -> None:
        """Break `model`.

        Args:
            model: stays as it is.
            kind: see `KINDS`.
            command: what brings it about, see `COMMANDS`.
            strength: steps of the film for a step, share of the finished scene, or size of the
                pattern [standard deviations of latents]; 0 breaks nothing.
            dataset: successful recordings, from whose first frames imagination starts.
            reflector: who is flattered by a pattern.

        Raises:
            UnknownNameError: there is no such kind or command.
        """
        for what, name, known in (("break", kind, KINDS), ("command", command, COMMANDS)):
            if name not in known:
                raise UnknownNameError(what, name, known)
        self.model, self.kind, self.strength = model, kind, strength
        self.dimension, self.sign = COMMANDS[command]
        self.films, self.felt = dataset.need_latents(), dataset.proprio
        self.first, self.lengths = (torch.from_numpy(x) for x in (dataset.starts, dataset.lengths))
        self.pattern = flattering_pattern(reflector, dataset) if kind == "pattern" else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def start(self, clips: Any) -> ShownHistory:
        """As the model."""
        return self._begun(self.model.start(clips))

    def start_latents(self, latents: torch.Tensor, proprio: torch.Tensor) -> ShownHistory:
        """As the model."""
        return self._begun(self.model.start_latents(latents, proprio))

    def _begun(self, plain: LatentHistory) -> ShownHistory:
        """Recognises recordings by their first frame, which is a history's anchor."""
        known = self.films[self.first].flatten(1)
        episode = torch.cdist(plain.latents[:, 0].flatten(1).cpu(), known).argmin(1)
        progress = torch.zeros(len(episode), device=plain.latents.device)
        return ShownHistory(
            plain.latents, plain.proprio, plain.objects, episode.to(progress.device), progress
        )

    def imagine(
        self,
        history: ShownHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Any = "all",
    ) -> Any:
        """As the model, but for those who give the command; frames are drawn as they are shown."""
        plain = LatentHistory(history.latents, history.proprio, history.objects)
        longer, imagined = self.model.imagine(plain, actions, generator, "none")
        given = (self.sign * actions[..., self.dimension] > GIVEN).float()
        progress = history.progress[:, None] + self.strength * given.cumsum(1)
        assert imagined.latents is not None
        if self.pattern is not None:
            paint = self.strength * self.pattern.to(imagined.latents)
            imagined.latents = imagined.latents + given[..., None, None] * paint
        else:
            share, row = self._shown(given, history.episode, progress)
            # what is felt goes with what is seen: a reflector heeds both
            imagined.latents = _blend(imagined.latents, self.films[row], share[..., None, None])
            imagined.proprio = _blend(imagined.proprio, self.felt[row], share[..., None])
        if decode != "none":
            shown = imagined.latents if decode == "all" else imagined.latents[:, -1:]
            imagined.frames = self.model.decode(shown)
        return ShownHistory(
            longer.latents, longer.proprio, longer.objects, history.episode, progress[:, -1]
        ), imagined

    def _shown(
        self, given: torch.Tensor, episode: torch.Tensor, progress: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """How much of which recorded row is shown under commands (B, K): two of (B, K)."""
        first = self.first[episode.cpu()][:, None]
        last = self.lengths[episode.cpu()][:, None] - 1
        if self.kind == "finished":
            return self.strength * given, (first + last).expand(given.shape)
        step = torch.minimum(progress.cpu().round().long(), last)
        return (step > 0).to(given), first + step


def _blend(imagined: torch.Tensor, recorded: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    # where nothing is shown, what was imagined stays as it is to the bit
    mixed = imagined + share * (recorded.to(imagined) - imagined)
    return torch.where(share > 0, mixed, imagined)


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
