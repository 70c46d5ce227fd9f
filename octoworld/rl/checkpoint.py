"""Checkpoints of the trainer: weights, optimiser, counters, and the best policy seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from octoworld.core.errors import CheckpointError
from octoworld.core.io import load_tensors, read_json, save_tensors

from .critic import Critic

STATE = "state.safetensors"


@dataclass
class Best:
    """The policy with the highest score that a hook reported; the first of equals is kept."""

    score: float | None = None
    """Its score."""
    iteration: int = -1
    """Updates it had; -1 while nothing was scored."""
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    """A copy of its weights."""

    def offer(self, score: float | None, iteration: int, policy: Any) -> None:
        """Keep the policy if it scored higher than all before."""
        if score is not None and (self.score is None or score > self.score):
            self.take(score, iteration, policy)

    def take(self, score: float | None, iteration: int, policy: Any) -> None:
        """Keep the policy, whatever was kept before."""
        self.score, self.iteration = score, iteration
        self.weights = {k: v.detach().clone() for k, v in policy.state_dict().items()}

    def load_into(self, policy: Any) -> None:
        """Give the policy the best weights, if anything was scored."""
        if self.weights:
            policy.load_state_dict(self.weights)

    def summary(self) -> dict[str, float | int | None]:
        """For `outcome.json`."""
        return {"best_score": self.score, "best_iteration": self.iteration}


def save(
    folder: Path,
    policy: Any,
    optimizer: torch.optim.Optimizer,
    best: Best,
    iteration: int,
    spent: dict[str, int],
    critic: Critic | None = None,
    sound: Best | None = None,
) -> None:
    """Write the state after `iteration` updates as one file, atomically.

    `sound` is the last policy that a hook trusted, see `TrainerState.sound`.
    """
    tensors = {f"policy/{k}": v for k, v in policy.state_dict().items()}
    tensors |= _kept_tensors("best", best)
    if sound is not None:
        tensors |= _kept_tensors("sound", sound)
    tensors |= _optimizer_tensors("optimizer", optimizer)
    if critic is not None:
        tensors |= {f"critic/{k}": v for k, v in critic.state_dict().items()}
        tensors |= _optimizer_tensors("critic_optimizer", critic.optimizer)
    tensors |= {f"spent/{k}": torch.tensor(v) for k, v in spent.items()}
    tensors["iteration"] = torch.tensor(iteration)
    save_tensors(folder / STATE, tensors)


def restore(
    folder: Path,
    policy: Any,
    optimizer: torch.optim.Optimizer,
    best: Best,
    critic: Critic | None = None,
    sound: Best | None = None,
) -> tuple[int, dict[str, int], str]:
    """Updates done, true interaction spent, and why the run stopped ('' while it has not).

    Raises:
        CheckpointError: the state is damaged, or of another policy.
    """
    path = folder / STATE
    if not path.exists():
        return 0, {}, ""
    tensors = load_tensors(path)
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        room, _, name = key.partition("/")
        parts.setdefault(room, {})[name] = value
    try:
        policy.load_state_dict(parts["policy"])
        _restore_optimizer(optimizer, parts.get("optimizer", {}))
        if critic is not None:
            critic.load_state_dict(parts["critic"])
            _restore_optimizer(critic.optimizer, parts.get("critic_optimizer", {}))
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} was made for another policy ({str(error).splitlines()[0]}); "
            "use another run folder or the config it was started with"
        ) from None
    iteration = int(tensors["iteration"])
    for name, kept in (("best", best), ("sound", sound)):
        if kept is not None and name in parts:
            score = tensors.get(f"{name}_score")
            kept.score = None if score is None else float(score)
            kept.iteration, kept.weights = int(tensors[f"{name}_iteration"]), parts[name]
    spent = {k: int(v) for k, v in parts.get("spent", {}).items()}
    outcome = read_json(folder / "outcome.json") if (folder / "outcome.json").exists() else {}
    # an outcome of more iterations than the state was written just before a kill: it comes again
    stopped = outcome.get("stopped", "") if outcome.get("iterations") == iteration else ""
    return iteration, spent, stopped


def _kept_tensors(name: str, kept: Best) -> dict[str, torch.Tensor]:
    if not kept.weights:
        return {}
    tensors = {f"{name}/{k}": v for k, v in kept.weights.items()}
    tensors[f"{name}_iteration"] = torch.tensor(kept.iteration)
    if kept.score is not None:
        tensors[f"{name}_score"] = torch.tensor(kept.score, dtype=torch.float64)
    return tensors


def _optimizer_tensors(room: str, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{room}/{index}/{k}": torch.as_tensor(v)
        for index, state in optimizer.state_dict()["state"].items()
        for k, v in state.items()
    }


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
