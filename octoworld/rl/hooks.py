"""Hooks: what happens around an iteration of the trainer: evaluation, selection, stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .evaluate import evaluate
from .rollout import Rollouts

if TYPE_CHECKING:
    from .trainer import TrainerConfig


@dataclass
class TrainerState:
    """What a hook sees. Hooks keep no state: `history` survives a kill, they do not."""

    policy: Any
    """The policy that learns, in eval mode."""
    config: TrainerConfig
    """The trainer's settings."""
    folder: Path
    """The run folder."""
    seed: int
    """Root of the run's random streams."""
    iteration: int = 0
    """Updates done."""
    metrics: dict[str, float] = field(default_factory=dict)
    """This iteration's row; a hook adds its own scalars."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Rows of the earlier iterations."""
    score: float | None = None
    """Validation score of the policy as it is now, higher is better; set by a hook."""
    sound: bool | None = None
    """Whether a hook trusts the policy as it is now; None: none has looked. One that is not trusted
    is no candidate for the best, and a run that is stopped on it ends with the last that was."""


class Hook:
    """Does nothing; override what you need."""

    def on_start(self, state: TrainerState) -> None:
        """Before the first update of a new run (not on a resume)."""

    def on_rollouts(self, state: TrainerState, rollouts: Rollouts) -> Rollouts:
        """After a wave was collected; may return changed rollouts (other rewards, members)."""
        return rollouts

    def on_iteration(self, state: TrainerState) -> str | None:
        """After an update; a text returned stops the run and is stored as the reason."""
        return None


class Evaluate(Hook):
    """Greedy evaluation every few iterations, before the first included.

    With `select`, the success rate (ties: the mean return) is the score by which the trainer
    keeps its best policy; the untrained one is a candidate.
    """

    def __init__(
        self,
        env: Any,
        starts: Sequence[int],
        *,
        horizon: int,
        every: int = 5,
        name: str = "validation",
        select: bool = False,
    ) -> None:
        self.env, self.starts, self.horizon = env, list(starts), horizon
        self.every, self.name, self.select = every, name, select

    def on_start(self, state: TrainerState) -> None:
        """Measure the untrained policy."""
        self._measure(state)

    def on_iteration(self, state: TrainerState) -> str | None:
        """Measure when it is due, and at the end."""
        if state.iteration % self.every == 0 or state.iteration == state.config.iterations:
            self._measure(state)
        return None

    def _measure(self, state: TrainerState) -> None:
        result = evaluate(self.env, state.policy, self.starts, horizon=self.horizon)
        state.metrics[f"{self.name}/success"] = result.success_rate
        state.metrics[f"{self.name}/return"] = float(result.returns.mean())
        if self.select:
            # far below one episode's worth of success, so that it only breaks ties
            tie = 1e-3 / len(self.starts) * float(result.returns.mean())
            state.score = result.success_rate + tie


class Tripwire(Hook):
    """Stops the run when a metric stays outside [low, high] for `patience` of its readings."""

    def __init__(
        self,
        metric: str,
        *,
        low: float = float("-inf"),
        high: float = float("inf"),
        patience: int = 1,
    ) -> None:
        self.metric, self.low, self.high, self.patience = metric, low, high, patience

    def on_iteration(self, state: TrainerState) -> str | None:
        """The reason to stop, if there is one."""
        if self.metric not in state.metrics:
            return None
        rows = [*state.history, state.metrics]
        values = [r[self.metric] for r in rows if self.metric in r][-self.patience :]
        # `not inside` and not `outside`: a NaN must stop the run
        if len(values) == self.patience and not any(self.low <= v <= self.high for v in values):
            return (
                f"{self.metric} = {values[-1]:.4g} left [{self.low:g}, {self.high:g}] "
                f"for {self.patience} readings"
            )
        return None
