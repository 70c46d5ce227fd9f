"""Watch: what is seen of a running training: metric rows, one line, the clock, bad numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from octoworld.core.errors import DivergenceError
from octoworld.core.log import MetricsLog, Progress

from .learner import Learner
from .state import TrainState

ROWS = 300
"""Metric rows of a run when the config says nothing."""


class Watch(BaseCallback):
    """Stable-Baselines3's callback of a run: it logs, checks, moves the rate, and ends on time."""

    def __init__(self, learner: Learner, log: MetricsLog, progress: Progress) -> None:
        super().__init__()
        self._learner, self._log, self._line = learner, log, progress
        config = learner.config
        self._every = config.log_every or max(1, config.total_steps // ROWS)
        self._note = ""
        self._used = 0.0
        self._logged = self._rated = learner.model.num_timesteps
        self._began = self._rated_at = time.monotonic()

    def begin(self, seconds: float) -> None:
        """A segment starts, after `seconds` of training."""
        self._used, self._began = seconds, time.monotonic()
        self._rated, self._rated_at = self._learner.model.num_timesteps, self._began

    def end_segment(self, evaluation: Mapping[str, float], state: TrainState) -> None:
        """Write the row of an evaluation, with what learning said last."""
        self._note = f"success {evaluation['eval/success']:.2f}"
        spent = {"time/seconds": state.seconds, "time/cpu_seconds": state.cpu_seconds}
        self._write({**evaluation, **spent})
        self._line.update(self._learner.model.num_timesteps, self._note)

    def _on_rollout_start(self) -> None:
        # once per roll-out, so that a roll-out and its update have one rate
        self._learner.schedule.done = self._learner.model.num_timesteps
        if self._learner.model.num_timesteps - self._logged >= self._every:
            self._write({"time/seconds": self._used + time.monotonic() - self._began})

    def _on_step(self) -> bool:
        config = self._learner.config
        self._line.update(self._learner.model.num_timesteps, self._note)
        if config.time_budget is None:
            return True
        return self._used + time.monotonic() - self._began < config.time_budget

    def _write(self, row: Mapping[str, float]) -> None:
        model = self._learner.model
        now, step = time.monotonic(), model.num_timesteps
        metrics = {k: float(v) for k, v in model.logger.name_to_value.items()}
        for name, value in metrics.items():
            if name.startswith("train/") and not math.isfinite(value):
                # the variance explained of returns that are all equal is no number, and no harm
                if name == "train/explained_variance":
                    continue
                raise DivergenceError(
                    f"{name} is {value} after {step} steps: lower learning_rate, or look for bad "
                    "values in rewards or observations"
                )
        metrics = {k: v for k, v in metrics.items() if math.isfinite(v)}
        if model.ep_info_buffer:
            metrics["rollout/return"] = float(np.mean([e["r"] for e in model.ep_info_buffer]))
            metrics["rollout/length"] = float(np.mean([e["l"] for e in model.ep_info_buffer]))
        if model.ep_success_buffer:
            metrics["rollout/success"] = float(np.mean(model.ep_success_buffer))
        if step > self._rated:
            metrics["time/steps_per_second"] = (step - self._rated) / max(
                now - self._rated_at, 1e-9
            )
        self._rated, self._rated_at, self._logged = step, now, step
        self._log.write(step, metrics | dict(row))
