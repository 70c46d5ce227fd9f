"""Early stopping: looks at a model while it learns; the best weights are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError
from .io import load_tensors, read_json, save_tensors, write_json

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Check:
    """How to look, how often, and when it is enough."""

    score: Callable[[], Mapping[str, float]]
    """Named numbers of the model in eval mode, among them `score`: the lower, the better."""
    every: int
    """Steps between looks; the last step is one."""
    patience: int
    """Looks in a row without a better score after which training ends."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.patience < 1:
            raise ConfigError(f"every {self.every} and patience {self.patience} must be at least 1")


class Watch:
    """Keeps `looks.json` and `best.safetensors` in a run folder; a killed run looks again."""

    def __init__(self, check: Check, folder: Path, start: int, writes: bool) -> None:
        """Go on after step `start`; `writes` says whether this process writes the files."""
        self.check, self.folder, self.writes = check, folder, writes
        path = folder / "looks.json"
        found = read_json(path) if start and path.exists() else []
        # a look after the last checkpoint will be had again, and find the same
        self.looks: list[tuple[int, float]] = [(s, score) for s, score in found if s <= start]

    @property
    def best_step(self) -> int:
        """Step of the best look; the first of equals."""
        return min(self.looks, key=lambda look: look[1])[0]

    @property
    def is_over(self) -> bool:
        """Whether the last `patience` looks were all worse than the best."""
        since = [step for step, _ in self.looks if step > self.best_step] if self.looks else []
        return len(since) >= self.check.patience

    def is_due(self, done: int, steps: int) -> bool:
        """Whether to look after `done` of `steps` steps."""
        return done % self.check.every == 0 or done == steps

    def look(
        self, model: torch.nn.Module, averaged: Mapping[str, torch.Tensor] | None, done: int
    ) -> dict[str, float]:
        """Score the averaged weights (None: the model's own), and keep them if they are best."""
        import torch

        own = {k: v.detach().clone() for k, v in model.named_parameters()}
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_((averaged or own)[name])
            model.eval()
            found = dict(self.check.score())
            self.looks.append((done, float(found["score"])))
            if self.writes:
                if self.best_step == done:
                    save_tensors(self.folder / "best.safetensors", dict(model.named_parameters()))
                write_json(self.folder / "looks.json", self.looks)
            for name, value in model.named_parameters():
                value.copy_(own[name])
        model.train()
        return found

    def restore_best(self, model: torch.nn.Module) -> None:
        """Give the model the best weights seen."""
        import torch

        best = load_tensors(self.folder / "best.safetensors")
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(best[name])
