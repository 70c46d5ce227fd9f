"""Watch: looks at what a model imagines while it is rewarded, and stops it where it decays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from octoworld.core.errors import ConfigError
from octoworld.core.rng import torch_generator
from octoworld.rl import Hook
from octoworld.rl.hooks import TrainerState

from ..dataset import EpisodeDataset
from ..looks import luminance, motion_ratio, sharpness
from ..metrics import mask_recall, psnr, saturated_pixels
from .clips import Reward, Video
from .measure import Frames, draw_clips, imagine_clips, recorded_clips
from .sampler import Sampler

NAME = "watch"


@dataclass(frozen=True)
class WatchConfig:
    """What is looked at, how often, and what is too much. Limits are against the untrained model.

    A trial of ours lost blocks and blurred while brightness and sharpness stayed as they were, so
    the coloured pixels are counted as well.
    """

    every: int = 10
    """Iterations between two looks."""
    clips: int = 48
    """Held-out clips that are imagined at each."""
    steps: int = 8
    """Their actions, a multiple of the model's chunk."""
    temperature: float = 1.0
    """At which they are imagined."""
    sharpness: float = 0.75
    """Least share of the sharpness at the start."""
    luminance: float = 0.05
    """Most change of mean brightness, of full white."""
    recall: float = 0.05
    """Most loss of coloured pixels where they should be."""
    psnr: float = 1.5
    """Most loss of likeness [dB]."""
    motion: float = 0.5
    """Least share of the recorded motion."""
    patience: int = 2
    """Looks in a row that must go wrong before the run is stopped."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.clips < 1 or self.patience < 1:
            raise ConfigError(
                f"every {self.every}, clips {self.clips} and patience {self.patience} must be at "
                "least 1"
            )


class Watch(Hook):
    """Measures held-out clips every few iterations; the reward on them is the score kept by.

    Stops the run when that reward reaches that of recorded video, for what is beyond can only be
    the reader's error; or when pictures decay.
    """

    def __init__(
        self,
        sampler: Sampler,
        dataset: EpisodeDataset,
        reward: Reward,
        config: WatchConfig | None = None,
        *,
        seed: int = 0,
        select: bool = True,
    ) -> None:
        self.sampler, self.dataset, self.reward = sampler, dataset, reward
        self.config, self.seed, self.select = config or WatchConfig(), seed, select
        self.clips = draw_clips(
            dataset, self.config.clips, self.config.steps, sampler.model.context_length,
            torch_generator(seed, NAME, "clips"),
        )  # fmt: skip
        real = recorded_clips(dataset, self.clips, sampler.model.cameras)
        self.ceiling = float(self._reward(real).mean())
        self._real = real

    def on_start(self, state: TrainerState) -> None:
        """Look at the untrained model."""
        self._look(state)

    def on_iteration(self, state: TrainerState) -> str | None:
        """Look when it is due, and at the end; the reason to stop, if there is one."""
        config = self.config
        last = state.iteration == state.config.iterations
        if state.iteration % config.every and not last:
            return None
        found = self._look(state)
        if found["reward"] >= self.ceiling:
            return f"the reward on held-out clips, {found['reward']:.3f}, is that of recorded video"
        rows = [r for r in [*state.history, state.metrics] if f"{NAME}/reward" in r]
        begin = {k: _first(state)[f"initial_{NAME}/{k}"] for k in found}
        wrong = [self._decay(_named(r), begin) for r in rows[-config.patience :]]
        if len(wrong) == config.patience and all(wrong):
            return f"pictures decay: {wrong[-1]}"
        return None

    def _look(self, state: TrainerState) -> dict[str, float]:
        """Measure the model as it is now."""
        generator = torch_generator(self.seed, NAME, "noise")
        frames = imagine_clips(
            self.sampler, self.dataset, self.clips, generator, self.config.temperature
        )
        found = {"reward": float(self._reward(frames).mean())} | looks(frames, self._real)
        state.metrics |= {f"{NAME}/{k}": v for k, v in found.items()}
        if self.select:
            state.score = found["reward"]
        return found

    def _reward(self, frames: Frames) -> torch.Tensor:
        rows = self.clips.rows
        told = torch.ones(len(rows), dtype=torch.bool)
        start = {c: x[:, 0] for c, x in frames.items()}
        return self.reward(Video(frames, self.dataset.actions[rows[:, :-1]], rows, told, start))

    def _decay(self, now: Mapping[str, float], begin: Mapping[str, float]) -> str:
        """What has gone wrong since the beginning; "" if nothing has."""
        config = self.config
        limits = {
            "sharpness": now["sharpness"] < config.sharpness * begin["sharpness"],
            "luminance": abs(now["luminance"] - begin["luminance"]) > config.luminance,
            "object_recall": now["object_recall"] < begin["object_recall"] - config.recall,
            "psnr": now["psnr"] < begin["psnr"] - config.psnr,
            "motion": now["motion"] < config.motion,
        }
        return ", ".join(
            f"{k} {begin[k]:.3g} -> {now[k]:.3g}" for k, broken in limits.items() if broken
        )


def looks(frames: Frames, real: Frames) -> dict[str, float]:
    """How clips look beside the recorded ones: means over cameras, clips and steps."""
    rows: dict[str, list[torch.Tensor]] = {}
    for camera, x in frames.items():
        new, true = x[:, 1:], real[camera][:, 1:]
        found = {
            "luminance": luminance(new),
            "sharpness": sharpness(new) / sharpness(true).clamp(min=1e-9),
            "motion": motion_ratio(x, real[camera]),
            "object_recall": mask_recall(
                saturated_pixels(true).flatten(0, 1), saturated_pixels(new).flatten(0, 1)
            ),
            "psnr": psnr(new, true).clamp(max=99),
        }
        for name, values in found.items():
            rows.setdefault(name, []).append(values.nanmean())
    return {name: float(torch.stack(values).mean()) for name, values in rows.items()}


def _first(state: TrainerState) -> Mapping[str, float]:
    return state.history[0] if state.history else state.metrics


def _named(row: Mapping[str, float]) -> dict[str, float]:
    head = f"{NAME}/"
    return {k.removeprefix(head): v for k, v in row.items() if k.startswith(head)}
